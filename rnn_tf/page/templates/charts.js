'use strict';

// Draws the page's charts out of the CSV of their download links.

// Beside its colour each series has a shape, so that nobody has to tell colours apart.
// Each with its turn in degrees, and the radius at which all look equally large.
const SHAPES = [
  ['circle', 0, 4],
  ['rect', 0, 5],
  ['triangle', 0, 4.75],
  ['rectRot', 0, 4.75],
  ['triangle', 180, 4.75],
  ['crossRot', 0, 4.5],
  ['star', 0, 4.5],
  ['cross', 0, 4.5],
];
const DASHES = [6, 4];
const MARKED = 9; // points of a long line that show the shape
const CROWD = 200; // points from which on they are see-through
const PAPER = 680; // CSS pixels between the margins of an A4 page

const charts = []; // of {plot, spec, series, chart, swatches}
let theme = readTheme();

/** Returns the colours that the style sheet has at the moment. */
function readTheme() {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    ink: color('ink'),
    muted: color('muted'),
    rule: color('rule'),
    page: color('page'),
    reference: color('reference'),
    series: SHAPES.map((_, index) => color(`series-${index}`)),
  };
}

/** Returns the rows of a CSV text, its header the first. */
function parseCsv(text) {
  const field = /(?:"([^"]*(?:""[^"]*)*)"|([^",\n]*))(,|\n)/g;
  const rows = [];
  let row = [];
  for (const [, quoted, plain, end] of text.matchAll(field)) {
    row.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === '\n') {
      rows.push(row);
      row = [];
    }
  }
  return rows;
}

/** Returns the points of each series, with NaN where there is no number. */
function readSeries(figure, spec) {
  const link = figure.querySelector('a[data-chart]');
  const bytes = atob(link.href.slice(link.href.indexOf(',') + 1));
  const text = new TextDecoder().decode(Uint8Array.from(bytes, (c) => c.charCodeAt(0)));
  const [header, ...rows] = parseCsv(text);
  const place = Object.fromEntries(header.map((name, index) => [name, index]));
  const number = (row, name) => {
    const cell = row[place[name]];
    return cell === undefined || cell === '' ? NaN : Number(cell);
  };
  const point = (row) => ({
    x: shown(spec.x, number(row, 'x')),
    y: shown(spec.y, number(row, 'y')),
    low: number(row, 'low'),
    high: number(row, 'high'),
    label: row[place.label] ?? '',
  });
  return spec.series.map((series) => rows.splice(0, series.size).map(point));
}

/** Returns a number, or NaN where a logarithmic axis has no place for it. */
function shown(axis, value) {
  return axis.log && value <= 0 ? NaN : value;
}

/** Returns a number as short as it can be read. */
function plain(value) {
  const size = Math.abs(value);
  if (size >= 1e6 || (size > 0 && size < 1e-4)) {
    return value.toExponential(3).replace(/\.?0+e/, 'e').replace('e+', 'e');
  }
  return String(Number(value.toPrecision(4))).replace('-', '\u2212');
}

/** Returns what an axis calls a value: a number, or the name of a place. */
function named(axis, value) {
  return axis.categories.length ? axis.categories[Math.round(value)] ?? '' : plain(value);
}

function shortened(text, length) {
  return text.length > length ? `${text.slice(0, length - 1)}\u2026` : text;
}

/** Returns a series' colour in the theme of the moment. */
function colorOf(series) {
  return series.reference ? theme.reference : theme.series[series.color % SHAPES.length];
}

/** Returns what a series' points look like; colours that come again differ in it. */
function shapeOf(series) {
  const round = Math.floor(series.color / SHAPES.length);
  return SHAPES[(series.color + 3 * round) % SHAPES.length];
}

function makeDataset(series, points, index) {
  const line = series.style !== 'points';
  const step = Math.ceil(points.length / MARKED);
  const offset = (index * 2) % step;
  const marked = (at) => !line || (!series.reference && at % step === offset);
  const [pointStyle, rotation, radius] = shapeOf(series);
  const crowded = !line && points.length > CROWD;
  return {
    series,
    label: series.name,
    data: points,
    interval: points.some((point) => point.low <= point.high),
    showLine: line,
    stepped: series.style === 'steps' ? 'before' : false,
    order: series.reference ? 1 : 0,
    clip: 5,
    spanGaps: false,
    borderColor: () => colorOf(series),
    borderDash: series.style === 'dashed' ? DASHES : [],
    borderJoinStyle: 'round',
    borderWidth: series.reference ? 1.25 : 2,
    pointStyle,
    rotation,
    pointRadius: (context) => (marked(context.dataIndex) ? radius : 0),
    pointHoverRadius: series.reference ? 0 : radius + 2,
    pointBorderWidth: /cross|star/.test(pointStyle) ? 2 : 1,
    pointBorderColor: () => (crowded ? `${colorOf(series)}80` : colorOf(series)),
    pointBackgroundColor: () => (crowded ? `${colorOf(series)}80` : colorOf(series)),
  };
}

/** Returns a scale's options: `spec` of the axis, `ends` that it must hold. */
function makeScale(spec, direction, ends, whole) {
  const places = spec.categories.length;
  const limits = {};
  if (places) Object.assign(limits, {min: -0.5, max: places - 0.5});
  if (Number.isFinite(spec.low) && !(spec.log && spec.low <= 0)) limits.min = spec.low;
  if (Number.isFinite(spec.high)) limits.max = spec.high;
  return {
    ...limits,
    type: spec.log ? 'logarithmic' : 'linear',
    bounds: direction === 'x' ? 'data' : 'ticks',
    reverse: direction === 'y' && places > 0,
    border: {display: direction === 'x', color: () => theme.muted},
    grid: {display: !places && !whole, color: () => theme.rule, tickLength: 0},
    ticks: {
      color: () => theme.muted,
      font: {size: 12},
      padding: 8,
      maxRotation: 45,
      maxTicksLimit: places || 8,
      autoSkipPadding: 12,
      callback: (value) => shortened(named(spec, value), direction === 'x' ? 18 : 24),
    },
    afterDataLimits(scale) {
      if (limits.min === undefined) scale.min = Math.min(scale.min, ...ends);
      if (limits.max === undefined) scale.max = Math.max(scale.max, ...ends);
    },
    afterBuildTicks(scale) {
      if (places) scale.ticks = spec.categories.map((_, value) => ({value}));
      else if (spec.log) scale.ticks = powerTicks(scale.min, scale.max);
      else if (direction === 'x') scale.ticks = roundTicks(scale.min, scale.max, whole);
    },
  };
}

/** Returns up to eight ticks at round numbers, whatever the ends are. */
function roundTicks(min, max, whole) {
  const power = 10 ** Math.floor(Math.log10((max - min) / 7));
  const steps = [1, 2, 5, 10].map((step) => step * power);
  const fits = (step) => step * 7 >= max - min && (!whole || step >= 1);
  const step = steps.find(fits) ?? 1;
  const ticks = [];
  for (let count = Math.ceil(min / step - 1e-9); count * step <= max; count += 1) {
    ticks.push({value: Number((count * step).toPrecision(12))});
  }
  return ticks;
}

/** Returns ticks at powers of ten; at 1, 2 and 5 times of them where those are few. */
function powerTicks(min, max) {
  const steps = max / min >= 100 ? [1] : [1, 2, 5];
  const ticks = [];
  for (let power = Math.floor(Math.log10(min)); 10 ** power <= max; power += 1) {
    for (const step of steps) {
      const value = Number(`${step}e${power}`);
      if (value >= min * 0.999 && value <= max * 1.001) ticks.push({value});
    }
  }
  return ticks;
}

// Intervals: a band along a line, bars through points.
const intervals = {
  id: 'intervals',
  beforeDatasetsDraw(chart) {
    const {ctx, chartArea: area} = chart;
    ctx.save();
    ctx.beginPath();
    ctx.rect(area.left, area.top, area.width, area.height);
    ctx.clip();
    for (const meta of chart.getSortedVisibleDatasetMetas().reverse()) {
      const dataset = chart.data.datasets[meta.index];
      if (dataset.interval) drawIntervals(ctx, chart.scales, dataset);
    }
    ctx.restore();
  },
};

function drawIntervals(ctx, {x, y}, dataset) {
  const pixel = (value) => y.getPixelForValue(
    y.type === 'logarithmic' ? Math.max(value, y.min) : value);
  const runs = [[]];
  for (const point of dataset.data) {
    if (Number.isNaN(point.x + point.low + point.high)) runs.push([]);
    else {
      const ends = [x.getPixelForValue(point.x), pixel(point.low), pixel(point.high)];
      runs.at(-1).push(ends);
    }
  }
  ctx.strokeStyle = ctx.fillStyle = colorOf(dataset.series);
  for (const run of runs) {
    if (dataset.showLine && run.length > 1) drawBand(ctx, run, dataset.stepped);
    else run.forEach((ends) => drawBar(ctx, ends));
  }
}

function drawBand(ctx, run, stepped) {
  const edge = (place) => run.flatMap((ends, index) => (
    stepped && index ? [[ends[0], run[index - 1][place]], [ends[0], ends[place]]]
      : [[ends[0], ends[place]]]));
  ctx.beginPath();
  for (const [x, y] of [...edge(1), ...edge(2).reverse()]) ctx.lineTo(x, y);
  ctx.globalAlpha = 0.16;
  ctx.fill();
  ctx.globalAlpha = 1;
}

function drawBar(ctx, [x, low, high]) {
  ctx.lineWidth = 1.5;
  ctx.beginPath();
  ctx.moveTo(x, low);
  ctx.lineTo(x, high);
  for (const end of [low, high]) {
    ctx.moveTo(x - 4, end);
    ctx.lineTo(x + 4, end);
  }
  ctx.stroke();
}

// What is hovered over: the nearest point of those that are no reference.
Chart.Interaction.modes.reading = (chart, event) => {
  let nearest = [];
  let least = Infinity;
  if (!chart.isPointInArea(event)) return nearest;
  for (const {index: datasetIndex, data} of chart.getSortedVisibleDatasetMetas()) {
    if (chart.data.datasets[datasetIndex].series.reference) continue;
    data.forEach((element, index) => {
      const distance = Math.hypot(element.x - event.x, element.y - event.y);
      if (!element.skip && distance < least) {
        least = distance;
        nearest = [{element, datasetIndex, index}];
      }
    });
  }
  return nearest;
};

/** Shows what is known of the point that is hovered over, as text nodes. */
function showTooltip(spec, {chart, tooltip}) {
  const box = chart.canvas.nextElementSibling;
  const item = tooltip.dataPoints?.[0];
  box.hidden = tooltip.opacity === 0 || !item;
  if (box.hidden) return;
  const {x, y, low, high, label} = item.raw;
  const interval = low <= high ? ` [${plain(low)}, ${plain(high)}]` : '';
  const lines = [
    ['strong', '', item.dataset.label],
    ['span', '', label],
    ['span', 'quiet', `${spec.x.label}: ${named(spec.x, x)}`],
    ['span', 'quiet', `${spec.y.label}: ${named(spec.y, y)}${interval}`],
  ];
  box.replaceChildren(...lines.filter(([, , text]) => text).map(([tag, name, text]) => {
    const line = document.createElement(tag);
    line.className = name;
    line.textContent = text;
    return line;
  }));
  const left = item.element.x - box.offsetWidth / 2;
  const above = item.element.y - box.offsetHeight - 12;
  box.style.left = `${Math.max(0, Math.min(left, chart.width - box.offsetWidth))}px`;
  box.style.top = `${above < 0 ? item.element.y + 14 : above}px`;
}
