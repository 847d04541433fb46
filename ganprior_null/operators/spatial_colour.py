"""Two degradations at once, one of space and one of colour."""

from torch import Tensor

from .base import LinearOperator
from .check import at_least_single, check_image
from .colour import Grayscale
from .matrix import Matrix


class SpatialColour(LinearOperator):
    r"""A = S on the pixels and C on the colours, e.g. low resolution *and* gray.

    (N, C, H, W) -> what ``spatial`` makes of the gray image (N, 1, H, W). ``spatial`` treats every channel alike,
    ``colour`` every pixel alike: they act on different axes, a Kronecker product, and :math:`(S \otimes C)^\dagger =
    S^\dagger \otimes C^\dagger`. That holds for no other composition here: in general
    :math:`(AB)^\dagger \ne B^\dagger A^\dagger`.

    Raises TypeError when ``colour`` is not a :class:`Grayscale`, or ``spatial`` is no operator on the pixels
    of a channel.

    >>> A = SpatialColour(AveragePool(2), Grayscale())
    >>> A(torch.rand(1, 3, 8, 8)).shape
    torch.Size([1, 1, 4, 4])
    """

    def __init__(self, spatial: LinearOperator, colour: Grayscale):
        super().__init__()
        if not isinstance(colour, Grayscale):
            raise TypeError(f"colour must be a Grayscale, got {type(colour).__name__}")
        if not isinstance(spatial, LinearOperator) or isinstance(spatial, (Grayscale, Matrix, SpatialColour)):
            raise TypeError(f"spatial must be an operator on the pixels of a channel, got {type(spatial).__name__}")
        self.spatial, self.colour = spatial, colour

    def forward(self, x: Tensor) -> Tensor:
        check_image(x, "x")
        return self.spatial(self.colour(at_least_single(x))).to(x.dtype)

    def adjoint(self, y: Tensor) -> Tensor:
        check_image(y, "y")
        return self.colour.adjoint(self.spatial.adjoint(at_least_single(y))).to(y.dtype)

    def pinv(self, y: Tensor) -> Tensor:
        check_image(y, "y")
        return self.colour.pinv(self.spatial.pinv(at_least_single(y))).to(y.dtype)
