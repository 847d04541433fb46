"""The judge's figures are those of the 8-bit files, the baselines are what they say, and bad input is refused."""

import pytest
import torch
import torch.nn.functional as F

from ganprior_null import AveragePool, Resize, consistency_db, enforce_consistency, psnr, ssim, weights
from ganprior_null.cli import main
from ganprior_null.data import faces
from ganprior_null.data.image_sets import AT_ONCE, Held, mean_of
from ganprior_null.experiments.baselines import evaluate_baselines
from ganprior_null.experiments.judge import (
    Judgement,
    after_training,
    baselines,
    blockiness,
    corrections,
    judge,
    judge_each,
)
from ganprior_null.experiments.launch import Source
from ganprior_null.images import as_file, load_image, to_uint8_consistent
from ganprior_null.metrics import fd_features64
from ganprior_null.priors import StyleGAN2
from ganprior_null.storage import read_json
from ganprior_null.weights import load_features64

A = AveragePool(8)


@pytest.fixture(scope="module")
def features():
    return load_features64()


@pytest.fixture(scope="module")
def x():
    return as_file(faces(130, 64, seed=3))


def test_a_row_is_of_the_files_and_psnr_lr_of_the_answers_too(x, features):
    y = as_file(A(x))
    answers = F.interpolate(y, 64, mode="bicubic") + 0.001  # no file holds these values
    row = judge(answers, x, y, A, features)
    file = as_file(answers)
    assert row["PSNR"] == pytest.approx(float(psnr(file, x).mean())) != pytest.approx(float(psnr(answers, x).mean()))
    assert row["SSIM"] == pytest.approx(float(ssim(file, x).mean()))
    assert row["fd_features64"] == pytest.approx(fd_features64(file, x, features))
    assert row["PSNR(LR)"] == pytest.approx(float(consistency_db(A, answers, y).mean()))
    assert row["PSNR(LR) 8 bit"] == pytest.approx(float(consistency_db(A, file, y).mean()))
    assert "fd_features64" not in judge(answers[:4], x[:4], y[:4], A, features)  # 129 images are the least
    assert "identity" not in judge(answers[:4], x[:4], y[:4], A, None)


def test_files_that_give_y_back_are_judged_as_kept(x):
    few = x[:3]
    y = as_file(A(few))
    kept = to_uint8_consistent(few.roll(1, 0), y, 8)
    row = judge_each(few.roll(1, 0), few, y, A, None, kept=kept)
    assert row["LR reproduced"].eq(1).all() and row["PSNR(LR) 8 bit"].gt(100).all()
    assert judge_each(few.roll(1, 0), few, y, A, None)["LR reproduced"].lt(1).all()  # the same, rounded to nearest


def test_parts_are_judged_as_the_whole(x, features):
    y = as_file(A(x))
    answers = F.interpolate(y, 64, mode="bicubic")
    judgement = Judgement(A, features)
    for rows in (slice(0, 50), slice(50, 51), slice(51, 130)):
        judgement.add(answers[rows], x[rows], y[rows])
    assert judgement.row() == pytest.approx(judge(answers, x, y, A, features), rel=1e-6)
    fewer = Judgement(A, features).add(answers[:120], x[:120], y[:120]).row()  # the control
    assert fewer["PSNR"] != pytest.approx(judgement.row()["PSNR"], rel=1e-6) and "fd_features64" not in fewer


BAD = {
    "number": (lambda x, y: (x[:2], x[:3], y[:3]), "equal in number"),
    "size": (lambda x, y: (x[..., :32], x, y), "the first two in size"),
    "range": (lambda x, y: (x, 255 * x, y), r"truths must be in \[0, 1\], got 8 \.\.\. 249"),
    "y": (lambda x, y: (x, x, y[..., :4]), r"A makes \(3, 8, 8\) of the answers, y is \(3, 8, 4\)"),
    "NaN": (lambda x, y: (x / 0, x, y), "answers"),
}


@pytest.mark.parametrize(("make", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_refused(x, make, message):
    y = as_file(A(x[:4]))
    judge(x[:4], x[:4], y, A, None)  # the control
    with pytest.raises(ValueError, match=message):
        judge(*make(x[:4], y), A, None)


def test_baselines_are_consistent_where_they_say_so(x):
    exact = Resize(64, 8)
    y = as_file(exact(x[:4]))
    made = baselines(y, exact, x.mean(0))
    assert consistency_db(A, made["bicubic + PD"], y).min() > 120 > consistency_db(A, made["bicubic"], y).min()
    assert consistency_db(exact, made["bicubic + exact"], y).min() > 120
    assert consistency_db(exact, made["A⁺y"], y).min() > 120
    assert consistency_db(A, made["mean image + PD"], y).min() > 120


def test_pd_mends_a_raw_answer_and_exact_spares_the_truth(x, features):
    exact = Resize(64, 8)
    few = x[:4]
    y = as_file(exact(few))
    bright = (few + 0.2).clamp(0, 1)

    def mend(x_r):
        made = {name: enforce_consistency(x_r, y, operator) for name, operator in corrections(8, exact).items()}
        return after_training({name: Judgement(exact, features).add(x_hat, few, y) for name, x_hat in made.items()})

    mended = mend(bright)
    assert mended["PSNR, PD after"] > judge(bright, few, y, exact, features)["PSNR"] + 10
    spared = mend(few)
    assert spared["PSNR, exact after"] > spared["PSNR, PD after"] + 10  # y is not what pooling makes of the truth


def test_the_command_leaves_a_row_for_each_baseline_and_owns_its_folder(tmp_path):
    drawn = Source("drawn", None, "faces64", 0)
    found = evaluate_baselines(drawn, tmp_path, factor=16, downsampler="bicubic", profile="smoke")
    assert list(found) == ["bicubic", "bicubic + PD", "bicubic + exact", "A⁺y", "mean image + PD"]
    assert found["mean image + PD"]["PSNR"] > found["bicubic + PD"]["PSNR"]  # faces are alike, 4 x 4 pixels say little
    assert {path.name for path in tmp_path.iterdir()} == {"params.json", "summary.json", "sheet.webp"}
    with pytest.raises(ValueError, match="factor: 16 there, 8 here"):
        evaluate_baselines(drawn, tmp_path, factor=8, downsampler="bicubic", profile="smoke")


def own_prior(name, size):
    """A random prior of eight channels among the user's weights."""
    channels = {2**i: 8 for i in range(2, size.bit_length())}
    file = weights.new_weights_folder(name) / f"{name}.safetensors"
    weights.save_weights(file, StyleGAN2(size, 8, 2, channels).state_dict() | {"latent_avg": torch.zeros(8)}, {})


def test_the_command_takes_the_size_of_a_prior_of_ones_own(tmp_path, capsys):
    own_prior("mine", 32)
    words = ["evaluate", "baselines", "--profile", "smoke", "--factor", "4", "--out", str(tmp_path / "out")]
    assert main([*words, "--prior", "mine"]) == 0
    assert read_json(tmp_path / "out" / "params.json")["size"] == 32
    assert load_image(tmp_path / "out" / "sheet.webp").shape[-1] < 12 * 64
    assert read_json(tmp_path / "out" / "summary.json")["bicubic + exact"]["PSNR(LR)"] > 100
    capsys.readouterr()
    assert main(words) == 2  # the folder holds figures already, of another size
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("faces256", "no weights named 'faces256' come with the course or lie in "),
        ("glean-pd-faces-8x", "the weights 'glean-pd-faces-8x' are no prior (no StyleGAN2: "),
    ],
)
def test_a_prior_that_is_none_is_one_line_and_leaves_nothing(name, message, tmp_path, capsys):
    words = ["evaluate", "baselines", "--profile", "smoke", "--out", str(tmp_path / "out"), "--prior", name]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_mean_image_is_that_of_all_at_once():
    x = torch.randint(0, 256, (AT_ONCE + 5, 3, 4, 4), dtype=torch.uint8)
    assert torch.equal(mean_of(Held(x)), x.double().mean(0).float() / 255)


def test_blocks_are_seen(x):
    assert blockiness(F.interpolate(A(x), scale_factor=8) + 0.1 * x, 8) > 3 > 1.5 > blockiness(x, 8)
