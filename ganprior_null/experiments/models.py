"""The restorers that ``train restorer`` knows: how each is built around a prior, and the losses it is trained with.

All share what makes rows of Table 3 comparable: prior, images, steps, batch, Adam with betas 0.9 and 0.99 and one
cosine, the moving average, and D, which is the prior's own, trained on, and joins at the profile's ``gan_from``. The
profile's weights are GLEAN's and Panini-Net's; the others have their own, as published unless said here:

PDN. Adversarial alone, from the first step.

pSp (Richardson et al. 2021). Squared error, perceptual loss, identity, w-norm; no adversary, the generator frozen.
Departures: ``features64`` stands in for LPIPS (0.8 as there) and for ArcFace (0.1 as there); the IR-SE-50 begins at
random, not from ArcFace's weights, and is as many times narrower as the profile's RRDBs are than 64 channels; Adam in
place of Ranger; one factor, where pSp draws one for each image; images mirrored.

GFP-GAN (Wang et al. 2021). L1, pyramid, perceptual loss, adversary, identity; the bank frozen. Departures:
``features64`` in place of VGG19, without the style loss, and of ArcFace (0.1 on 1 - cosine in place of 10 on the mean
difference); no discriminators of eyes and mouth, which are 10 pixels wide here; the adversary at GLEAN's 0.01 in place
of 0.1, with which the answers fell below what costs nothing in PSNR; the pyramid is demanded to the end and not in the
first sixteenth alone; y is clean, not blurred, noisy and JPEG-coded.

GPEN (Yang et al. 2021). L1, adversary, feature matching; everything is trained. Departures: features are added to the
bank's and not concatenated, since an ordinary prior has no room for them (the paper trains its own); one learning rate
in place of 100 : 10 : 1 for encoder, bank and D, with which users saw training collapse; the adversary at GLEAN's 0.01
in place of 1, since at 0.1 they fell below what costs nothing in PSNR; mean absolute differences in feature matching; y
is clean.

ESRGAN (Wang et al. 2018). No prior. L1 until D joins, then L1, perceptual loss and a relativistic adversary.
Departures: ``features64`` in place of VGG19; the prior's discriminator in place of one of VGG's form, begun at random;
RRDBs as many and as wide as GLEAN's; doublings up to the factor, where the paper has 4x alone.

R1 holds D for GFP-GAN and GPEN, with 0.1, the heuristic 0.0002 size^2 / batch at 64 px and batch 8 (published: 10 at
512 px). Losses see [-1, 1]: the 0.01 on ESRGAN's L1, which sees [0, 1] there, is 0.005 here.
"""

from collections.abc import Callable
from typing import NamedTuple

from ..priors import StyleGAN2
from ..profiles import Restorer as Profile
from ..profiles import did_you_mean
from ..restorers import ESRGAN, GFPGAN, GLEAN, GPEN, PDN, PSP, Panini
from ..restorers.restorer import EnlargingRestorer, Restorer


class Model(NamedTuple):
    """A system: (prior, side of y, profile, further arguments) -> y -> x_r without null space; its losses."""

    build: Callable[..., Restorer]
    recipe: dict = {}  # fields of the RestorerRecipe that are not the profile's


def _encoder_bank(kind) -> Callable[..., Restorer]:
    """GLEAN, Panini-Net or PDN; the wrapper is made anew, as PDN's own has its null space in it.

    Their banks begin at 4 pixels, so a y that is smaller is enlarged to those.
    """

    def build(prior: StyleGAN2, in_size: int, profile: Profile, **more) -> Restorer:
        sizes = {"rrdb_blocks": profile.rrdb_blocks, "rrdb_channels": profile.rrdb_channels}
        network = kind.from_prior(prior, max(4, in_size), **sizes, **more).network
        return Restorer(network) if in_size >= 4 else EnlargingRestorer(in_size, network)

    return build


def _psp(prior: StyleGAN2, in_size: int, profile: Profile) -> Restorer:
    width = profile.rrdb_channels  # 64 as published
    widths = {"encoder_widths": (width, 2 * width, 4 * width, 8 * width), "reduction": max(1, width // 4)}
    return PSP.from_prior(prior, in_size, **widths)


def _gfpgan(prior: StyleGAN2, in_size: int, profile: Profile) -> Restorer:
    return GFPGAN.from_prior(prior, in_size)


def _gpen(prior: StyleGAN2, in_size: int, profile: Profile) -> Restorer:
    return GPEN.from_prior(prior, in_size, concat=False)


def _esrgan(prior: StyleGAN2, in_size: int, profile: Profile) -> Restorer:
    return ESRGAN(in_size, prior.size, rrdb_blocks=profile.rrdb_blocks, rrdb_channels=profile.rrdb_channels)


COUPLED = ("panini", "psp")  # normalise over the images they see at a time: a process's, or a micro-batch's
ALONE = {"pixel_weight": 0.0, "perceptual_weight": 0.0, "gan_weight": 1.0, "gan_from": 0, "range_weight": 0.0}
MODELS = {
    "glean": Model(_encoder_bank(GLEAN), {"pixel": "l2"}),
    "panini": Model(_encoder_bank(Panini), {"pixel": "l1"}),
    "pdn": Model(_encoder_bank(PDN), ALONE),
    "psp": Model(_psp, {
        "pixel": "l2", "pixel_weight": 1.0, "perceptual_weight": 0.8, "identity_weight": 0.1, "w_norm_weight": 0.005,
        "gan_weight": 0.0}),
    "gfpgan": Model(_gfpgan, {
        "pixel": "l1", "pixel_weight": 0.1, "perceptual_weight": 1.0, "identity_weight": 0.1, "pyramid_weight": 1.0,
        "gan_weight": 0.01, "r1_gamma": 0.1}),
    "gpen": Model(_gpen, {
        "pixel": "l1", "pixel_weight": 1.0, "perceptual_weight": 0.0, "matching_weight": 0.02, "gan_weight": 0.01,
        "r1_gamma": 0.1}),
    "esrgan": Model(_esrgan, {
        "pixel": "l1", "pixel_weight": 0.005, "perceptual_weight": 1.0, "gan_weight": 0.005, "relativistic": True,
        "pixels_first": True}),
}  # fmt: skip


def model(name: str) -> Model:
    """The system of that name. Raises ValueError for an unknown one."""
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}{did_you_mean(name, MODELS)}")
    return MODELS[name]
