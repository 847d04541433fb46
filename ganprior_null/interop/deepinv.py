"""Ours as a deepinv physics, a deepinv physics as ours. Needs ``pip install deepinv`` (and its torchvision).

deepinv's closed-form pseudo-inverses cover masks, gray, Fourier blur and dense sensing; its downsamplers solve a least
squares problem instead, to 65 to 95 dB of PSNR(LR) where ours reach 140. Through :class:`AsPhysics` its algorithms use
ours.
"""

from deepinv.physics import CompressedSensing, DecomposablePhysics, LinearPhysics, ZeroNoise
from torch import Tensor, nn

from ..operators import LinearOperator
from ..operators.check import check_finite


class AsPhysics(LinearPhysics):
    """An operator of ours as a deepinv physics: exact ``A``, ``A_adjoint`` and ``A_dagger``.

    img_size: (C, H, W) of the images, for the algorithms that ask for it. Calling the physics adds ``noise_model``'s
    noise; ``A`` does not. Keyword arguments of a call update the physics, as everywhere in deepinv.
    """

    def __init__(
        self,
        operator: LinearOperator,
        img_size: tuple[int, int, int] | None = None,
        noise_model: nn.Module | None = None,
    ):
        super().__init__(img_size=img_size, noise_model=ZeroNoise() if noise_model is None else noise_model)
        self.operator = operator

    def A(self, x: Tensor, **parameters) -> Tensor:
        self.update_parameters(**parameters)
        return self.operator(x)

    def A_adjoint(self, y: Tensor, **parameters) -> Tensor:
        self.update_parameters(**parameters)
        return self.operator.adjoint(y)

    def A_dagger(self, y: Tensor, **parameters) -> Tensor:
        self.update_parameters(**parameters)
        return self.operator.pinv(y)


class FromPhysics(LinearOperator):
    """A deepinv physics as an operator of ours, without its noise; only as exact as its ``A_dagger``.

    Raises TypeError for a physics that is not linear, ValueError for one whose ``A_dagger`` is not known to be a closed
    form (deepinv: ``DecomposablePhysics``, ``CompressedSensing``). ``exact=False`` accepts it: its null space is then
    an approximate one, and consistency ends where its solver stops.
    """

    def __init__(self, physics: LinearPhysics, *, exact: bool = True):
        super().__init__()
        if not isinstance(physics, LinearPhysics):
            raise TypeError(f"physics must be a deepinv LinearPhysics, got {type(physics).__name__}")
        if exact and not isinstance(physics, (AsPhysics, CompressedSensing, DecomposablePhysics)):
            raise ValueError(
                f"{type(physics).__name__}.A_dagger is not known to be exact: deepinv solves most by iteration; "
                "FromPhysics(physics, exact=False) accepts an approximate null space"
            )
        self.physics = physics

    def forward(self, x: Tensor) -> Tensor:
        return check_finite(self.physics.A(x), "A x")

    def adjoint(self, y: Tensor) -> Tensor:
        return self.physics.A_adjoint(y)

    def pinv(self, y: Tensor) -> Tensor:
        return self.physics.A_dagger(check_finite(y, "y"))
