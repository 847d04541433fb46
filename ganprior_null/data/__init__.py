"""Images to work on, from nothing to everything: drawn faces, shipped photographs, folders, packs."""

from .faces import faces as faces
from .faces import render as render
from .factors import FaceFactors as FaceFactors
from .factors import face_factors as face_factors
from .folders import Split as Split
from .folders import load_folder as load_folder
from .folders import split as split
from .image_sets import Held as Held
from .image_sets import ImageSet as ImageSet
from .image_sets import drawn_faces as drawn_faces
from .packs import Pack as Pack
from .packs import load_pack as load_pack
from .photos import PHOTOGRAPHS as PHOTOGRAPHS
from .photos import photograph as photograph
from .photos import photographs as photographs
from .photos import portrait as portrait
from .sides import Sides as Sides
from .sides import load_sides as load_sides
from .sides import open_sides as open_sides
