"""The command for several processes on the page "Run it at paper scale" does what the page says."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[1] / "book" / "paper_scale.md"


def train(arguments: list[str], out: Path) -> list[dict]:
    """The log of ``-m ganprior_null train ... --out``, by one process or by torchrun's."""
    done = subprocess.run([sys.executable, *arguments, "--out", str(out)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in (out / "metrics.jsonl").open()]


def test_two_processes_train_what_one_does(tmp_path):
    (line,) = re.findall(r"(?m)^torchrun (.*--nproc-per-node 2 .*) --out \S+$", PAGE.read_text("utf-8"))
    together = train(["-m", "torch.distributed.run", *shlex.split(line)], tmp_path / "two")
    command = shlex.split(line[line.index("-m ganprior_null") :])
    alone = train(command, tmp_path / "one")
    other = train([*command, "--seed", "1"], tmp_path / "other")
    assert len(together) == len(alone) > 0
    shared = [key for key, value in alone[-1].items() if isinstance(value, float) and key[:1] in "DG"]
    assert shared
    for key in shared:  # sums of float32 in another order, through Adam
        assert together[-1][key] == pytest.approx(alone[-1][key], rel=1e-5, abs=1e-6)
    assert any(other[-1][key] != pytest.approx(alone[-1][key], rel=1e-2) for key in shared)  # the control
