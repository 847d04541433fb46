"""KernelGAN: the blur kernel of a photograph, from the photograph alone (Bell-Kligler, Shocher and Irani 2019)."""

from .duel import Snapshot as Snapshot
from .estimate import CUT as CUT
from .estimate import KernelEstimate as KernelEstimate
from .estimate import estimate_kernel as estimate_kernel
from .estimate import estimate_kernels as estimate_kernels
from .estimate import unsearched_kernel as unsearched_kernel
from .kernels import KernelError as KernelError
from .kernels import centred as centred
from .kernels import from_sharp as from_sharp
from .kernels import gaussian_kernel as gaussian_kernel
from .kernels import kernel_error as kernel_error
from .kernels import kernel_x4 as kernel_x4
from .kernels import multiplied as multiplied
from .kernels import post_process as post_process
from .kernels import random_kernel as random_kernel
from .losses import Weights as Weights
from .losses import bicubic_kernel as bicubic_kernel
from .networks import DeepLinearGenerator as DeepLinearGenerator
from .networks import PatchDiscriminator as PatchDiscriminator
from .recipe import PUBLISHED as PUBLISHED
from .recipe import REPAIRED as REPAIRED
from .recipe import Recipe as Recipe
from .start import matched_gaussian as matched_gaussian
