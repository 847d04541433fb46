"""Null-space learning with GAN priors: A^+ y from the measurement, only the null-space part from a network."""

from .images import project_box as project_box
from .images import to_uint8_consistent as to_uint8_consistent
from .kernelgan import KernelEstimate as KernelEstimate
from .kernelgan import estimate_kernel as estimate_kernel
from .metrics import consistency_db as consistency_db
from .metrics import ms_ssim as ms_ssim
from .metrics import psnr as psnr
from .metrics import ssim as ssim
from .operators import CEM as CEM
from .operators import AveragePool as AveragePool
from .operators import BlockSensing as BlockSensing
from .operators import BlurDownsample as BlurDownsample
from .operators import Grayscale as Grayscale
from .operators import Inpaint as Inpaint
from .operators import LinearOperator as LinearOperator
from .operators import Matrix as Matrix
from .operators import RangeNull as RangeNull
from .operators import Resize as Resize
from .operators import SpatialColour as SpatialColour
from .operators import as_matrix as as_matrix
from .operators import dottest as dottest
from .operators import penrose_residuals as penrose_residuals
from .priors import StyleGAN2 as StyleGAN2
from .priors import StyleGAN2Discriminator as StyleGAN2Discriminator
from .restorers import GFPGAN as GFPGAN
from .restorers import GLEAN as GLEAN
from .restorers import GPEN as GPEN
from .restorers import PDN as PDN
from .restorers import PSP as PSP
from .restorers import NullSpace as NullSpace
from .restorers import Panini as Panini
from .restorers import PaniniMFR as PaniniMFR
from .restorers import PulseResult as PulseResult
from .restorers import Restorer as Restorer
from .restorers import enforce_consistency as enforce_consistency
from .restorers import enforce_noisy as enforce_noisy
from .restorers import identify_downsampler as identify_downsampler
from .restorers import pulse as pulse
from .restorers import singan as singan

__version__ = "0.1.0"
