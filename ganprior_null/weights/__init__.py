"""Foreign checkpoints -> ours: pure renaming tables, strict loading with a report, safetensors files.

Beside the floors: nothing below the command line needs it, and no model reads a file in its constructor.
"""

from .convert import LAYOUTS as LAYOUTS
from .convert import convert as convert
from .convert import convert_file as convert_file
from .convert import convert_named as convert_named
from .convert import load_published as load_published
from .course import around as around
from .course import available as available
from .course import listed as listed
from .course import load_discriminator as load_discriminator
from .course import load_prior as load_prior
from .course import load_restorer as load_restorer
from .course import new_weights_folder as new_weights_folder
from .course import read_metadata as read_metadata
from .course import save_restorer as save_restorer
from .course import shipped as shipped
from .course import shipped_path as shipped_path
from .course import shipped_restorers as shipped_restorers
from .course import user_folder as user_folder
from .course import weights_path as weights_path
from .dlib import load_dlib_faces as load_dlib_faces
from .features import load_features64 as load_features64
from .features import load_inception as load_inception
from .features import load_irse50 as load_irse50
from .features import vgg16_conv4_3 as vgg16_conv4_3
from .files import LoadedPrior as LoadedPrior
from .files import load_stylegan2 as load_stylegan2
from .files import save_weights as save_weights
from .infer import describe as describe
from .infer import infer_discriminator as infer_discriminator
from .infer import infer_restorer as infer_restorer
from .infer import infer_rrdbnet as infer_rrdbnet
from .infer import infer_stylegan2 as infer_stylegan2
from .read import load_checkpoint as load_checkpoint
from .report import LoadReport as LoadReport
from .report import build as build
from .report import compare as compare
from .report import load_weights as load_weights
