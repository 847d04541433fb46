"""A finished run restores a user's own files, consistently and carefully; published, it does so under its name."""

import pytest
import torch

from ganprior_null import AveragePool
from ganprior_null.cli import main
from ganprior_null.data import faces, photograph
from ganprior_null.experiments.publish_restorer import seams
from ganprior_null.experiments.restore import doubts, read_model
from ganprior_null.images import load_image, save_image, to_uint8
from ganprior_null.training.runtime import pick_device
from ganprior_null.weights import course, load_restorer, read_metadata


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A Panini-Net after two steps: poor, but with PD."""
    path = tmp_path_factory.mktemp("runs") / "run"
    words = ["train", "restorer", "panini", "--null-space", "pd", "--profile", "smoke", "--out", str(path)]
    assert main([*words, "--precision", "32-true", "-p", "steps", "2"]) == 0
    return path


@pytest.fixture
def y_files(tmp_path):
    """Two 8-bit measurements of drawn faces."""
    y = AveragePool(8)(faces(2, 64, 3))
    return [save_image(image, tmp_path / f"face{i}.png") for i, image in enumerate(y)]


def restore(run, out, *words):
    return main(["restore", "--model", str(run), "--out", str(out), *map(str, words)])


def test_files_have_exactly_the_block_means_of_y(run, y_files, tmp_path):
    assert restore(run, tmp_path / "out", *y_files) == 0
    for file in y_files:
        x_hat, y = to_uint8(load_image(tmp_path / "out" / file.name)), to_uint8(load_image(file))
        sums = AveragePool(8)(x_hat.double()) * 64
        assert torch.equal(sums, 64 * y.double())
    assert load_image(tmp_path / "out" / "sheet.png").shape[-2] > 3 * 64  # y, x_r and the file, a row each


def test_nothing_is_overwritten_unless_asked_to(run, y_files, tmp_path, capsys):
    save_image(torch.zeros(3, 4, 4), tmp_path / "out" / "face1.png")
    assert restore(run, tmp_path / "out", *y_files) == 2
    assert "face1.png is there already (1 files in all); --overwrite replaces them" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["face1.png"]
    assert restore(run, tmp_path / "out", *y_files, "--overwrite") == 0
    assert load_image(tmp_path / "out" / "face1.png").shape[-1] == 64


def test_an_input_is_never_replaced_nor_given_the_name_of_the_sheet(run, y_files, tmp_path, capsys):
    sheet = y_files[0].rename(tmp_path / "Sheet.png")  # equal to sheet.png on disks that ignore case
    assert restore(run, tmp_path / "out", sheet) == 2
    assert "sheet.png would be written twice" in capsys.readouterr().err
    before = y_files[1].read_bytes()
    (tmp_path / "link").symlink_to(tmp_path)
    for out in (tmp_path, tmp_path / "link"):
        assert restore(run, out, "--overwrite", y_files[1]) == 2
        assert "would replace the input" in capsys.readouterr().err
    assert y_files[1].read_bytes() == before and not (tmp_path / "out").exists()


def test_photographs_are_reduced_first_and_a_foreign_downsampler_is_named(run, tmp_path, capsys):
    file = save_image(photograph("astronaut"), tmp_path / "astronaut.png")
    assert restore(run, tmp_path / "own", "--downsample", file) == 0
    assert "which does not reproduce this y" not in capsys.readouterr().out
    assert restore(run, tmp_path / "other", "--downsample", file, "--downsampler", "nearest") == 0
    assert "was trained with 'bicubic', which does not reproduce this y" in capsys.readouterr().out
    assert load_image(tmp_path / "own" / "sheet.png").shape[-2] > 4 * 64  # and the photograph


def test_all_that_does_not_fit_is_listed_and_nothing_written(run, y_files, tmp_path, capsys):
    large = save_image(torch.zeros(3, 9, 12), tmp_path / "large.png")
    (tmp_path / "text.png").write_text("no image")
    namesake = save_image(torch.zeros(3, 8, 8), tmp_path / "face0.webp")
    assert restore(run, tmp_path / "out", *y_files, large, tmp_path / "text.png", tmp_path / "gone.png", namesake) == 2
    error = capsys.readouterr().err
    assert "large.png is 12 x 9;" in error and "takes y of 8 x 8 pixels (--downsample makes it" in error
    assert "text.png is not a readable image" in error and "no such image file" in error
    assert "face0.webp are both called 'face0'" in error
    assert restore(run, tmp_path / "out", "--downsample", y_files[0]) == 2
    assert "face0.png is 8 x 8; a photograph to reduce needs 64 pixels a side" in capsys.readouterr().err
    assert restore(run, tmp_path / "out", "--downsample", "--downsampler", "bicubc", y_files[0]) == 2
    assert "unknown downsampler 'bicubc'; did you mean 'bicubic'?" in capsys.readouterr().err
    assert restore(run, tmp_path / "out", "--downsampler", "bicubic", y_files[0]) == 2
    assert "give both" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_models_and_devices_that_are_not_there(tmp_path, capsys, monkeypatch):
    assert restore("faces64", tmp_path / "out", "a.png") == 2  # a prior restores nothing
    assert "no restorer named 'faces64'; known: " in capsys.readouterr().err
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert pick_device("auto") == torch.device("cpu")
    with pytest.raises(RuntimeError, match="torch finds none on this machine"):
        pick_device("cuda")
    with pytest.raises(ValueError, match="device must be one of auto, cpu, cuda, got 'gpu'"):
        pick_device("gpu")


def test_a_y_that_the_network_cannot_explain_is_doubted(run):
    model = read_model(str(run))._replace(raw_db=30.0)
    y = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    shown = model.A_true.pinv(y)
    assert doubts(model, None, y, shown) == []
    (line,) = doubts(model, None, y, shown.flip(-1))
    assert "to 30.0 dB: perhaps y was not made by 'bicubic'" in line


def test_a_run_is_published_and_restores_under_its_name(run, y_files, tmp_path, capsys, monkeypatch):
    trained = read_model(str(run)).network
    assert main(["publish", str(run), "panini-tiny", "--out", str(tmp_path / "weights")]) == 0
    text = (tmp_path / "weights" / "panini-tiny.md").read_text("utf-8")
    assert "PD: the null space of average pooling" in text and "one face that fills" in text and "{" not in text
    assert "blockiness" in text and "what bicubic reduction leaves" in text
    assert seams({"null_space": "pd", "downsampler": "average"}, {}) == ""  # nothing to name where the operator fits
    monkeypatch.setattr(course, "FOLDER", tmp_path / "weights")
    about = read_metadata(course.shipped_path("panini-tiny"))
    assert about["license"] and about["steps"] == 2 and about["downsampler"] == "bicubic"
    y = load_image(y_files[0])
    with torch.no_grad():
        gap = (load_restorer("panini-tiny")(y) - trained(y)).abs().max()
    assert 0 < gap < 0.02  # half precision
    assert restore("panini-tiny", tmp_path / "out", *y_files) == 0
    assert restore("panini-tinny", tmp_path / "out", *y_files) == 2
    assert "did you mean 'panini-tiny'?" in capsys.readouterr().err
