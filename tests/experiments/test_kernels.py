"""The evaluation of KernelGAN: known kernels, rows that survive a stop, and the numbers of claims B4 and B5."""

import json
import statistics

import pytest
import torch

from ganprior_null.cli import main
from ganprior_null.data import photographs
from ganprior_null.experiments.kernels import blurred, cases, compare, load_rows, recipe_for, restored, summarise
from ganprior_null.images import save_image
from ganprior_null.kernelgan import centred, from_sharp, kernel_error, matched_gaussian, post_process
from ganprior_null.operators import BlurDownsample, Resize


@pytest.fixture
def folder(tmp_path):
    for i, photo in enumerate(photographs(168, 2)):
        save_image(photo[None], tmp_path / "photos" / f"photo{i}.png")
    return tmp_path / "photos"


def evaluate(folder, out, *words):
    arguments = ["evaluate", "kernelgan", "--images", str(folder), "--out", str(out), "--profile", "smoke", *words]
    return main([*arguments, "--seeds", "2"])


def test_rows_and_summary(folder, tmp_path, capsys):
    assert evaluate(folder, tmp_path / "out") == 0
    rows = load_rows(tmp_path / "out")
    assert [(row["image"], row["seed"]) for row in rows] == [(f"photo{i}", s) for i in (0, 1) for s in (0, 1)]
    for row in rows:
        assert abs(row["sum"] - 1) < 1e-3 and 0 < row["l1"] < 2
        assert row["sr_psnr_true"] > row["sr_psnr_bicubic"]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["median_l1"] == pytest.approx(statistics.median(row["l1"] for row in rows))
    unsearched, quality = (summary.pop(f"unsearched_{name}_by_image") for name in ("l1", "sr_psnr"))
    assert summary == summarise(rows)
    for case in cases(images=folder):
        x, y = blurred(case, 2)
        start = matched_gaussian(y[0, :, 10:-10, 10:-10].float())
        finished = centred(from_sharp(post_process(start, 40), 2))
        assert unsearched[case.name] == pytest.approx(kernel_error(finished, case.kernel).l1, abs=1e-4)
        assert unsearched[case.name] != pytest.approx(kernel_error(start, case.kernel).l1, abs=1e-4)  # the control
        sizes = 2, tuple(x.shape[-2:])
        assert quality[case.name] == pytest.approx(restored(BlurDownsample(finished, *sizes, rtol=0.1), x, y), abs=1e-2)
        assert quality[case.name] < restored(BlurDownsample(case.kernel, *sizes), x, y)


def test_what_is_there_is_not_computed_again_and_never_mixed(folder, tmp_path, capsys):
    assert evaluate(folder, tmp_path / "out", "--only", "photo1") == 0
    before = (tmp_path / "out" / "metrics.jsonl").read_text()
    assert evaluate(folder, tmp_path / "out", "--only", "photo1") == 0
    assert (tmp_path / "out" / "metrics.jsonl").read_text() == before
    assert evaluate(folder, tmp_path / "out", "--only", "photo1", "--compatible") == 2
    assert "holds a run with other parameters (recipe" in capsys.readouterr().err
    assert evaluate(folder, tmp_path / "out", "--only", "photo0", "--overwrite") == 0
    assert {row["image"] for row in load_rows(tmp_path / "out")} == {"photo0"}


def test_results_of_something_else_are_kept(folder, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "summary.json").write_text("mine")
    assert evaluate(folder, tmp_path / "out") == 2
    assert "holds summary.json of something else; choose another folder" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["summary.json"]


def test_two_photographs_of_one_name_are_refused(folder, tmp_path, capsys):
    save_image(torch.zeros(3, 168, 168), folder / "photo1.jpg")
    assert evaluate(folder, tmp_path / "out") == 2
    assert "photo1.png are both called 'photo1'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--only", "photo3"), "no image 'photo3'; did you mean 'photo"),
        (("--gaussian", "0", "1", "45"), "the variances of a Gaussian must be positive"),
    ],
)
def test_bad_arguments_are_one_line(folder, tmp_path, capsys, words, message):
    assert evaluate(folder, tmp_path / "out", *words) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_cases_are_always_the_same_and_each_has_its_own_kernel():
    one, two = cases(), cases()
    assert all(torch.equal(a.kernel, b.kernel) for a, b in zip(one, two, strict=True))
    assert kernel_error(one[1].kernel, one[3].kernel).l1 > 0.1
    assert [case.name for case in cases(only=["coffee"])] == ["coffee"]
    assert torch.equal(cases(only=["coffee"])[0].kernel, one[2].kernel)


def test_the_lr_image_is_that_of_the_operator_in_8_bits():
    (case,) = cases(4, only=["chelsea"])
    x, y = blurred(case, 4)
    exact = BlurDownsample(case.kernel, 4, tuple(x.shape[-2:]))(x)
    assert (y - exact).abs().max() <= 0.5 / 255 + 1e-6
    assert x.shape[-2] == 4 * y.shape[-2] and y.shape[-2] % 2 == 0


def test_the_true_kernel_restores_better_than_bicubic():
    (case,) = cases(only=["astronaut"])
    x, y = blurred(case, 2)
    size = tuple(x.shape[-2:])
    assert restored(BlurDownsample(case.kernel, 2, size), x, y) > restored(Resize(size, 2), x, y) + 1


def row(image, seed, l1, gain=0.0):
    figures = {"correlation": 0.9, "psnr": 30.0, "bicubic_l1": 1.0, "sum": 1.0, "raw_sum": 1.0, "converged": True}
    return figures | {"image": image, "seed": seed, "l1": l1, "sr_psnr_estimated": 30 + gain, "sr_psnr_bicubic": 30.0}


def test_claims_are_compared_on_what_both_evaluations_hold():
    ours = [row("a", 0, 0.2, 1.0), row("a", 1, 0.2, 2.0), row("b", 0, 9.0, 9.0)]
    published = [row("a", 0, 0.3), row("a", 1, 0.5), row("c", 0, 9.0)]
    found = compare(ours, published)
    assert found["B4"] == pytest.approx(0.5) and found["B5"] == pytest.approx(1.5)
    assert found["spread"] == 0 and found["ours"]["runs"] == 2
    with pytest.raises(ValueError, match="share no image"):
        compare(ours, published[2:])


def test_profiles_say_how_long():
    assert recipe_for("smoke").steps < recipe_for("laptop").steps < recipe_for("laptop", compatible=True).steps == 3000
