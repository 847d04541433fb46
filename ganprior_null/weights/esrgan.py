"""ESRGAN's RRDBNet under its three names: the repository's since 2019, BasicSR's, and those of the first release.

ESRGAN+ has the last. The first release numbers its modules, so where its upsampling stands depends on how often it
doubles: model.3, 6, ... for the doublings, then two further on each time.
"""

import re
from collections.abc import Mapping

from torch import Tensor

from .rename import AVERAGED, Layout, rename

FIRST = (
    (r"^model\.0\.", "features.conv_first."),
    (r"^model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.", r"features.body.\1.rdb\2.conv\3."),
    (r"^model\.1\.sub\.(\d+)\.RDB(\d)\.conv1x1\.", r"features.body.\1.rdb\2.conv1x1."),
    (r"^model\.1\.sub\.\d+\.(weight|bias)$", r"features.conv_body.\1"),
)
LATER = (
    (r"^RRDB_trunk\.(\d+)\.RDB(\d)\.", r"features.body.\1.rdb\2."),
    (r"^trunk_conv\.", "features.conv_body."),
    (r"^(conv_first|body|conv_body)\b", r"features.\1"),
    (r"^upconv(\d)\.", r"conv_up\1."),
    (r"^HRconv\.", "conv_hr."),
)


def named(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our names for whichever of the three."""
    last = sorted(int(m[1]) for key in state_dict if (m := re.fullmatch(r"model\.(\d+)\.weight", key)))[1:]
    ups = [(rf"^model\.{n}\.", f"conv_up{i}.") for i, n in enumerate(last[:-2], start=1)]
    ends = [(rf"^model\.{n}\.", f"{name}.") for n, name in zip(last[-2:], ("conv_hr", "conv_last"), strict=False)]
    return rename(state_dict, (*FIRST, *ups, *ends, *LATER))


LAYOUT = Layout(
    parts={"generator": AVERAGED},
    landmarks={
        "generator": (
            "RRDB_trunk.0.RDB1.conv1.weight",
            "body.0.rdb1.conv1.weight",
            "model.1.sub.0.RDB1.conv1.0.weight",
        )
    },
    adapt=named,
)
