"""Generative priors: StyleGAN2 and the discriminator that trains it. They speak [-1, 1], as the published ones do."""

from .discriminator import FacialComponentDiscriminator as FacialComponentDiscriminator
from .discriminator import StyleGAN2Discriminator as StyleGAN2Discriminator
from .stylegan2 import Stage as Stage
from .stylegan2 import StyleGAN2 as StyleGAN2
from .stylegan2 import channel_table as channel_table
from .stylegan2 import truncate as truncate
