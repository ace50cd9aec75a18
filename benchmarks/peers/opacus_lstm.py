"""DP-SGD throughput of Opacus' DPLSTM on the seed document's network."""

import argparse
import statistics
import time
import warnings

import numpy as np
import torch
from opacus import PrivacyEngine
from opacus.layers import DPLSTM

warnings.filterwarnings('ignore')


class RowLSTM(torch.nn.Module):
  def __init__(self, features, hidden, classes):
    super().__init__()
    self.lstm = DPLSTM(features, hidden, batch_first=True)
    self.fc = torch.nn.Linear(hidden, classes)

  def forward(self, x):
    out, _ = self.lstm(x)
    return self.fc(out[:, -1, :])


def main():
  p = argparse.ArgumentParser()
  p.add_argument('--batch', type=int, default=64)
  p.add_argument('--steps', type=int, default=28)
  p.add_argument('--features', type=int, default=28)
  p.add_argument('--hidden', type=int, default=128)
  p.add_argument('--examples', type=int, default=1024)
  p.add_argument('--epochs', type=int, default=3)
  p.add_argument('--mode', choices=('hooks', 'ghost'), default='hooks')
  a = p.parse_args()
  rng = np.random.default_rng(0)
  x = torch.tensor(
    rng.standard_normal((a.examples, a.steps, a.features), dtype=np.float32)
  )
  y = torch.tensor(rng.integers(0, 10, a.examples))
  model = RowLSTM(a.features, a.hidden, 10)
  opt = torch.optim.Adam(model.parameters(), 1e-3)
  loss = torch.nn.CrossEntropyLoss()
  loader = torch.utils.data.DataLoader(
    torch.utils.data.TensorDataset(x, y), batch_size=a.batch
  )
  kwargs = dict(
    module=model,
    optimizer=opt,
    data_loader=loader,
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    poisson_sampling=False,
  )
  if a.mode == 'ghost':
    model, opt, loss, _ = PrivacyEngine().make_private(
      **kwargs, grad_sample_mode='ghost', criterion=loss
    )
  else:
    model, opt, _ = PrivacyEngine().make_private(**kwargs)
  rates = []
  for _ in range(a.epochs + 1):
    start = time.perf_counter()
    for i in range(0, a.examples - a.batch + 1, a.batch):
      opt.zero_grad()
      loss(model(x[i : i + a.batch]), y[i : i + a.batch]).backward()
      opt.step()
    rates.append(a.examples / (time.perf_counter() - start))
  rates = rates[1:]
  print(
    f'opacus {a.mode} batch={a.batch} '
    f'examples_per_s median={statistics.median(rates):.0f} '
    f'min={min(rates):.0f} max={max(rates):.0f}'
  )


if __name__ == '__main__':
  main()
