"""What a training run promises: addressed batches, no lost checkpoint, resume equal to never stopping."""

import json
import multiprocessing
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from ganprior_null.training import Run, batch_indices, fit, make_fabric, step_generator
from ganprior_null.training.loop import refuse_unequal
from ganprior_null.training.runtime import fastest_precision

from . import toy

PROCESSES = multiprocessing.get_context("forkserver")  # each run is a process of its own, imports are made once
PROCESSES.set_forkserver_preload([toy.__name__, "lightning_fabric"])


@pytest.fixture(scope="module")
def fabric():
    return make_fabric(accelerator="cpu")


def train(fabric, folder: Path, steps: int, step=None) -> dict:
    state, images = toy.build()
    fit(
        fabric, step or toy.make_step(images), state, Run(folder, {"seed": toy.SEED}),
        steps=steps, global_batch=toy.BATCH, log_every=5, save_every=7, progress=False,
    )  # fmt: skip
    return state


def weights(state: dict) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in state["model"].parameters()])


def test_an_epoch_draws_every_image_once_and_epochs_differ():
    drawn = torch.cat([batch_indices(10, 4, t, seed=0) for t in range(10)])  # four epochs of ten
    epochs = drawn.view(4, 10)
    assert (epochs.sort(1).values == torch.arange(10)).all()
    assert not (epochs[0] == epochs[1]).all()
    assert torch.equal(batch_indices(10, 4, 7, seed=0), drawn[28:32])
    assert not torch.equal(batch_indices(10, 4, 7, seed=1), drawn[28:32])
    assert batch_indices(3, 8, 5, seed=0).shape == (8,)  # a batch larger than the data set


def test_generators_of_steps_and_purposes_are_unlike():
    draws = [torch.randn(4, generator=step_generator(0, t, name)) for t in range(50) for name in ("z", "noise")]
    assert len({tuple(draw.tolist()) for draw in draws}) == 100
    torch.testing.assert_close(draws[6], torch.randn(4, generator=step_generator(0, 3, "z")), rtol=0, atol=0)


def test_resumed_equals_uninterrupted_bit_for_bit(fabric, tmp_path):
    whole = train(fabric, tmp_path / "whole", 40)
    for steps in (9, 23, 40):
        parts = train(fabric, tmp_path / "parts", steps)
    assert torch.equal(weights(whole), weights(parts))
    assert Run(tmp_path / "whole", {"seed": toy.SEED}).history()[-1] == json.loads(
        (tmp_path / "parts" / "metrics.jsonl").read_text().splitlines()[-1]
    )


def test_resuming_with_random_numbers_from_elsewhere_would_differ(fabric, tmp_path):
    """The negative control: a step that draws from the global generator is not addressed by step."""

    def step(fabric, state, t):
        x = torch.randn(toy.BATCH, 6)
        loss = (state["model"](x) - x).square().mean()
        state["optimizer"].zero_grad()
        loss.backward()
        state["optimizer"].step()
        return {"loss": loss}

    torch.manual_seed(0)
    whole = train(fabric, tmp_path / "whole", 20, step)
    torch.manual_seed(0)
    train(fabric, tmp_path / "parts", 9, step)
    torch.randn(1)
    assert not torch.equal(weights(whole), weights(train(fabric, tmp_path / "parts", 20, step)))


def test_killed_ten_times_it_ends_with_the_same_weights(fabric, tmp_path):
    whole = train(fabric, tmp_path / "whole", 400)
    dice, heard = random.Random(0), []
    for final in [False] * 10 + [True]:
        here, there = PROCESSES.Pipe()
        at_most = None if final else 39  # ten of them do not finish
        process = PROCESSES.Process(target=toy.train, args=(str(tmp_path / "killed"), 400, there.send, at_most))
        process.start()
        assert here.recv() == "ready"
        if not final:
            time.sleep(dice.uniform(0.0, 0.25))
            process.kill()
        process.join()
        heard.append((process.exitcode, here.recv() if final else ""))
    assert heard == [(-signal.SIGKILL, "")] * 10 + [(0, "finished")]
    state, _ = toy.build()
    run = Run(tmp_path / "killed", {"seed": toy.SEED})
    assert run.resume(state) and state["step"] == 400
    assert torch.equal(weights(whole), weights(state))
    logged = [entry["step"] for entry in run.history()]
    assert logged == sorted(set(logged)) == list(range(5, 401, 5))


def test_lines_logged_before_a_first_checkpoint_go_with_the_run_that_was_killed(fabric, tmp_path):
    Run(tmp_path, {"seed": toy.SEED}).log(5, {"loss": -1.0})  # killed between step 5, logged, and step 7, saved
    train(fabric, tmp_path, 10)
    history = Run(tmp_path, {"seed": toy.SEED}).history()
    assert [entry["step"] for entry in history] == [5, 10] and history[0]["loss"] > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_signal_saves_and_ends(tmp_path, number):
    command = [sys.executable, "-m", "tests.training.toy", str(tmp_path), "100000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    while not (tmp_path / "last.ckpt").exists():  # then the loop listens to signals
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    out, _ = process.communicate()
    assert process.returncode == 0 and out.startswith("stopped at ")
    state, _ = toy.build()
    assert Run(tmp_path, {"seed": toy.SEED}).resume(state)
    assert state["step"] == int(out.split()[-1])


def test_nan_stops_the_run_and_keeps_the_last_checkpoint(fabric, tmp_path):
    def step(fabric, state, t):
        return {"loss": torch.tensor(float("nan") if t >= 10 else 1.0)}

    with pytest.raises(FloatingPointError, match="step 14: {'loss': nan}"):
        train(fabric, tmp_path, 40, step)
    state, _ = toy.build()
    assert Run(tmp_path, {"seed": toy.SEED}).resume(state) and state["step"] == 7


def test_a_run_says_where_it_came_from_and_seconds_add_up(fabric, tmp_path):
    train(fabric, tmp_path, 5)
    first = json.loads((tmp_path / "origin.json").read_text())
    assert first["processes"] == 1 and first["torch"] == torch.__version__ and first["seconds"] >= 0
    (tmp_path / "origin.json").write_text(json.dumps(first | {"seconds": 100.0}))
    train(fabric, tmp_path, 8)
    assert json.loads((tmp_path / "origin.json").read_text())["seconds"] >= 100
    (tmp_path / "origin.json").write_text("{")  # a damaged note ends no run
    train(fabric, tmp_path, 9)
    assert json.loads((tmp_path / "origin.json").read_text())["seconds"] < 100


def test_processes_share_a_batch_equally_or_not_at_all():
    refuse_unequal(8, 2)
    with pytest.raises(ValueError, match="2 processes cannot share 5 images a step equally: .* a multiple of 2"):
        refuse_unequal(5, 2)


def test_a_folder_belongs_to_one_set_of_parameters(tmp_path):
    Run(tmp_path, {"seed": 1, "batch": 4})
    Run(tmp_path, {"seed": 1, "batch": 4})
    with pytest.raises(ValueError, match="batch: 4 there, 8 here"):
        Run(tmp_path, {"seed": 1, "batch": 8})


@pytest.mark.parametrize("content", [b'{"seed": 1', b"", b"\xff\xfe\x00", b"[1]"])
def test_damaged_parameters_are_named_with_what_to_do(tmp_path, content):
    Run(tmp_path, {"seed": 1})
    (tmp_path / "params.json").write_bytes(content)
    with pytest.raises(
        ValueError, match=r"/params.json is damaged \(.*\); delete it if .*; else choose another folder$"
    ):
        Run(tmp_path, {"seed": 1})
    assert (tmp_path / "params.json").read_bytes() == content


def test_a_broken_or_foreign_checkpoint_is_refused(tmp_path):
    run = Run(tmp_path, {})
    run.checkpoint.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match="not a readable checkpoint"):
        run.resume({"step": 0})
    run.save({"step": 3})
    with pytest.raises(ValueError, match="holds \\['step'\\], this run keeps \\['model', 'step'\\]"):
        run.resume({"step": 0, "model": torch.nn.Linear(1, 1)})


def test_a_save_that_fails_leaves_the_former_checkpoint(tmp_path, monkeypatch):
    run = Run(tmp_path, {})
    run.save({"step": 3})
    monkeypatch.setattr(torch, "save", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        run.save({"step": 4})
    state = {"step": 0}
    assert run.resume(state) and state["step"] == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["last.ckpt", "metrics.jsonl", "params.json"]


KILLED = """
import os, signal, sys, torch
from ganprior_null.training import Run
run = Run(sys.argv[1], {})
run.save({"step": 3})
torch.save = lambda content, file: os.kill(os.getpid(), signal.SIGKILL)
run.save({"step": 4})
"""


def test_what_a_kill_left_of_a_save_goes_when_the_run_goes_on(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = [path for path in tmp_path.iterdir() if path.name not in ("last.ckpt", "params.json")]
    assert len(left) == 1 and left[0].suffix == ".ckpt"  # the control: it is there
    run, state = Run(tmp_path, {}), {"step": 0}
    (tmp_path / ".notes").write_text("a user's")
    with run.held():
        assert run.resume(state) and state["step"] == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == [".notes", "last.ckpt", "metrics.jsonl", "params.json"]


FULL = """
import resource, signal, sys, torch
from ganprior_null.training import Run
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
run = Run(sys.argv[1], {})
run.save({"step": 3, "x": torch.zeros(10)})
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))  # what a full disk is to a writer
try:
    run.save({"step": 4, "x": torch.zeros(10**6)})
except OSError as error:
    print(error)
"""


def test_no_room_for_a_checkpoint_is_one_line_and_the_former_stays(tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert str(tmp_path / "last.ckpt") in done.stdout and done.stdout.count("\n") == 1
    state = {"step": 0, "x": None}
    assert Run(tmp_path, {}).resume(state) and state["step"] == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["last.ckpt", "metrics.jsonl", "params.json"]


def test_a_hook_looks_before_the_step_is_saved_and_after_the_last_one(fabric, tmp_path):
    state, images = toy.build()
    run, seen = Run(tmp_path, {"seed": toy.SEED}), []

    def look(state):
        stored = torch.load(run.checkpoint, weights_only=True)["step"] if run.checkpoint.exists() else None
        seen.append((state["step"], stored))

    fit(
        fabric, toy.make_step(images), state, run, steps=10, global_batch=toy.BATCH, log_every=5, save_every=7,
        hooks=[(7, look)], first=look, progress=False,
    )  # fmt: skip
    assert seen == [(0, None), (7, 0), (10, 7)]
    again, images = toy.build()
    fit(
        fabric, toy.make_step(images), again, run, steps=10, global_batch=toy.BATCH, hooks=[(7, look)], first=look,
        progress=False,
    )  # fmt: skip
    assert len(seen) == 3  # it was finished


def test_bfloat16_is_taken_where_the_hardware_has_it(monkeypatch):
    """A V100 emulates it, which ``torch.cuda.is_bf16_supported()`` counts unless told otherwise."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for hardware in (False, True):
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation=True, has=hardware: including_emulation or has
        )
        assert fastest_precision() == ("bf16-mixed" if hardware else "32-true")
