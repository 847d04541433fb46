"""What the networks around a GAN prior share; GLEAN, PDN and Panini-Net steer it by encoder features at every side."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from ..priors import StyleGAN2

Fuse = Callable[[int, Tensor, Tensor | None], tuple[Tensor, Tensor | None]]


class Grown(NamedTuple):
    """What a bank made of its latents and the encoder's features."""

    rgb: Tensor | None  # (N, 3, size, size), the sum of all RGB images; None where it was not asked for
    features: list[Tensor]  # (N, C, r, r) for r = 8, 16, ..., size

    @property
    def image(self) -> Tensor:
        """The RGB sum, which was asked for."""
        assert self.rgb is not None
        return self.rgb


class PriorNetwork(nn.Module):
    """The base of the bare networks y -> x, both in [-1, 1]: a StyleGAN2 called ``bank``, and checks.

    in_size: the side of y, one of ``sides``. train_bank: whether the bank learns too.

    Raises ValueError for another in_size, naming those that do.
    """

    title = "network"  # for messages

    def __init__(self, in_size: int, bank: StyleGAN2, *, sides: Sequence[int], train_bank: bool):
        super().__init__()
        if not isinstance(in_size, int) or in_size not in sides:
            legal = f"must be one of {', '.join(map(str, sides))}" if sides else "does not exist: too small"
            raise ValueError(f"in_size of {self.title} with out_size {bank.size} {legal}; got {in_size!r}")
        self.in_size, self.out_size = in_size, bank.size
        self.bank = bank.requires_grad_(train_bank)

    def __str__(self) -> str:
        return f"{self.title} {self.in_size} -> {self.out_size}"

    def check(self, y: Tensor) -> Tensor:
        """Return y, channels-last inside; ValueError unless it is (N, 3, in_size, in_size)."""
        if y.ndim != 4 or y.shape[1:] != (3, self.in_size, self.in_size):
            raise ValueError(f"{self} takes y of shape (N, 3, {self.in_size}, {self.in_size}), got {tuple(y.shape)}")
        return y.contiguous(memory_format=torch.channels_last)

    def load_prior(self, prior: StyleGAN2) -> None:
        """Copy a generator's weights into the bank, fixed noise included. ValueError when size or widths differ."""
        for what in ("size", "channels", "style_dim", "n_mlp", "resample"):
            ours, theirs = getattr(self.bank, what), getattr(prior, what)
            if ours != theirs:
                raise ValueError(f"the prior does not fit {self}: its {what} is {theirs}, the network's is {ours}")
        ours = self.bank.state_dict()
        self.bank.load_state_dict({key: value for key, value in prior.state_dict().items() if key in ours})


class BankNetwork(PriorNetwork):
    """A bank whose features are mixed, before each doubling, with those of an encoder of one block a side.

    in_size: the side of y; fused_size: the largest side at which encoder features enter the bank, in_size where the
    encoder does not shrink y first.
    """

    encoder: nn.ModuleList  # a block for each side from fused_size down to 4, then what a subclass adds

    def __init__(self, in_size: int, bank: StyleGAN2, *, shrink: int = 1, train_bank: bool):
        sides = [s for k in range(2, (bank.size // 2).bit_length()) if (s := shrink * 2**k) <= bank.size]
        super().__init__(in_size, bank, sides=sides, train_bank=train_bank)
        self.fused_size = in_size // shrink
        self.fused = [2**k for k in range(2, self.fused_size.bit_length())]  # 4, 8, ..., fused_size

    @classmethod
    def of_sizes(
        cls,
        in_size: int,
        out_size: int,
        channels: dict[int, int] | None = None,
        style_dim: int = 512,
        n_mlp: int = 8,
        **options,
    ) -> Self:
        """The network around a new StyleGAN2; options: the constructor's other arguments."""
        make: Callable[..., Self] = cls
        return make(in_size, StyleGAN2(out_size, style_dim, n_mlp, channels), **options)

    def encode(self, y: Tensor) -> list[Tensor]:
        """y (N, 3, in_size, in_size) -> features (N, C, r, r) for r = 4, 8, ..., fused_size."""
        features, f = [], self.check(y)
        for block in self.encoder[: len(self.fused)]:
            f = block(f)
            features.append(f)
        return features[::-1]

    def grow(self, w_plus: Tensor, fuse: Fuse, *, noise: Sequence[Tensor] | None = None, rgb: bool = True) -> Grown:
        """w_plus (N, L, D) -> images and features of all stages.

        fuse(k, x, rgb) mixes encoder features into the features x (N, C, r, r) and the RGB sum (N, 3, r, r) of side
        r = 4, 8, ..., fused_size, before the stage that doubles it. noise: None for the bank's fixed one. rgb=False
        leaves the RGB sum out: the features do not depend on it.
        """
        bank = self.bank
        w, noise = bank.spread(w_plus), bank.check_noise(noise, len(w_plus))
        x = bank.conv1(bank.input(len(w)), w[:, 0], noise[0])  # (N, C, 4, 4)
        image = bank.to_rgb1(x, w[:, 1]) if rgb else None
        features = []
        for i, stage in enumerate(bank.stages()):
            if i < len(self.fused):
                x, image = fuse(i, x, image)
            x = stage.up_conv(x, w[:, 2 * i + 1], noise[2 * i + 1])  # (N, C', 2r, 2r)
            x = stage.conv(x, w[:, 2 * i + 2], noise[2 * i + 2])
            image = stage.to_rgb(x, w[:, 2 * i + 3], image) if rgb else None
            features.append(x)
        return Grown(image, features)
