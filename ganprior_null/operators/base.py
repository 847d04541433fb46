r"""The contract of a linear degradation y = A x: forward, exact adjoint, exact Moore-Penrose pseudo-inverse.

A word on words: the literature on null-space learning calls :math:`A^\dagger A x` the *range-space* part of x. In
linear algebra that is the row space of A (the range of :math:`A^\dagger`). We use the literature's word.
"""

from typing import NamedTuple

from torch import Tensor, nn

from .check import check_finite, check_inplace, check_measurement, in_finer_dtype


class RangeNull(NamedTuple):
    """The two orthogonal parts of an image: ``range + null`` is the image, ``A(null)`` is zero.

    >>> A = AveragePool(2)
    >>> parts = A.decompose(torch.rand(1, 3, 4, 4))
    >>> float(A(parts.null).abs().max()) < 1e-6
    True
    """

    range: Tensor
    null: Tensor


class LinearOperator(nn.Module):
    r"""y = A x for batches. A subclass writes :meth:`forward`, :meth:`adjoint` and :meth:`pinv`; the rest follows.

    An operator owns a *proven* pseudo-inverse. There is no ``A @ B``: in general :math:`(AB)^\dagger \ne B^\dagger
    A^\dagger`, and a silently wrong pseudo-inverse would break the method. Buffers are non-persistent, so a checkpoint
    never contains an operator; devices and dtypes follow the input.

    >>> class Half(LinearOperator):
    ...     def forward(self, x):
    ...         return x / 2
    ...     def adjoint(self, y):
    ...         return y / 2
    ...     def pinv(self, y):
    ...         return 2 * y
    >>> dottest(Half(), (3, 4, 4)) < 1e-12
    True
    """

    def _apply(self, fn, recurse: bool = True):
        """Follow a move to another device, not a change of dtype (``half()``, ``to(dtype)``).

        An operator's own numbers stay float64: they are rounded once per call, to the input's dtype. Rounded for good
        they would leave a pseudo-inverse that is no longer one, and complex spectra would lose their imaginary part.
        """
        buffers, self._buffers = self._buffers, {}
        super()._apply(fn, recurse)
        self._buffers = {name: b if b is None else b.to(fn(b.new_empty(0)).device) for name, b in buffers.items()}
        return self

    def forward(self, x: Tensor) -> Tensor:
        """A x: image (N, C, H, W) in [0, 1] -> measurement y."""
        raise NotImplementedError

    def adjoint(self, y: Tensor) -> Tensor:
        r""":math:`A^\top y`: the map with :math:`\langle A x, y\rangle = \langle x, A^\top y\rangle`."""
        raise NotImplementedError

    def pinv(self, y: Tensor) -> Tensor:
        r""":math:`A^\dagger y`: the smallest x whose A x is as near to y as any (Moore-Penrose)."""
        raise NotImplementedError

    def project_range(self, x: Tensor) -> Tensor:
        r""":math:`A^\dagger A x`: all that y = A x says about x."""
        return self.pinv(self(x))

    def project_null(self, x: Tensor) -> Tensor:
        r""":math:`(I - A^\dagger A) x`: the part of x that A cannot see."""
        return x - self.project_range(x)

    def decompose(self, x: Tensor) -> RangeNull:
        """Both parts of x, with A applied once."""
        part = self.project_range(x)
        return RangeNull(part, x - part)

    def enforce(self, x_r: Tensor, y: Tensor, *, inplace: bool = False) -> Tensor:
        r""":math:`A^\dagger y + (I - A^\dagger A) x_r`, as :math:`x_r + A^\dagger(y - A x_r)`: one pinv, not two.

        ``inplace=True`` writes the result over x_r and saves the memory of an image.

        Raises ValueError when y does not have the shape of A x_r, either holds NaN or infinity, an x_r that autograd
        needs would be overwritten, or its dtype is too coarse for y's; x_r is then as it was.
        """
        if inplace:
            check_inplace(x_r, y)
        correction = self.pinv(self.residual(x_r, y))
        return x_r.add_(correction) if inplace else x_r + correction

    def residual(self, x_r: Tensor, y: Tensor) -> Tensor:
        """y - A x_r, y checked against A's output, in the finer of the two dtypes: a network may speak bfloat16."""
        Ax = self(in_finer_dtype(x_r, y))
        check_measurement(y, Ax, x_r)
        return check_finite(y - Ax, "y - A x_r")
