"""Linear degradations y = A x, each with its exact adjoint and pseudo-inverse; imports torch only."""

from .base import LinearOperator as LinearOperator
from .base import RangeNull as RangeNull
from .check import Penrose as Penrose
from .check import as_matrix as as_matrix
from .check import dottest as dottest
from .check import penrose_residuals as penrose_residuals
from .colour import Grayscale as Grayscale
from .mask import Inpaint as Inpaint
from .matrix import Matrix as Matrix
from .pooling import AveragePool as AveragePool
