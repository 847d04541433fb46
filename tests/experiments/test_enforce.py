"""python -m ganprior_null enforce: consistent files and a report, or one clear error and nothing written."""

import json
from pathlib import Path

import pytest
import torch

from ganprior_null import AveragePool, Resize
from ganprior_null.cli import main
from ganprior_null.images import load_image, save_image, to_uint8


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Two smooth pictures of 64 x 48, their bicubic LR images at 4x, and noisy results."""
    generator = torch.Generator().manual_seed(0)
    for name in ("a", "b"):
        small = torch.rand(1, 3, 8, 6, generator=generator)
        x = torch.nn.functional.interpolate(small, (64, 48), mode="bicubic").clamp(0, 1)
        save_image(x, tmp_path / "gt" / f"{name}.png")
        save_image(Resize((64, 48), 4)(x).clamp(0, 1), tmp_path / "lr" / f"{name}.png")
        noisy = x + 0.05 * torch.randn(x.shape, generator=generator)
        save_image(noisy.clamp(0, 1), tmp_path / "sr" / f"{name}.png")
    return tmp_path


def enforce(folders: Path, *words: str) -> int:
    lr, sr, out = (str(folders / name) for name in ("lr", "sr", "out"))
    return main(["enforce", "--lr", lr, "--sr", sr, "--out", out, *words])


def stages(folders: Path) -> dict:
    rows = json.loads((folders / "out" / "report.json").read_text())["images"]
    return {(row["image"], row["stage"]): row for row in rows}


def test_average_pooling_files_reproduce_the_measurement_exactly(folders):
    assert enforce(folders) == 0
    for name in ("a", "b"):
        y, q = (load_image(folders / where / f"{name}.png") for where in ("lr", "out"))
        assert torch.equal((AveragePool(4)(q.double()) * 255).round(), (y.double() * 255).round())
        levels = to_uint8(q).long().unfold(2, 4, 4).unfold(3, 4, 4).sum((-1, -2))
        assert torch.equal(levels, 16 * to_uint8(y).long())  # not nearly: the sums are equal
        assert stages(folders)[name, "8-bit file"]["LR reproduced"] == 1.0
        assert stages(folders)[name, "published result"]["LR reproduced"] < 0.5


def test_auto_finds_the_operator_and_it_serves_the_image(folders, capsys):
    assert enforce(folders, "--gt", str(folders / "gt"), "--operator", "auto") == 0
    printed = capsys.readouterr().out
    assert "operator: bicubic (" in printed and "| 8-bit file |" in printed
    found = stages(folders)
    for name in ("a", "b"):
        exact = found[name, "exact operator (bicubic)"]
        assert exact["PSNR(LR)"] > 120 > found[name, "PD (average pooling)"]["PSNR(LR)"]
        assert exact["PSNR"] > found[name, "PD (average pooling)"]["PSNR"] > found[name, "published result"]["PSNR"]
    report = (folders / "out" / "report.md").read_text()
    assert "pictures/a.png" in report and (folders / "out" / "pictures" / "a.png").is_file()


def test_auto_does_not_trust_results_that_merely_interpolate(folders, capsys):
    for name in ("a", "b"):
        y = load_image(folders / "lr" / f"{name}.png")
        save_image(AveragePool(4).pinv(y), folders / "sr" / f"{name}.png")  # enlarged by repeating pixels
    assert enforce(folders, "--operator", "auto") == 2
    assert "auto cannot tell: the results reproduce y under" in capsys.readouterr().err
    assert not (folders / "out").exists()


def test_figures_are_of_the_files_that_were_written(folders):
    assert enforce(folders, "--operator", "bilinear") == 0
    A = Resize((64, 48), 4, "bilinear")
    y, q = (load_image(folders / where / "a.png") for where in ("lr", "out"))
    same = to_uint8(A(q.double())) == to_uint8(y)
    assert stages(folders)["a", "8-bit file"]["LR reproduced"] == pytest.approx(float(same.double().mean()))


def test_every_file_without_partner_is_listed_and_nothing_written(folders, capsys):
    (folders / "sr" / "b.png").rename(folders / "sr" / "c.png")
    assert enforce(folders) == 2
    error = capsys.readouterr().err
    assert "2 files do not fit, nothing was written" in error
    assert "b: not in --sr" in error and "c: not in --lr" in error
    assert not (folders / "out").exists()


@pytest.mark.parametrize(
    ("where", "shape", "message"),
    [
        ("sr", (60, 48), "a: 60 x 48 is no enlargement of 16 x 12"),
        ("gt", (64, 64), "a: the result and the ground truth differ in size"),
    ],
)
def test_sizes_that_do_not_fit(folders, capsys, where, shape, message):
    save_image(torch.zeros(1, 3, *shape), folders / where / "a.png")
    assert enforce(folders, "--gt", str(folders / "gt")) == 2
    assert message in capsys.readouterr().err
    assert not (folders / "out").exists()


def test_other_bad_input(folders, capsys):
    assert enforce(folders, "--operator", "bicubik") == 2
    assert "unknown operator 'bicubik'; did you mean 'bicubic'?" in capsys.readouterr().err
    assert enforce(folders, "--gt", str(folders / "nowhere")) == 2
    assert f"no such folder: {folders / 'nowhere'}" in capsys.readouterr().err
    (folders / "sr" / "a.png").write_bytes(b"not a picture")
    assert enforce(folders) == 2
    assert "a.png is not a readable image" in capsys.readouterr().err
    (folders / "blocked").write_text("")
    assert (
        main(["enforce", "--lr", str(folders / "gt"), "--sr", str(folders / "gt"), "--out", str(folders / "blocked")])
        == 2
    )
    assert "cannot write to the output folder" in capsys.readouterr().err
    assert not (folders / "out").exists()


def test_published_panini_results(shared, tmp_path):
    """Antialiased bilinear made these inputs; its exact operator gains 0.4 dB on these results, pooling 0.16."""
    folder = shared / "data" / "panini_16x"
    for where in ("SR", "SR_result", "GT"):
        for file in sorted((folder / where).iterdir())[:2]:
            (tmp_path / where).mkdir(exist_ok=True)
            (tmp_path / where / file.name).symlink_to(file)
    words = ["--lr", "SR", "--sr", "SR_result", "--gt", "GT", "--out", "out"]
    words = [word if word.startswith("--") else str(tmp_path / word) for word in words]
    assert main(["enforce", *words, "--operator", "auto"]) == 0
    stored = json.loads((tmp_path / "out" / "report.json").read_text())
    assert stored["operator"] == "bilinear"
    psnr = {stage: [] for stage in dict.fromkeys(row["stage"] for row in stored["images"])}
    for row in stored["images"]:
        psnr[row["stage"]].append(row["PSNR"])
    mean = {stage: sum(values) / len(values) for stage, values in psnr.items()}
    raw = mean["published result"]
    assert mean["exact operator (bilinear)"] - raw > 0.3 > mean["PD (average pooling)"] - raw > 0.1
    assert mean["8-bit file"] == pytest.approx(mean["exact operator (bilinear)"], abs=0.02)


@pytest.mark.parametrize(("operator", "count"), [("average", 0), ("bicubic", 1)])
def test_images_of_one_size_share_the_one_operator_asked_for(folders, monkeypatch, operator, count):
    made = []
    build = Resize.__init__
    monkeypatch.setattr(Resize, "__init__", lambda self, *a, **k: made.append(a) or build(self, *a, **k))
    assert enforce(folders, "--operator", operator) == 0
    assert len(made) == count
