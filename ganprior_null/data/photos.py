"""The colour photographs inside the scikit-image package: nothing is downloaded.

Provenance and terms, as the docstrings of ``skimage.data`` give them:

======================  ==============================================  ==================================
name                    what, by whom                                   terms
======================  ==============================================  ==================================
astronaut               Eileen Collins; NASA Great Images               public domain
chelsea                 a cat; Stefan van der Walt                      CC0
coffee                  a cup at Pikolo Espresso Bar; Rachel Michetti   CC0
rocket                  launch of DSCOVR on Falcon 9; SpaceX            released into the public domain
motorcycle              Middlebury 2014 stereo benchmark, left image;   none stated there; from a public
                        Scharstein et al., GCPR 2014                    research benchmark
retina                  fundus of an eye; Mikael Haggstrom 2014         CC0
immunohistochemistry    colonic glands, stained; CMMI                   no known copyright restrictions
hubble_deep_field       Hubble eXtreme Deep Field; NASA                 public domain
======================  ==============================================  ==================================
"""

import warnings
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..images import load_image
from ..profiles import did_you_mean
from .crops import check_size, square

_FILES = {
    "astronaut": "astronaut.png",
    "chelsea": "chelsea.png",
    "coffee": "coffee.png",
    "rocket": "rocket.jpg",
    "motorcycle": "motorcycle_left.png",
    "retina": "retina.jpg",
    "immunohistochemistry": "ihc.png",
    "hubble_deep_field": "hubble_deep_field.jpg",
}
PHOTOGRAPHS = tuple(_FILES)
# rows and columns of the astronaut: of squares three pixels apart, the one whose inner part correlates most with the
# mean of faces64's samples, so that eyes and mouth lie where the prior and the restorers learnt them
_FACE = (slice(61, 169), slice(170, 278))
LARGEST = 300  # pixels; the short side of chelsea, the smallest of them


def photograph(name: str) -> Tensor:
    """A whole photograph, (1, 3, H, W) in [0, 1]: the numbers in its file, though that of "rocket" is in Adobe RGB.

    Raises ValueError for a name not in PHOTOGRAPHS, FileNotFoundError when the scikit-image installed lacks the file.
    """
    if name not in _FILES:
        raise ValueError(f"unknown photograph {name!r}{did_you_mean(str(name), PHOTOGRAPHS)}")
    import skimage  # its own loaders would turn to the network for a file that is not there

    with warnings.catch_warnings(action="ignore"):  # that a colour profile is not applied
        return load_image(Path(skimage.__file__).parent / "data" / _FILES[name])


def portrait(size: int) -> Tensor:
    """(1, 3, size, size) in [0, 1]: the face of Eileen Collins, framed as faces64 and its restorers learnt faces.

    The photograph has 108 pixels of it. Raises ValueError for a size that is no integer of at least 1.
    """
    side = check_size(size)
    return F.interpolate(photograph("astronaut")[..., *_FACE], side, mode="bilinear", antialias=True)


def photographs(size: int = 256, count: int | None = None) -> Tensor:
    """Square crops, (N, 3, size, size) in [0, 1], always the same; count defaults to one of each photograph.

    The first len(PHOTOGRAPHS) are the largest centred squares; the further ones are closer looks at other places,
    photograph after photograph. Crop i does not depend on count. Raises ValueError for a size above 300 pixels, which
    the smallest photograph does not hold, and for a count below 1.
    """
    count = len(PHOTOGRAPHS) if count is None else count
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"count must be an integer of at least 1, got {count!r}")
    if check_size(size) > LARGEST:
        raise ValueError(
            f"size {size} is more than the photographs hold: the largest is {LARGEST}; "
            "for larger images take data.faces (to 1024) or data.load_folder"
        )
    whole = [photograph(name) for name in PHOTOGRAPHS[:count]]
    return torch.cat([_crop(whole[i % len(PHOTOGRAPHS)], size, i // len(PHOTOGRAPHS)) for i in range(count)])


def _crop(x: Tensor, size: int, turn: int) -> Tensor:
    """Turn 0: the centre; later turns: places and sides that fill the photograph evenly (Roberts' R3 sequence)."""
    if turn == 0:
        return square(x, size)
    side, across, down = (turn * step % 1 for step in (0.8191725, 0.6710436, 0.5497005))
    return square(x, size, side=0.4 + 0.5 * side, across=across, down=down)
