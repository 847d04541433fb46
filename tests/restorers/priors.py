"""Small priors for tests, in float64: random, but not as their constructor leaves them."""

import torch

from ganprior_null import StyleGAN2, StyleGAN2Discriminator

WIDTHS = {4: 12, 8: 8, 16: 8}


def small_prior(seed=0, dtype=torch.float64):
    """16 pixels, 16 numbers a code, noise that shows; StyleGAN2 with these widths takes milliseconds."""
    torch.manual_seed(seed)
    prior = StyleGAN2(16, 16, 2, WIDTHS)
    for name, parameter in prior.named_parameters():
        if name.endswith("noise.weight"):
            torch.nn.init.constant_(parameter, 0.1)
    return prior.to(dtype)


def small_discriminator(seed=0, dtype=torch.float64):
    torch.manual_seed(seed)
    return StyleGAN2Discriminator(16, WIDTHS).to(dtype)
