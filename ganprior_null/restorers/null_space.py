"""Null-space learning: any image made consistent with its measurement, any network made consistent by construction."""

from torch import Tensor, nn

from ..operators import LinearOperator


def enforce_consistency(x_r: Tensor, y: Tensor, A: LinearOperator, *, inplace: bool = False) -> Tensor:
    r""":math:`\hat x = A^\dagger y + (I - A^\dagger A) x_r` (paper Eq. 7): y decides the range, x_r the null space.

    x_r: (N, C, H, W), y: the measurement, of the shape of A x_r. If y = A x for some x then :math:`A\hat x = y` up to
    rounding; for any other y, :math:`A\hat x = A A^\dagger y`, the nearest measurement that A can make. Differentiable
    in both. Neither clamps nor rounds: that would break the equality (Appendix B). ``inplace=True`` writes over x_r.

    Raises ValueError when the shapes do not fit, a value is NaN or infinite, or ``inplace`` would overwrite an x_r that
    requires grad; TypeError for integer images.

    >>> A = AveragePool(4)
    >>> x_r, y = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 8, 8)
    >>> x_hat = enforce_consistency(x_r, y, A)
    >>> torch.allclose(A(x_hat), y, atol=1e-6)
    True
    """
    return A.enforce(x_r, y, inplace=inplace)


class NullSpace(nn.Module):
    r"""y -> :math:`A^\dagger y + (I - A^\dagger A) D(y)`: a backbone D, consistent in its forward pass (Eq. 7, Fig. 2).

    Adds no parameters and no entries to the state dict beyond the backbone's own.

    >>> D = torch.nn.Upsample(scale_factor=4, mode="bicubic")
    >>> restorer, y = NullSpace(D, AveragePool(4)), torch.rand(1, 3, 8, 8)
    >>> torch.allclose(restorer.A(restorer(y)), y, atol=1e-6)
    True
    """

    def __init__(self, backbone: nn.Module, A: LinearOperator):
        super().__init__()
        self.backbone = backbone
        self.A = A

    def forward(self, y: Tensor) -> Tensor:
        return enforce_consistency(self.backbone(y), y, self.A)
