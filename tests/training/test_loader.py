"""The stream of batches behind torch's DataLoader: the numbers of images in memory, with readers and without."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from ganprior_null.data import faces, open_sides, sides
from ganprior_null.data.image_sets import all_of
from ganprior_null.images import save_image
from ganprior_null.training import Run, batch_indices
from ganprior_null.training.loader import Batches


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    for i, x in enumerate(faces(40, 24)):
        save_image(x, folder / f"{i // 10}" / f"{i:02}.png")
    return folder


@pytest.fixture
def images(folder, monkeypatch):
    monkeypatch.setattr(sides, "HELD", 0)
    found = open_sides(folder, 16).training
    assert not found.held
    return found


@pytest.mark.parametrize("readers", [0, 1, 2])
def test_batches_are_those_in_memory_from_any_step_on(images, readers):
    held = all_of(images)
    with Batches(images, 8, seed=3, readers=readers) as batches:
        for t in (0, 1, 2, 7, 8, 3):  # resumed at 7, and once more at 3
            wanted = held[batch_indices(len(held), 8, t, seed=3)]
            assert torch.equal(batches(t), wanted)
    assert not torch.equal(wanted, held[batch_indices(len(held), 8, 3, seed=4)])  # the control


def test_each_process_reads_its_own_share_alone(images):
    held, asked = all_of(images), []

    class Watched:
        size, held = images.size, False

        def __len__(self):
            return len(images)

        def __getitems__(self, indices):
            asked.extend(indices)
            return images.__getitems__(indices)

    indices = batch_indices(len(held), 8, 5, seed=0)
    for rank in (0, 1):
        with Batches(Watched(), 8, seed=0, rank=rank, world=2) as batches:
            assert torch.equal(batches(5), held[indices[rank::2]])
    assert asked == [*indices[0::2].tolist(), *indices[1::2].tolist()]


@pytest.mark.parametrize("readers", [0, 1])
def test_an_image_that_is_gone_is_one_line(tmp_path, readers, monkeypatch):
    monkeypatch.setattr(sides, "HELD", 0)
    for i, x in enumerate(faces(30, 16)):
        save_image(x, tmp_path / f"{i:02}.png")
    images = open_sides(tmp_path, 16).training
    for path in tmp_path.glob("*.png"):
        path.unlink()
    with (
        Batches(images, 4, seed=0, readers=readers) as batches,
        pytest.raises(ValueError, match=r"no such image file: .*\.png: what a run reads must stay as it is") as caught,
    ):
        batches(0)
    assert "\n" not in str(caught.value)


TRAIN = """
import sys
from pathlib import Path
from ganprior_null.data import sides
from ganprior_null.experiments.prior import train_prior
from ganprior_null.profiles import prior
from ganprior_null.training import Execution, loop
sides.HELD = 0
loop.fit.__wrapped__.__kwdefaults__.update(save_every=5, log_every=1, progress=False)
profile = prior("smoke", images=4 * int(sys.argv[3]))
execution = Execution("32-true", "cpu", readers=int(sys.argv[4]))
train_prior(Path(sys.argv[1]), Path(sys.argv[2]), profile, execution=execution)
"""


def test_killed_while_readers_read_it_ends_with_the_same_weights(folder, tmp_path):
    def train(out, steps, readers):
        return subprocess.Popen([sys.executable, "-c", TRAIN, str(folder), str(out), str(steps), str(readers)])

    assert train(tmp_path / "whole", 40, 0).wait() == 0
    killed = tmp_path / "killed"
    process = train(killed, 40, 2)
    while process.poll() is None and _last(killed) < 8:
        time.sleep(0.01)
    assert process.poll() is None  # it is killed at work
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert train(killed, 40, 1).wait() == 0
    states = [torch.load(path / "last.ckpt", weights_only=True) for path in (tmp_path / "whole", killed)]
    assert states[0]["step"] == states[1]["step"] == 40
    for name in ("G", "D", "G_ema"):
        for key, value in states[0][name].items():
            assert torch.equal(value, states[1][name][key]), (name, key)
    logs = [
        Run(path, json.loads((path / "params.json").read_text())).history() for path in (tmp_path / "whole", killed)
    ]
    assert logs[0] == logs[1] and len(logs[0]) == 40


def _last(folder) -> int:
    """The last step that a run has logged."""
    file = folder / "metrics.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return json.loads(lines[-1])["step"] if lines and lines[-1].endswith("}") else 0
