"""Sheets of samples and the stop where the discriminator has won: when they come, and that they change nothing."""

import pytest
import torch

from ganprior_null.images import load_image
from ganprior_null.training import Run, fit, make_fabric
from ganprior_null.training.gan import FAKE_SIGN, REAL_SIGN, gan_step
from ganprior_null.training.watch import refuse_won_game, sample_sheets

from . import toy
from .test_gan import RECIPE, build, images_at, weights


@pytest.fixture(scope="module")
def fabric():
    return make_fabric(accelerator="cpu")


def play(folder, signs, steps: int = 6000) -> dict:
    """A logged game in which the batch means of the signs at step t are ``signs(t)``; the guard looks every 100."""
    state, run = {"step": 0}, Run(folder, {})
    guard = refuse_won_game(run, 10**6)
    for t in range(50, steps + 1, 50):
        state["step"] = t
        real, fake = signs(t)
        run.log(t, {REAL_SIGN: real, FAKE_SIGN: fake})
        if t % 100 == 0:
            guard(state)
    return state


def test_a_won_game_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(RuntimeError, match=r"step 5000: the discriminator has won.*ada_target 0\.6.*r1_gamma"):
        play(tmp_path, lambda t: (1.0, -1.0) if t > 3000 else (0.5, -0.5))


@pytest.mark.parametrize(
    "signs",
    [
        lambda t: (1.0, -1.0) if t <= 2000 else (0.6, -0.6),  # an early lead, lost later
        lambda t: (0.97, -1.0),  # one side not sure enough
        lambda t: (1.0, -0.97),
        lambda t: (1.0, 0.0) if t % 100 else (1.0, -1.0),  # sure of every second batch only
    ],
)
def test_an_open_game_goes_on(tmp_path, signs):
    assert play(tmp_path, signs)["step"] == 6000


def test_a_log_from_before_the_signs_were_kept_says_nothing(tmp_path):
    run = Run(tmp_path, {})
    run.log(4900, {"D": 0.1})
    run.log(5000, {REAL_SIGN: 1.0, FAKE_SIGN: -1.0})
    refuse_won_game(run, 10**6)({"step": 5000})
    refuse_won_game(run, 10**6, window=50)({"step": 99})  # before two windows
    with pytest.raises(RuntimeError, match="has won"):
        refuse_won_game(run, 10**6, window=50)({"step": 5000})
    refuse_won_game(run, 5000, window=50)({"step": 5000})  # the run is at its end: nothing to stop


def test_fit_stops_there_and_the_checkpoint_of_that_step_stays(fabric, tmp_path):
    state, images = toy.build()
    step, run = toy.make_step(images), Run(tmp_path, {})
    signs = {REAL_SIGN: torch.tensor(1.0), FAKE_SIGN: torch.tensor(-1.0)}
    with pytest.raises(RuntimeError, match="step 21: the discriminator has won"):
        fit(
            fabric, lambda *a: step(*a) | signs, state, run, steps=40, global_batch=toy.BATCH, log_every=5,
            save_every=7, hooks=[(7, refuse_won_game(run, 10**6, window=10))], progress=False,
        )  # fmt: skip
    fresh, _ = toy.build()
    assert run.resume(fresh) and fresh["step"] == 21


def test_sheets_come_every_so_often_and_change_no_weight(fabric, tmp_path):
    step = gan_step(lambda t: images_at(t).double(), RECIPE)
    states = []
    for name in ("with", "without"):
        state, run = build(), Run(tmp_path / name, {})
        hooks = [(2, sample_sheets(run, images_at(0), seed=0))] if name == "with" else []
        fit(fabric, step, state, run, steps=4, global_batch=8, hooks=hooks, progress=False)
        states.append(state)
    for name in ("G", "D", "G_ema"):
        assert torch.equal(weights(states[0], name), weights(states[1], name))
    sheets = sorted(path.name for path in (tmp_path / "with").glob("*.jpg"))
    assert sheets == ["real.jpg", "samples_000002.jpg", "samples_000004.jpg"]
    first, second = (load_image(tmp_path / "with" / name) for name in sheets[1:])
    assert first.shape[-2:] == (4 * 18 + 2, 8 * 18 + 2)  # 32 images of 16 pixels, 8 a row
    before = (first - second).abs().mean()
    assert 0 < before < 0.2  # the same codes, the generator a little further
