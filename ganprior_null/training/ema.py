"""Exponential moving average of a network's weights: what is sampled from, and shipped."""

import torch
from torch import nn


@torch.no_grad()
def update_ema(average: nn.Module, module: nn.Module, *, batch: int, seen: int, half_life: int, ramp: float = 0.05):
    """average <- beta average + (1 - beta) module, in place; buffers are copied.

    half_life: in images, not steps, so that it means the same for every batch size: beta = 0.5 ** (batch / half_life).
    While few images are ``seen`` the half-life is at most ``ramp`` times that, so that the first, random weights are
    soon forgotten (Karras et al. 2020b, training-data-limited StyleGAN2).
    """
    beta = 0.5 ** (batch / min(half_life, max(ramp * seen, 1e-8)))
    for ours, theirs in zip(average.parameters(), module.parameters(), strict=True):
        ours.lerp_(theirs, 1 - beta)
    for kept, new in zip(average.buffers(), module.buffers(), strict=True):
        kept.copy_(new)
