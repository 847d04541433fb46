"""Building blocks of the networks: FIR resampling, equalised learning rates, modulation; imports torch only."""

from .dlib_faces import DlibFaces as DlibFaces
from .equalized import EqualConv2d as EqualConv2d
from .equalized import EqualLinear as EqualLinear
from .equalized import FusedLeakyReLU as FusedLeakyReLU
from .equalized import PixelNorm as PixelNorm
from .equalized import scaled_leaky_relu as scaled_leaky_relu
from .features import FeatureNet64 as FeatureNet64
from .fir import Blur as Blur
from .fir import Upsample as Upsample
from .fir import binomial as binomial
from .fir import upfirdn2d as upfirdn2d
from .irse import IRSE50 as IRSE50
from .modulated import ModulatedConv2d as ModulatedConv2d
from .vgg import VGG16 as VGG16
