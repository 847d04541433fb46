"""Pictures in and out of tensors. The only place of the package that rounds or clamps."""

from .box import project_box as project_box
from .convert import as_file as as_file
from .convert import from_signed as from_signed
from .convert import from_uint8 as from_uint8
from .convert import grid as grid
from .convert import to_signed as to_signed
from .convert import to_uint8 as to_uint8
from .dykstra import dykstra_box as dykstra_box
from .eight_bit import to_uint8_consistent as to_uint8_consistent
from .files import READ as READ
from .files import decode_image as decode_image
from .files import list_images as list_images
from .files import load_image as load_image
from .files import png_bytes as png_bytes
from .files import read_pixels as read_pixels
from .files import save_image as save_image
from .files import walk_images as walk_images
