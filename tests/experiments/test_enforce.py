"""python -m ganprior_null enforce: consistent files and a report, or one clear error and nothing written."""

import json
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganprior_null import AveragePool, Resize, storage
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
        assert stages(folders)[name, "given result"]["LR reproduced"] < 0.5


def test_auto_finds_the_operator_and_it_serves_the_image(folders, capsys):
    assert enforce(folders, "--gt", str(folders / "gt"), "--operator", "auto") == 0
    printed = capsys.readouterr().out
    assert "operator: bicubic (" in printed and "| 8-bit file |" in printed
    found = stages(folders)
    for name in ("a", "b"):
        exact = found[name, "exact operator (bicubic)"]
        assert exact["PSNR(LR)"] > 120 > found[name, "PD (average pooling)"]["PSNR(LR)"]
        assert exact["PSNR"] > found[name, "PD (average pooling)"]["PSNR"] > found[name, "given result"]["PSNR"]
    report = (folders / "out" / "report.md").read_text()
    assert "published" not in report  # the files are the user's own
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


def rename(folders, where, new):
    (folders / where / "a.png").rename(folders / where / new)


def kept(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_two_files_of_one_name_are_both_named(folders, capsys):
    save_image(torch.zeros(1, 3, 64, 48), folders / "sr" / "a.jpg")
    assert enforce(folders) == 2
    error = capsys.readouterr().err
    assert f"{folders / 'sr' / 'a.jpg'} and {folders / 'sr' / 'a.png'} are both called 'a'" in error
    assert not (folders / "out").exists()


@pytest.mark.parametrize("where", ["lr", "sr", "gt", "link"])
def test_the_folder_of_an_input_is_no_folder_for_results(folders, capsys, where):
    (folders / "link").symlink_to(folders / "sr")
    before = {name: kept(folders / name) for name in ("lr", "sr", "gt")}
    assert enforce(folders, "--gt", str(folders / "gt"), "--out", str(folders / where), "--overwrite") == 2
    assert "--out is the folder of --" in capsys.readouterr().err
    assert before == {name: kept(folders / name) for name in ("lr", "sr", "gt")}


def test_pictures_are_no_place_for_an_input_either(folders, capsys):
    (folders / "sr").rename(folders / "pictures")
    before = kept(folders / "pictures")
    words = ["enforce", "--lr", folders / "lr", "--sr", folders / "pictures", "--out", folders, "--overwrite"]
    assert main([str(word) for word in words]) == 2
    assert "would replace the input" in capsys.readouterr().err and kept(folders / "pictures") == before


def test_results_are_replaced_on_request_only(folders, capsys):
    assert enforce(folders) == 0
    before = kept(folders / "out")
    assert enforce(folders) == 2
    assert "a.png is there already (6 files in all); --overwrite replaces them" in capsys.readouterr().err
    assert kept(folders / "out") == before
    assert enforce(folders, "--overwrite") == 0


def test_names_pair_composed_or_not(folders):
    for where, form in (("lr", "NFC"), ("sr", "NFD")):
        rename(folders, where, unicodedata.normalize(form, "caf\u00e9.png"))
    assert enforce(folders) == 0
    assert (folders / "out" / "caf\u00e9.png").is_file()


def test_a_name_that_is_no_unicode_and_one_that_is_markdown(folders):
    (folders / "lr" / "b.png").rename(folders / "lr" / "photo (1)#.png")
    (folders / "sr" / "b.png").rename(folders / "sr" / "photo (1)#.png")
    for where in ("lr", "sr"):
        rename(folders, where, os.fsdecode(b"caf\xe9.png"))
    assert enforce(folders) == 0
    text = (folders / "out" / "report.md").read_text("utf-8")
    assert "pictures/caf%E9.png" in text and "pictures/photo%20%281%29%23.png" in text
    assert os.fsdecode(b"caf\xe9.png") in os.listdir(folders / "out")
    assert {row["image"] for row in json.loads((folders / "out" / "report.json").read_text())["images"]} == {
        r"caf\xe9",
        "photo (1)#",
    }


def test_a_full_disk_is_named_with_what_is_done_and_leaves_no_half_file(folders, capsys, monkeypatch):
    written = []

    def full_at_the_third(self, content):
        written.append(self)
        with self.open("wb") as file:
            file.write(content[: 20 if len(written) == 3 else None])
        if len(written) == 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.Path, "write_bytes", full_at_the_third)
    assert enforce(folders) == 2
    assert capsys.readouterr().err.endswith(
        f"error: [Errno 28] No space left on device: '{folders / 'out' / 'b.png'}'; "
        "1 of 2 images are done, without a report\n"
    )
    assert sorted(path.name for path in (folders / "out").rglob("*")) == ["a.png", "a.png", "pictures"]


def test_gif_pairs_are_taken_and_transparent_results_told_of(folders):
    for where in ("lr", "sr"):
        Image.open(folders / where / "a.png").save(folders / where / "c.gif")
    assert enforce(folders) == 0 and (folders / "out" / "c.png").is_file()
    pixels = np.full((64, 48, 4), 255, np.uint8)
    pixels[:32, :, 3] = 0
    Image.fromarray(pixels).save(folders / "sr" / "a.png")
    with pytest.warns(UserWarning, match=r"a.png has transparent pixels \(50 %\): laid over white"):
        assert enforce(folders, "--overwrite") == 0


def test_other_bad_input(folders, capsys):
    assert enforce(folders, "--operator", "bicubik") == 2
    assert "unknown downsampler 'bicubik'; did you mean 'bicubic'?" in capsys.readouterr().err
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
    raw = mean["given result"]
    assert mean["exact operator (bilinear)"] - raw > 0.3 > mean["PD (average pooling)"] - raw > 0.1
    assert mean["8-bit file"] == pytest.approx(mean["exact operator (bilinear)"], abs=0.02)


@pytest.mark.parametrize(("operator", "count"), [("average", 0), ("bicubic", 1)])
def test_images_of_one_size_share_the_one_operator_asked_for(folders, monkeypatch, operator, count):
    made = []
    build = Resize.__init__
    monkeypatch.setattr(Resize, "__init__", lambda self, *a, **k: made.append(a) or build(self, *a, **k))
    assert enforce(folders, "--operator", operator) == 0
    assert len(made) == count
