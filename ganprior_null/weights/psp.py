"""pSp's files: {"state_dict", "opts", "latent_avg"}, encoder and decoder in one state dict."""

from collections.abc import Mapping

from torch import Tensor

from .files import MEAN
from .rename import AVERAGED, Layout


def repeat_mean(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """latent_avg as one row for each layer: files hold (L, D), (1, D) or (D,). ValueError when it is missing."""
    rows = sum(key.startswith("encoder.styles.") and key.endswith(".linear.weight") for key in state_dict)
    if rows and MEAN not in state_dict:
        raise ValueError(
            f"there is no {MEAN}, the mean of w that pSp's codes are differences from; its files hold it beside "
            "the state_dict"
        )
    kept = dict(state_dict)
    if rows and (kept[MEAN].ndim == 1 or len(kept[MEAN]) == 1):
        kept[MEAN] = kept[MEAN].expand(rows, -1)
    return kept


LAYOUT = Layout(
    parts={"generator": AVERAGED},
    names=((r"^decoder\.", "bank."),),
    landmarks={"generator": ("encoder.latlayer1.weight",)},
    beside=(MEAN,),
    adapt=repeat_mean,
)
