"""The command line as a user meets it: checked before a kernel starts, one line per error, nothing half written."""

import json
import sys
from pathlib import Path

import pytest

from ganprior_null.cli import main
from ganprior_null.lessons.record import read_record, record_path, sha256
from ganprior_null.lessons.run import read_value
from ganprior_null.report import load_claims

CELLS = [
    ("parameters", 'size: int = 64  # pixels\nmethod: str = "pd"\nstrength: float = 1.0\nfast: bool = False'),
    ("", "assert size > 0, 'size must be positive'\nprint(size, method, strength, fast)"),
]


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    import nbformat.v4 as v4

    book = v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )
    for tag, source in CELLS:
        book.cells.append(v4.new_code_cell(source, metadata={"tags": [tag] if tag else []}))
    path = tmp_path / "lesson.ipynb"
    path.write_text(json.dumps(book))
    return path


def run(notebook: Path, *words: str) -> int:
    return main(["run", str(notebook), "--out", str(notebook.parent / "out"), "--profile", "smoke", *words])


def test_parameters_reach_the_notebook(notebook):
    assert run(notebook, "-p", "size", "128", "-p", "strength", "2", "-p", "fast", "true") == 0
    executed = (notebook.parent / "out" / "lesson.ipynb").read_text()
    assert "128 pd 2 True" in executed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-p", "siz", "8"), "unknown parameter 'siz'; did you mean 'size'?"),
        (("-p", "zz", "8"), "unknown parameter 'zz'; known: size, method, strength, fast"),
        (("-p", "size", "eight"), "size must be int (default 64), got 'eight'"),
        (("-p", "size", "True"), "size must be int (default 64), got True"),
        (("-p", "size", "1.5"), "size must be int (default 64), got 1.5"),
        (("--profile", "labtop"), "unknown profile 'labtop'; did you mean 'laptop'?"),
    ],
)
def test_refused_before_a_kernel_starts(notebook, capsys, words, message):
    assert run(notebook, *words) == 2
    assert capsys.readouterr().err.strip().endswith(message)
    assert not (notebook.parent / "out").exists()


def test_every_notebook_is_checked_before_the_first_runs(notebook, capsys):
    missing = notebook.with_name("missing.ipynb")
    assert main(["run", str(notebook), str(missing), "--out", str(notebook.parent / "out")]) == 2
    assert capsys.readouterr().err.strip() == f"error: no such notebook: {missing}"
    assert not (notebook.parent / "out").exists()


def test_a_failing_cell_is_one_line_and_keeps_the_former_result(notebook, capsys):
    assert run(notebook) == 0
    assert run(notebook) == 2 and "lesson.ipynb is there already" in capsys.readouterr().err
    former = (notebook.parent / "out" / "lesson.ipynb").read_text()
    assert run(notebook, "-p", "size", "-1", "--overwrite") == 2
    error = capsys.readouterr().err
    assert "AssertionError: size must be positive" in error and "Traceback" not in error
    assert (notebook.parent / "out" / "lesson.ipynb").read_text() == former
    assert (notebook.parent / "out" / "lesson.failed.ipynb").is_file()


def test_a_run_leaves_a_record_and_a_failed_one_none(notebook):
    out = notebook.parent / "out" / "lesson.ipynb"
    assert run(notebook, "-p", "size", "-1") == 2
    assert not record_path(out).exists()
    assert run(notebook, "-p", "size", "8") == 0
    record = read_record(out, notebook)
    assert (record.notebook, record.profile, record.parameters) == ("lesson.ipynb", "smoke", {"size": 8})
    assert (record.source, record.executed) == (sha256(notebook), sha256(out)) and record.seconds > 0
    assert sorted(record.versions) == ["ganprior-null", "numpy", "python", "torch"]
    former = record_path(out).read_bytes()
    assert run(notebook, "-p", "size", "-1", "--overwrite") == 2
    assert record_path(out).read_bytes() == former and read_record(out, notebook) == record
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "lesson.failed.ipynb",
        "lesson.ipynb",
        "lesson.run.json",
    ]


def test_two_notebooks_of_one_name_and_a_notebook_run_onto_itself_are_refused(notebook, capsys):
    twin = notebook.parent / "b" / "Lesson.ipynb"
    twin.parent.mkdir()
    twin.write_bytes(notebook.read_bytes())
    assert main(["run", str(notebook), str(twin), "--out", str(notebook.parent / "out"), "--overwrite"]) == 2
    assert "Lesson.ipynb would be written twice, once as lesson.ipynb" in capsys.readouterr().err
    before = notebook.read_bytes()
    assert main(["run", str(notebook), "--out", str(notebook.parent), "--overwrite"]) == 2
    assert "would replace the input" in capsys.readouterr().err and notebook.read_bytes() == before
    assert not (notebook.parent / "out").exists()


def test_braces_in_folders_are_no_parameters(notebook):
    folder = notebook.parent / "n{1}"
    folder.mkdir()
    moved = notebook.rename(folder / "lesson.ipynb")
    assert main(["run", str(moved), "--out", str(folder / "o{size}"), "--profile", "smoke", "-p", "size", "8"]) == 0
    assert sorted(path.name for path in (folder / "o{size}").iterdir()) == ["lesson.ipynb", "lesson.run.json"]


def test_an_unwritable_output_folder_is_named(notebook, capsys):
    blocked = notebook.parent / "a-file"
    blocked.write_text("")
    assert main(["run", str(notebook), "--out", str(blocked / "out")]) == 2
    assert f"cannot write to the output folder {blocked / 'out'}" in capsys.readouterr().err


def test_report_prints_every_claim(capsys):
    for form in ("text", "markdown", "json"):
        assert main(["report", "--full", "--format", form]) == 0
        printed = capsys.readouterr().out
        assert all(claim.statement in printed for claim in load_claims().values())
    assert [row["id"] for row in json.loads(printed)] == list(load_claims())


@pytest.mark.parametrize(
    ("text", "value"),
    [("8", 8), ("0.5", 0.5), ("true", True), ("[1, 2]", [1, 2]), ("a word", "a word"), ("1e-3", 1e-3)],
)
def test_words_become_values(text, value):
    assert read_value(text) == value


def test_convert_writes_a_file_and_says_what_was_loaded(tmp_path, capsys):
    import torch

    from ganprior_null import StyleGAN2
    from ganprior_null.weights import load_stylegan2

    G = StyleGAN2(16, 8, 2, {4: 8, 8: 8, 16: 4})
    torch.save({"g_ema": G.state_dict()}, tmp_path / "in.pt")
    assert main(["convert", "rosinality", str(tmp_path / "in.pt"), str(tmp_path / "out.safetensors")]) == 0
    assert f"{len(G.state_dict())} " in capsys.readouterr().out
    ours = load_stylegan2(tmp_path / "out.safetensors").generator
    assert all(torch.equal(ours.state_dict()[name], value) for name, value in G.state_dict().items())
    assert main(["convert", "rosinality", str(tmp_path / "in.pt"), str(tmp_path / "out.safetensors")]) == 2
    assert "out.safetensors is there already" in capsys.readouterr().err
    assert main(["convert", "mmagic", str(tmp_path / "in.pt"), str(tmp_path / "other.safetensors")]) == 2
    assert "error:" in capsys.readouterr().err and not (tmp_path / "other.safetensors").exists()


def test_converted_weights_with_a_name_are_found_by_it(tmp_path, capsys):
    import torch

    from ganprior_null import StyleGAN2, StyleGAN2Discriminator
    from ganprior_null.weights import load_discriminator, load_prior

    G, D = StyleGAN2(16, 8, 2, {4: 8, 8: 8, 16: 4}), StyleGAN2Discriminator(16, {4: 8, 8: 8, 16: 4})
    torch.save({"g_ema": G.state_dict(), "d": D.state_dict()}, tmp_path / "in.pt")
    words = ["convert", "rosinality", str(tmp_path / "in.pt")]
    assert main([*words, "--name", "mine"]) == 0
    assert main([*words, "--name", "mine", "--part", "discriminator"]) == 0
    assert load_prior("mine").generator.size == load_discriminator("mine").size == 16
    capsys.readouterr()
    for more in ([], [str(tmp_path / "out.safetensors"), "--name", "mine"]):
        assert main([*words, *more]) == 2
        assert capsys.readouterr().err == "error: give either OUT.safetensors or --name NAME\n"
    assert main([*words, "--name", "faces64"]) == 2 and main(["publish", str(tmp_path), "faces64"]) == 2
    assert capsys.readouterr().err.count("'faces64' is the name of weights that come with the course") == 2


def test_train_a_prior_and_go_on(tmp_path, capsys):
    words = ["train", "prior", "--out", str(tmp_path / "run"), "--profile", "smoke", "-p", "images", "16"]
    assert main(words) == 0
    assert capsys.readouterr().out.endswith("run: finished\n")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["step"] == 4 and (tmp_path / "run" / "last.ckpt").is_file()
    assert main([*words[:-1], "64"]) == 2  # the folder belongs to the run with 16 images
    assert "images: 16 there, 64 here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-p", "sise", "8"), "unknown parameter 'sise'; did you mean 'size'?"),
        (("--data", "nowhere"), "no such folder: nowhere"),
        (("-p", "path_every", "0"), "error: path_every must be at least 1, got 0\n"),
        (("-p", "lr", "-1.0"), "error: lr must be a finite number above 0, got -1.0\n"),
        (("-p", "global_batch", "0"), "error: global_batch must be at least 1, got 0\n"),
    ],
)
def test_train_refuses_bad_input(tmp_path, capsys, words, message):
    assert main(["train", "prior", "--out", str(tmp_path / "run"), "--profile", "smoke", *words]) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_a_run_has_no_place_among_its_data(tmp_path, capsys):
    assert main(["train", "prior", "--data", str(tmp_path), "--out", str(tmp_path), "--profile", "smoke"]) == 2
    assert f"--out is the folder of --data, {tmp_path}; results need" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_diverges_is_one_line(tmp_path, capsys):
    words = [
        "train",
        "prior",
        "--out",
        str(tmp_path),
        "--profile",
        "smoke",
        "--precision",
        "32-true",
        "-p",
        "lr",
        "1e30",
    ]
    assert main(words) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: step 16: ") and last.endswith("a lower learning rate may help")


def test_train_leaves_out_broken_files_on_request(tmp_path, capsys):
    from ganprior_null.data import faces
    from ganprior_null.images import save_image

    data, out = tmp_path / "data", tmp_path / "run"
    for i, x in enumerate(faces(40, 16)):
        save_image(x, data / f"{i:02d}.png")
    (data / "cut.png").write_bytes((data / "00.png").read_bytes()[:80])
    words = ["train", "prior", "--data", str(data), "--out", str(out), "--profile", "smoke", "-p", "images", "4"]
    assert main(words) == 2
    assert (
        "; repair or remove them, or leave them out with --skip-broken" in (error := capsys.readouterr().err)
        and "1 unreadable: cut.png is not a readable image" in error
    )
    assert not out.exists()
    with pytest.warns(UserWarning, match="1 unreadable: cut.png is not .*; left out"):
        assert main([*words, "--skip-broken"]) == 0
    assert json.loads((out / "params.json").read_text())["training_images"] < 40


def test_training_without_enough_memory_says_what_to_lower(tmp_path, capsys, monkeypatch):
    import torch

    def fit(*_, **__):
        raise torch.OutOfMemoryError("tried to allocate 3 GiB")

    monkeypatch.setattr("ganprior_null.experiments.prior.fit", fit)
    assert main(["train", "prior", "--out", str(tmp_path), "--profile", "smoke"]) == 2
    assert capsys.readouterr().err.endswith(
        "error: out of memory; raise accumulate (now 1) or add --recompute, then lower global_batch (now 4, best a "
        "multiple of 4), then widths\n"
    )


def test_a_command_without_the_course_extra_says_so_in_one_line(notebook, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "papermill", None)  # as if it were not installed
    assert run(notebook) == 2
    assert capsys.readouterr().err == "error: this needs papermill: pip install 'ganprior-null[course]'\n"
