"""Plain PyTorch LSTM training throughput: the seed document's network."""

import argparse
import statistics
import time

import numpy as np
import torch


class RowLSTM(torch.nn.Module):
  def __init__(self, features, hidden, classes):
    super().__init__()
    self.lstm = torch.nn.LSTM(features, hidden, batch_first=True)
    self.fc = torch.nn.Linear(hidden, classes)

  def forward(self, x):
    out, _ = self.lstm(x)
    return self.fc(out[:, -1, :])


def epoch(model, opt, x, y, batch):
  start = time.perf_counter()
  for i in range(0, len(x) - batch + 1, batch):
    opt.zero_grad()
    torch.nn.functional.cross_entropy(
      model(x[i : i + batch]), y[i : i + batch]
    ).backward()
    opt.step()
  return (len(x) // batch) * batch / (time.perf_counter() - start)


def main():
  p = argparse.ArgumentParser()
  p.add_argument('--batch', type=int, default=64)
  p.add_argument('--steps', type=int, default=28)
  p.add_argument('--features', type=int, default=28)
  p.add_argument('--hidden', type=int, default=128)
  p.add_argument('--examples', type=int, default=4096)
  p.add_argument('--models', type=int, default=1)
  p.add_argument('--epochs', type=int, default=3)
  p.add_argument('--threads', type=int, default=0)
  a = p.parse_args()
  if a.threads:
    torch.set_num_threads(a.threads)
  device = 'cuda' if torch.cuda.is_available() else 'cpu'
  rng = np.random.default_rng(0)
  x = torch.tensor(
    rng.standard_normal((a.examples, a.steps, a.features), dtype=np.float32),
    device=device,
  )
  y = torch.tensor(rng.integers(0, 10, a.examples), device=device)
  rates = []
  for _ in range(a.models):
    model = RowLSTM(a.features, a.hidden, 10).to(device)
    opt = torch.optim.Adam(model.parameters(), 1e-3)
    epoch(model, opt, x[: 4 * a.batch], y[: 4 * a.batch], a.batch)
    rates += [epoch(model, opt, x, y, a.batch) for _ in range(a.epochs)]
  print(
    f'torch {torch.__version__} {device} batch={a.batch} models={a.models} '
    f'examples_per_s median={statistics.median(rates):.0f} '
    f'min={min(rates):.0f} max={max(rates):.0f}'
  )


if __name__ == '__main__':
  main()
