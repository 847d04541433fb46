"""A tiny run becomes weights that load, a sheet and a card that tells how it was trained."""

import pytest
import torch

from ganprior_null import weights
from ganprior_null.data import Held
from ganprior_null.experiments.prior import Training, train_prior
from ganprior_null.experiments.publish import publish_prior
from ganprior_null.places import commit
from ganprior_null.profiles import prior
from ganprior_null.training import Execution
from ganprior_null.weights import course


@pytest.fixture
def run(tmp_path):
    profile = prior("smoke", size=32, widths=(8, 8, 8, 8), images=8)
    assert train_prior(None, tmp_path / "run", profile, execution=Execution("32-true"))
    return tmp_path / "run"


def test_what_is_published_loads_and_says_where_it_is_from(run, tmp_path, monkeypatch):
    images = torch.arange(300 * 3 * 32 * 32).remainder(251).byte().view(300, 3, 32, 32)
    monkeypatch.setattr(
        "ganprior_null.experiments.publish.training_images", lambda *_, **__: Training(Held(images), {})
    )
    text = publish_prior(run, "tiny32", tmp_path / "out").read_text("utf-8")
    assert "drawn faces" in text and "| images shown | 8, in batches of 4 |" in text and "{" not in text
    assert f"| commit | {commit(within='ganprior_null') or 'not recorded'} |" in text
    with pytest.raises(FileExistsError, match=r"tiny32.safetensors is there already \(4 files in all\)"):
        publish_prior(run, "tiny32", tmp_path / "out")
    monkeypatch.setattr(course, "FOLDER", tmp_path / "out")
    stored = torch.load(run / "last.ckpt", weights_only=True)["G_ema"]
    published = weights.load_prior("tiny32")
    gap = (published.generator.convs[0].conv.weight - stored["convs.0.conv.weight"]).abs().max()
    assert 0 < gap < 2**-8  # half precision: 11 bits of values up to about 4
    assert weights.load_discriminator("tiny32").size == 32
    assert (tmp_path / "out" / "tiny32.webp").stat().st_size > 1000
    assert weights.read_metadata(weights.shipped_path("tiny32"))["seed"] == 0


def test_a_folder_without_checkpoint_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no last.ckpt"):
        publish_prior(tmp_path, "nothing", tmp_path)
