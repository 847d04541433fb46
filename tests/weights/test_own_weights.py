"""Weights of one's own: converted under a name with a card, found where a name is taken, refused with advice."""

import fcntl
import os
import sys
import threading

import pytest
import torch

from ganprior_null import GLEAN, weights
from ganprior_null.cli import main
from ganprior_null.images import load_image, save_image
from ganprior_null.priors import StyleGAN2, StyleGAN2Discriminator

WIDTHS = {4: 8, 8: 8, 16: 8, 32: 8}


@pytest.fixture
def both(tmp_path):
    """A checkpoint as its trainer leaves it: average and discriminator."""
    G, D = StyleGAN2(32, 8, 2, WIDTHS), StyleGAN2Discriminator(32, WIDTHS)
    torch.save({"g_ema": G.state_dict(), "d": D.state_dict()}, tmp_path / "both.pt")
    torch.save({"g_ema": G.state_dict()}, tmp_path / "average.pt")
    return tmp_path / "both.pt"


def convert(*words) -> int:
    return main(["convert", "rosinality", *map(str, words)])


def test_a_prior_and_its_discriminator_get_a_name_a_card_and_a_line(both, tmp_path, capsys):
    assert convert(both, "--name", "mine32") == convert(both, "--name", "mine32", "--part", "discriminator") == 0
    own = weights.user_folder()
    card = (own / "mine32.md").read_text()
    assert "StyleGAN2" in card and "both.pt, SHA-256" in card and "{" not in card
    assert "Discriminator" in (own / "mine32.discriminator.md").read_text()
    assert weights.load_prior("mine32").generator.size == weights.load_discriminator("mine32").size == 32
    capsys.readouterr()
    assert main(["weights", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith(("mine32 ", "faces64 "))] == ["course", "yours"]
    (line,) = (line for line in lines if line.startswith("mine32"))
    assert line.endswith("StyleGAN2, 32 px, with its discriminator") and lines[-1] == f"yours lie in {own}"
    (own / "mine32.safetensors").write_bytes(b"cut off")
    assert main(["weights", "list"]) == 0 and "cannot be read" in capsys.readouterr().out


def test_two_programs_that_put_weights_under_one_name_do_not_mix_them(both, tmp_path, capsys, monkeypatch):
    """The second waits for the folder, and then finds the name taken; one that never gets it says so."""
    own = weights.new_weights_folder("mine32")
    holder = os.open(own, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    monkeypatch.setattr(sys.modules["ganprior_null.weights.convert"], "PATIENCE", 0.2)
    assert convert(both, "--name", "mine32") == 2
    assert f"another process is writing to {own}; wait for it" in capsys.readouterr().err
    assert not list(own.iterdir())
    monkeypatch.setattr(sys.modules["ganprior_null.weights.convert"], "PATIENCE", 60.0)

    def finish():  # as another program does, once this one has looked and waits
        (own / "mine32.safetensors").write_bytes(b"theirs")
        os.close(holder)

    other = threading.Timer(0.5, finish)
    other.start()
    assert convert(both, "--name", "mine32") == 2
    other.join()
    assert "mine32.safetensors is there already" in capsys.readouterr().err
    assert [path.name for path in own.iterdir()] == ["mine32.safetensors"]
    assert (own / "mine32.safetensors").read_bytes() == b"theirs"


def test_a_prior_without_discriminator_is_refused_before_images_are_read(both, tmp_path, capsys, monkeypatch):
    assert convert(tmp_path / "average.pt", "--name", "average32") == 0
    assert convert(tmp_path / "average.pt", "--name", "average32", "--part", "discriminator") == 2
    monkeypatch.setattr("ganprior_null.experiments.restorer.open_sides", lambda *_, **__: pytest.fail("data was read"))
    words = ["train", "restorer", "glean", "--prior", "average32", "--profile", "smoke", "--data", str(tmp_path)]
    capsys.readouterr()
    assert main([*words, "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert "the prior 'average32' has no discriminator beside it" in error and "--part discriminator" in error
    assert not (tmp_path / "run").exists()


def test_a_discriminator_of_another_size_is_refused(both, tmp_path, capsys):
    assert convert(both, "--name", "mine32") == 0
    torch.save({"d": StyleGAN2Discriminator(16, WIDTHS).state_dict()}, tmp_path / "other.pt")
    assert convert(tmp_path / "other.pt", "--name", "mine32", "--part", "discriminator") == 0
    words = ["train", "restorer", "glean", "--prior", "mine32", "--factor", "4", "--profile", "smoke"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 2
    assert "the prior 'mine32' makes 32 pixels, the discriminator beside it sees 16" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "advice"), [("run", "publish {path} NAME`"), ("both.pt", "LAYOUT {path} --name NAME`")]
)
def test_a_path_in_a_names_place_says_how_it_gets_a_name(both, tmp_path, capsys, path, advice):
    (tmp_path / "run").mkdir()
    words = ["train", "restorer", "glean", "--prior", str(tmp_path / path), "--profile", "smoke"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert advice.format(path=tmp_path / path) in error and error.count("\n") == 1


def test_a_converted_glean_restores_by_name(tmp_path, capsys):
    torch.manual_seed(0)
    sizes = {"channels": WIDTHS, "rrdb_blocks": 1, "rrdb_channels": 8, "style_dim": 8, "n_mlp": 2}
    network = GLEAN(8, 32, **sizes).network
    weights.save_weights(
        weights.new_weights_folder("g") / "glean32.safetensors", network.state_dict(), {"model": "GLEANNetwork"}
    )
    y = torch.rand(3, 8, 8)
    save_image(y, tmp_path / "y.png")
    assert main(["restore", "--model", "glean32", "--out", str(tmp_path / "out"), str(tmp_path / "y.png")]) == 0
    assert load_image(tmp_path / "out" / "y.png").shape == (1, 3, 32, 32)


def test_two_programs_that_write_one_name_leave_one_whole_file(both):
    failures = []

    def write():
        try:
            weights.convert_named("rosinality", both, "twice32", overwrite=True)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and weights.load_prior("twice32").generator.size == 32
    assert sorted(path.name for path in weights.user_folder().iterdir()) == ["twice32.md", "twice32.safetensors"]
