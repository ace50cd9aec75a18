// Puts charts on the page, sorts its tables, and gets it ready for paper.

let printing = false;
let unfolded = []; // details that were opened for paper

function makeChart(entry) {
  const {spec, series} = entry;
  const points = series.flat();
  const ends = points.flatMap((point) => [point.low, point.high])
    .filter((value) => Number.isFinite(value) && !(spec.y.log && value <= 0));
  const whole = points.every((point) => Number.isInteger(point.x));
  const datasets = spec.series.map((each, at) => makeDataset(each, series[at], at));
  entry.chart = new Chart(entry.plot.querySelector('canvas'), {
    type: 'scatter',
    data: {datasets},
    options: {
      animation: false,
      responsive: false,
      maintainAspectRatio: false,
      interaction: {mode: 'reading'},
      layout: {padding: {top: 8, right: 8}},
      plugins: {
        legend: {display: false},
        tooltip: {enabled: false, external: (context) => showTooltip(spec, context)},
      },
      scales: {
        x: makeScale(spec.x, 'x', [], whole),
        y: makeScale(spec.y, 'y', ends, false),
      },
    },
    plugins: [intervals],
  });
  makeLegend(entry);
}

function makeLegend(entry) {
  const {chart, plot} = entry;
  const legend = plot.parentElement.querySelector('.legend');
  entry.swatches = chart.data.datasets.map((dataset, index) => {
    const button = document.createElement('button');
    const swatch = document.createElement('canvas');
    button.type = 'button';
    button.setAttribute('aria-pressed', 'true');
    button.append(swatch, dataset.label);
    button.addEventListener('click', () => {
      const visible = !chart.isDatasetVisible(index);
      chart.setDatasetVisibility(index, visible);
      chart.update('none');
      button.setAttribute('aria-pressed', String(visible));
    });
    legend.append(button);
    return swatch;
  });
  drawSwatches(entry);
}

/** Draws what each series looks like: its line, its dashes, its shape. */
function drawSwatches({chart, swatches}) {
  const [width, height, ratio] = [30, 14, 2];
  swatches.forEach((swatch, index) => {
    const {series, showLine, borderDash, borderWidth} = chart.data.datasets[index];
    Object.assign(swatch, {width: width * ratio, height: height * ratio});
    Object.assign(swatch.style, {width: `${width}px`, height: `${height}px`});
    const ctx = swatch.getContext('2d');
    ctx.scale(ratio, ratio);
    ctx.strokeStyle = ctx.fillStyle = colorOf(series);
    if (showLine) {
      ctx.lineWidth = borderWidth;
      ctx.setLineDash(borderDash);
      ctx.beginPath();
      ctx.moveTo(1, height / 2);
      ctx.lineTo(width - 1, height / 2);
      ctx.stroke();
      ctx.setLineDash([]);
    }
    if (series.reference) return;
    const [pointStyle, rotation, radius] = shapeOf(series);
    const options = {pointStyle, rotation, radius, borderWidth: 1.5};
    Chart.helpers.drawPoint(ctx, options, width / 2, height / 2);
  });
}

/** Draws a chart as wide as its place, or as the paper. */
function fit(entry) {
  const width = printing ? PAPER : entry.plot.clientWidth;
  if (!width) return; // Folded away.
  const rows = entry.spec.y.categories.length;
  const share = Math.round(width * (printing ? 0.42 : 0.52));
  const height = Math.max(Math.min(Math.max(share, 260), 440), rows && 26 * rows + 60);
  entry.plot.style.height = `${height}px`;
  if (!entry.chart) makeChart(entry);
  entry.chart.options.devicePixelRatio = printing ? 3 : undefined;
  entry.chart.resize(width, height);
}

/** Draws everything in the colours that hold now. */
function repaint() {
  theme = readTheme();
  for (const entry of charts) {
    if (!entry.chart) continue;
    entry.chart.update('none');
    drawSwatches(entry);
  }
}

function startPrinting() {
  if (printing) return;
  printing = true;
  document.documentElement.dataset.printing = '';
  unfolded = [...document.querySelectorAll('details:not([open])')];
  for (const each of unfolded) each.open = true;
  charts.forEach(fit);
  repaint();
}

function stopPrinting() {
  if (!printing) return;
  printing = false;
  delete document.documentElement.dataset.printing;
  for (const each of unfolded) each.open = false;
  charts.forEach(fit);
  repaint();
}

// A number that a cell begins with; others say what they are sorted by.
const PLAIN = /^[-+]?(\d+(\.\d+)?|\.\d+)(?=[ %]|$)/;

/** Returns what a cell is sorted by: numbers before texts, nothing at the end. */
function sortKey(row, column) {
  const cell = row.cells[column];
  const text = cell.textContent.trim();
  const value = cell.dataset.value ?? text.match(PLAIN)?.[0];
  if (value) return [0, Number(value)];
  return text ? [1, text] : [2, ''];
}

function sortTable(header) {
  const body = header.closest('table').tBodies[0];
  const direction = header.ariaSort === 'ascending' ? -1 : 1;
  for (const other of header.parentElement.cells) other.removeAttribute('aria-sort');
  header.setAttribute('aria-sort', direction > 0 ? 'ascending' : 'descending');
  const compare = new Intl.Collator('en', {numeric: true}).compare;
  const keyed = [...body.rows].map((row) => [sortKey(row, header.cellIndex), row]);
  keyed.sort(([[kind, one]], [[otherKind, other]]) => {
    if (kind !== otherKind) return kind - otherKind;
    return direction * (kind === 0 ? (one > other) - (one < other) : compare(one, other));
  });
  body.append(...keyed.map(([, row]) => row));
}

for (const figure of document.querySelectorAll('figure.chart')) {
  const spec = JSON.parse(figure.querySelector('script').textContent);
  const plot = figure.querySelector('.plot');
  charts.push({plot, spec, series: readSeries(figure, spec), chart: null});
}
const observer = new ResizeObserver((changes) => {
  if (printing) return;
  for (const {target} of changes) fit(charts.find(({plot}) => plot === target));
});
charts.forEach(({plot}) => observer.observe(plot));

for (const button of document.querySelectorAll('thead button')) {
  button.addEventListener('click', () => sortTable(button.parentElement));
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaint);
matchMedia('print').addEventListener('change', ({matches}) => {
  if (matches) startPrinting();
  else stopPrinting();
});
addEventListener('beforeprint', startPrinting);
addEventListener('afterprint', stopPrinting);
