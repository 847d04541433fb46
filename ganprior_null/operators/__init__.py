"""Linear degradations y = A x, each with its exact adjoint and pseudo-inverse; imports torch only."""

from .base import LinearOperator as LinearOperator
from .base import RangeNull as RangeNull
from .blur import BlurDownsample as BlurDownsample
from .cem import CEM as CEM
from .cem import cem_kernel as cem_kernel
from .check import Penrose as Penrose
from .check import as_matrix as as_matrix
from .check import dottest as dottest
from .check import penrose_residuals as penrose_residuals
from .colour import Grayscale as Grayscale
from .mask import Inpaint as Inpaint
from .matrix import Matrix as Matrix
from .phase import centre_to_corner as centre_to_corner
from .phase import corner_to_centre as corner_to_centre
from .phase import sampling_phase as sampling_phase
from .phase import shift_between as shift_between
from .pooling import AveragePool as AveragePool
from .resample import resample_matrix as resample_matrix
from .resize import Resize as Resize
from .sensing import BlockSensing as BlockSensing
from .spatial_colour import SpatialColour as SpatialColour
