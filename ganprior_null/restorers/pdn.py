r"""PDN: a random sample of the prior, steered by y and made consistent; trained by the adversarial loss alone.

    y --RRDB encoder--> features f_k;  z ~ N(0, I) --mapping network--> w, one code for all layers
    w, f_k --StyleGAN2, fused as in GLEAN--> x_r, the bank's RGB image
    x_hat = A^+ y + (I - A^+ A) x_r

The paper (Wang et al. 2023) describes it in words, as GLEAN without its decoder and with random codes in place of
predicted ones; no code was published. What the words leave open is an argument here.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..operators import AveragePool, LinearOperator
from ..priors import StyleGAN2
from .glean import FusedBank
from .null_space import enforce_consistency
from .restorer import PriorRestorer


class PDNNetwork(FusedBank):
    """y (N, 3, in_size, in_size), z (N, D) -> x_r (N, 3, bank.size, bank.size), in [-1, 1]; arguments as :class:`PDN`.

    Without null-space step, that is "PDN without PD". Names are GLEAN's, less the latent head and the decoder. noise:
    as ``bank.fresh_noise`` makes it, in place of the fresh or stored one.
    """

    title = "PDN"

    def __init__(
        self,
        in_size: int,
        bank: StyleGAN2,
        rrdb_blocks: int = 23,
        rrdb_channels: int = 64,
        *,
        train_bank: bool = False,
        fuse_rgb: bool = True,
        fresh_noise: bool = True,
        near_prior: bool = True,
    ):
        super().__init__(
            in_size,
            bank,
            rrdb_blocks=rrdb_blocks,
            rrdb_channels=rrdb_channels,
            train_bank=train_bank,
            fuse_rgb=fuse_rgb,
        )
        self.fresh_noise = fresh_noise
        if near_prior:
            for fusion in [*self.fusion_out, *(self.fusion_skip if fuse_rgb else [])]:
                let_through(fusion)

    def forward(
        self,
        y: Tensor,
        z: Tensor | None = None,
        generator: torch.Generator | None = None,
        noise: Sequence[Tensor] | None = None,
    ) -> Tensor:
        features = self.encode(y)
        fresh = self.fresh_noise and noise is None and (z is None or generator is not None)
        z = self.draw(y, generator) if z is None else self.check_z(z, len(y)).to(y)
        noise = self.bank.fresh_noise(len(y), generator=generator) if fresh else noise
        return self.grow_from(features, self.bank.mapping(z), noise=noise).image

    def draw(self, y: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """z (N, D), one N(0, I) for each y, made on the generator's device."""
        device = generator.device if generator else None
        return torch.randn(len(y), self.bank.style_dim, generator=generator, device=device).to(y)

    def check_z(self, z: Tensor, count: int) -> Tensor:
        """Return z, (count, D), repeated from (1, D) if need be; ValueError for another shape."""
        width = self.bank.style_dim
        if z.ndim != 2 or z.shape[1] != width or len(z) not in (1, count):
            raise ValueError(f"z must be ({count}, {width}), or (1, {width}) for all images, got {tuple(z.shape)}")
        return z.expand(count, -1)


class PDN(PriorRestorer):
    r"""y (N, 3, in_size, in_size) in [0, 1] -> x_hat (N, 3, out_size, out_size), about [0, 1], with A x_hat = y.

    ``forward(y, z=None, generator=None)``: z (N, D) or (1, D); None draws one for each image. A call with z and without
    generator is deterministic: it uses the bank's stored noise. Sizes as in :class:`~ganprior_null.GLEAN`, and:

    train_bank: let the bank learn too; False keeps the prior as it is, as GLEAN does. fuse_rgb: fuse the encoder's
    features into the bank's RGB sum as well, as GLEAN's code does and its paper does not say; here, without a decoder,
    it is the shortest way from y to x. fresh_noise: draw the bank's pixel noise along with z, for variety in texture;
    False always uses the stored one. near_prior: start the fusions so that the bank's features pass through and the
    encoder's share is small: the first answers are samples of the prior, which an adversary alone can improve; False
    starts them at random, as GLEAN does, and the first answers are noise. A: what made y, default
    AveragePool(out_size // in_size), the paper's PD. ``Restorer(pdn.network)`` is the same without the null-space step,
    and takes the same z and generator.

    Raises ValueError for sizes, width tables and z that do not fit, and for y of another size.

    >>> prior = weights.load_prior("drawn64").generator
    >>> pdn = PDN.from_prior(prior, 8, rrdb_blocks=1, rrdb_channels=8)
    >>> y, z = torch.rand(1, 3, 8, 8), torch.randn(1, prior.style_dim)
    >>> torch.allclose(pdn.A(pdn(y, z)), y, atol=1e-6)
    True
    """

    def __init__(
        self,
        in_size: int,
        out_size: int,
        channels: dict[int, int] | None = None,
        rrdb_blocks: int = 23,
        rrdb_channels: int = 64,
        style_dim: int = 512,
        n_mlp: int = 8,
        *,
        train_bank: bool = False,
        fuse_rgb: bool = True,
        fresh_noise: bool = True,
        near_prior: bool = True,
        A: LinearOperator | None = None,
    ):
        network = PDNNetwork.of_sizes(
            in_size,
            out_size,
            channels,
            style_dim,
            n_mlp,
            rrdb_blocks=rrdb_blocks,
            rrdb_channels=rrdb_channels,
            train_bank=train_bank,
            fuse_rgb=fuse_rgb,
            fresh_noise=fresh_noise,
            near_prior=near_prior,
        )
        super().__init__(network)
        self.A = AveragePool(out_size // in_size) if A is None else A

    def forward(self, y: Tensor, z: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        return enforce_consistency(super().forward(y, z, generator), y, self.A)


@torch.no_grad()
def let_through(fusion: nn.Conv2d) -> None:
    """Start a fusion of [bank, encoder] near the identity: the bank's channels pass, the encoder's add a tenth."""
    kept = torch.arange(fusion.out_channels)
    fusion.weight.mul_(0.1)
    fusion.weight[:, : len(kept)] = 0
    fusion.weight[kept, kept, 1, 1] = 1
    fusion.get_parameter("bias").zero_()
