"""Wrong calls, which the type checker must find: where it does not, the comment is unused and `make lint` fails.

This is the negative control of the checker: no test, and nothing here is ever run.
"""

from torch import Tensor

from ganprior_null import AveragePool, NullSpace, Resize, enforce_consistency, metrics, profiles, weights


def wrong(x: Tensor) -> AveragePool:
    AveragePool("two")  # type: ignore[arg-type]  # a factor is an integer
    Resize(64, 4, kernel=3)  # type: ignore[arg-type]  # a kernel has a name
    enforce_consistency(x, x)  # type: ignore[call-arg]  # without an operator
    _ = metrics.psnr(x, x).prior  # type: ignore[attr-defined]  # a tensor is no prior
    weights.load_prior(64)  # type: ignore[arg-type]  # nor is a size a name
    _ = profiles.lesson("smoke").sizes  # type: ignore[attr-defined]  # it is called size
    NullSpace(AveragePool(2), None)  # type: ignore[arg-type]  # its operator may not be left out
    return NullSpace(AveragePool(2), AveragePool(2))  # type: ignore[return-value]  # the network is no operator
