"""The training of the feature network: what a view is, who is whose partner, and that a step learns and resumes."""

import pytest
import torch

from ganprior_null.cli import main
from ganprior_null.data import face_factors, faces
from ganprior_null.experiments.features import LOOK, drawn_set, even_out, factor_table, standardised, training_set
from ganprior_null.images import from_uint8, to_uint8
from ganprior_null.layers import FeatureNet64
from ganprior_null.training import Run, fit, make_fabric
from ganprior_null.training.features import (
    FeatureHeads,
    FeatureRecipe,
    Images,
    feature_state,
    feature_step,
    partners,
)
from ganprior_null.training.views import blurred, cosine_rate, cropped, random_views, recoloured
from ganprior_null.weights import load_features64, read_metadata


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_blur_is_a_gaussian_of_the_given_sigma_per_image():
    """An impulse becomes the sampled Gaussian, normalised; its variance is sigma^2 when sigma >= 1."""
    x = torch.zeros(3, 2, 33, 33).double()
    x[..., 16, 16] = 1.0
    y = blurred(x, torch.tensor([0.0, 1.0, 1.5]).double())
    assert torch.equal(y[0], x[0])
    offsets = torch.arange(33).double() - 16
    for image, sigma in ((y[1], 1.0), (y[2], 1.5)):
        profile = image[0].sum(0)
        assert float(profile.sum()) == pytest.approx(1, abs=1e-12)
        assert float((profile * offsets**2).sum()) == pytest.approx(sigma**2, rel=0.02)  # cut at 5 pixels
    torch.testing.assert_close(blurred(torch.ones_like(x), x.new_full((3,), 2.0)), torch.ones_like(x))


def test_some_views_keep_their_pixels_and_some_are_mirrored():
    x = faces(64, 32)
    views = cropped(x, generator())
    same = [i for i in range(64) if torch.allclose(views[i], x[i], atol=1e-4)]
    mirrored = [i for i in range(64) if torch.allclose(views[i], x[i].flip(-1), atol=1e-4)]
    assert min(len(same), len(mirrored)) > 1 and 6 < len(same) + len(mirrored) < 26  # a quarter of 64, -/+ 3 sd


def test_recolouring_scales_every_channel_about_its_mean():
    """Gray images differ by an affine map of their values, one for each channel."""
    gray = torch.linspace(0, 1, 64).view(1, 1, 8, 8).expand(5, 3, 8, 8)
    y = recoloured(gray, generator()).flatten(2)
    slopes = y.diff(dim=2)
    torch.testing.assert_close(slopes, slopes[..., :1].expand_as(slopes), rtol=1e-3, atol=1e-5)
    assert slopes[..., 0].std() > 0.001


def test_views_are_drawn_by_their_generator_and_are_8_bit_images():
    x = faces(16, 32)
    one, again, other = random_views(x, generator()), random_views(x, generator()), random_views(x, generator(1))
    assert torch.equal(one.x, again.x) and torch.equal(one.damage, again.damage) and not torch.equal(one.x, other.x)
    assert one.x.min() >= 0 and one.x.max() <= 1
    torch.testing.assert_close((255 * one.x).round(), 255 * one.x, rtol=0, atol=1e-4)
    assert one.damage.shape == (16, 2) and 0.2 < float((one.damage == 0).float().mean()) < 0.8


def test_the_rate_rises_then_falls_to_zero():
    rates = [cosine_rate(t, 100, warm_up=10) for t in range(101)]
    assert rates[0] == 0.1 and rates[9] == rates[10] == 1.0 and rates[100] == pytest.approx(0, abs=1e-15)
    assert all(a >= b for a, b in zip(rates[10:], rates[11:], strict=False))


def test_partners_are_images_of_the_same_person():
    people = torch.tensor([7, 3, 7, 9, 3, 7])
    draw = partners(people)
    indices = torch.arange(6).repeat(200)
    drawn = draw(indices, generator())
    assert torch.equal(people[drawn], people[indices])
    assert set(drawn[indices == 0].tolist()) == {0, 2, 5} and set(drawn[indices == 3].tolist()) == {3}


def test_two_looks_of_a_drawn_person_share_the_person():
    first, second = drawn_set(200).factors.unbind(1)
    names = [(name, getattr(face_factors(1), name)) for name in vars(face_factors(1)) if name != "hair_style"]
    column = 0
    for name, value in names:
        width = value[0].numel()
        a, b = first[:, column : column + width], second[:, column : column + width]
        assert torch.equal(a, b) == (name not in LOOK), name
        column += width
    assert torch.equal(first[:, column:], second[:, column:])  # the seven hair styles
    assert first.shape[1] == column + 7


def test_factors_are_standardised():
    table = standardised(factor_table(face_factors(500)))
    torch.testing.assert_close(table.mean(0), torch.zeros(table.shape[1]), rtol=0, atol=1e-4)
    torch.testing.assert_close(table.std(0), torch.ones(table.shape[1]), rtol=1e-3, atol=0)


def small_run(folder, steps, total=16):
    x = to_uint8(faces(24, 32))
    images = Images(x, people=torch.arange(24) // 2, category=torch.arange(24) % 2)
    drawn = drawn_set(12)
    drawn = drawn._replace(x=drawn.x[..., ::2, ::2])
    recipe = FeatureRecipe(steps=total, pairs=6, drawn_pairs=4, warm_up=2)
    torch.manual_seed(0)
    state = feature_state(FeatureNet64(), FeatureHeads(drawn.factors.shape[-1], 2), recipe)
    run = Run(folder, {"seed": 0})
    fabric = make_fabric(accelerator="cpu")
    step = feature_step(images, drawn, recipe)
    fit(fabric, step, state, run, steps=steps, global_batch=20, log_every=1, save_every=5, progress=False)
    return state, run.history()


def test_a_run_learns_and_a_resumed_one_is_the_same_bit_for_bit(tmp_path):
    whole, history = small_run(tmp_path / "whole", 16)
    for steps in (7, 16):
        parts, _ = small_run(tmp_path / "parts", steps)
    for a, b in zip(whole["network"].parameters(), parts["network"].parameters(), strict=True):
        assert torch.equal(a, b)
    for name in ("loss", "factors"):  # so few steps do little for the contrast
        assert sum(h[name] for h in history[-4:]) < 0.97 * sum(h[name] for h in history[:4]), name


def test_training_sides_of_the_packs(shared):
    packs = [shared / "data" / name for name in ("cats64", "faces_color64")]
    images = training_set(packs)
    counts = images.category.bincount()
    assert len(images.x) == counts.sum() and counts[0] > 2000 and counts[1] > 6000
    cats = images.people[images.category == 0]
    assert len(cats.unique()) == len(cats)  # no two cats are known to be one
    assert images.people[images.category == 1].bincount().max() > 10  # some people come often
    assert not set(cats.tolist()) & set(images.people[images.category == 1].tolist())


def test_evened_out_axes_are_uncorrelated_and_halfway_to_equal():
    torch.manual_seed(0)
    network, x = FeatureNet64(), to_uint8(faces(150, 32))
    before = torch.linalg.eigvalsh(network(from_uint8(x)).detach().double().T.cov())
    even_out(network, x)
    z = network(from_uint8(x)).detach().double()
    wanted = before / (before + before.mean())
    covariance = z.T.cov()
    torch.testing.assert_close(covariance.diag(), wanted, rtol=1e-2, atol=1e-4)
    assert (covariance - covariance.diag().diag()).abs().max() < 1e-4
    assert z.mean(0).abs().max() < 1e-4


def test_the_command_trains_and_writes_weights(tmp_path, capsys, shared):
    data = shared / "data"
    words = ["train", "features", "--data", str(data / "cats64"), "--out", str(tmp_path), "--profile", "smoke"]
    assert main(words) == 0
    assert "finished" in capsys.readouterr().out
    network = load_features64(tmp_path / "features64.safetensors")
    assert read_metadata(tmp_path / "features64.safetensors")["packs"] == ["cats64"]
    assert network(torch.rand(1, 3, 64, 64)).isfinite().all()


def test_training_without_enough_memory_says_what_to_lower(tmp_path, capsys, monkeypatch):
    def fit(*_, **__):
        raise torch.OutOfMemoryError("tried to allocate 3 GiB")

    x = to_uint8(faces(4, 64))
    few = Images(x, people=torch.arange(4), category=torch.zeros(4, dtype=torch.long))
    monkeypatch.setattr("ganprior_null.experiments.features.training_set", lambda packs: few)
    monkeypatch.setattr("ganprior_null.experiments.features.fit", fit)
    words = ["train", "features", "--data", "cats", "--out", str(tmp_path), "--profile", "smoke"]
    assert main(words) == 2
    assert capsys.readouterr().err.endswith("out of memory; lower pairs (now 2) and drawn_pairs (now 2)\n")


def test_the_command_refuses_bad_input(tmp_path, capsys):
    words = ["train", "features", "--out", str(tmp_path / "run"), "--profile", "smoke"]
    assert main(words) == 2
    assert capsys.readouterr().err == "error: the feature network needs at least one pack of photographs, got none\n"
    assert main([*words, "-p", "step", "5"]) == 2
    assert "did you mean 'steps'" in capsys.readouterr().err
    assert main([*words, "-p", "pairs", "0"]) == 2
    assert capsys.readouterr().err == "error: pairs must be at least 1, got 0\n"
    assert not (tmp_path / "run").exists()
