"""What a GAN run shows of itself now and then: sheets of samples, and a stop where the game is over."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..images import from_signed, grid, save_image
from .gan import FAKE_SIGN, REAL_SIGN
from .record import Run
from .stream import step_generator

COLUMNS, SAMPLES = 8, 32


def sample_sheets(run: Run, real: Tensor, seed: int) -> Callable[[dict], None]:
    """state -> ``samples_{step}.jpg`` in the run's folder: the averaged generator at the same codes each time.

    Writes ``real.jpg`` at once, from images in [-1, 1], to compare with. No draw of the training is touched.
    """
    save_image(grid(from_signed(real[:SAMPLES]), COLUMNS), run.path / "real.jpg")

    @torch.no_grad()
    def write(state: dict) -> None:
        G = state["G_ema"]
        z = torch.randn(SAMPLES, G.style_dim, generator=step_generator(seed, 0, "sheet")).to(next(G.parameters()))
        x = from_signed(G(G.mapping(z))).cpu()
        save_image(grid(x, COLUMNS), run.path / f"samples_{state['step']:06d}.jpg")

    return write


def refuse_won_game(run: Run, steps: int, *, window: int = 2000, sure: float = 0.98) -> Callable[[dict], None]:
    """state -> RuntimeError when D has won: it tells real from generated almost always, for ``window`` steps.

    The rule, on the log: the mean over the last ``window`` steps of sign D(real) is above ``sure`` and that of
    sign D(fake) below -sure, which is 99 of 100 images judged rightly on either side. Never before step 2 window: at
    its start every game looks like that for a while, nor after the last of ``steps``. The log is what a
    resumed run has, so it stops where an unbroken one would.
    """

    def check(state: dict) -> None:
        step = state["step"]
        recent = [entry for entry in run.history() if entry["step"] > step - window]
        if step < 2 * window or step >= steps or not recent or any(REAL_SIGN not in entry for entry in recent):
            return
        real, fake = (sum(entry[name] for entry in recent) / len(recent) for name in (REAL_SIGN, FAKE_SIGN))
        if real > sure and fake < -sure:
            run.save(state)  # to go on from
            raise RuntimeError(
                f"step {step}: the discriminator has won (mean sign {real:.3f} on real, {fake:.3f} on generated images "
                f"over {window} steps), the generator learns nothing more. Go on from {run.checkpoint} in another "
                "folder, with augmentation (ada_target 0.6) or a larger r1_gamma"
            )

    return check
