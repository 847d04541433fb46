"""The weights that come with the course are found by name, named in errors, and carry where they come from."""

import shutil
from pathlib import Path

import pytest
import torch

from ganprior_null import weights
from ganprior_null.priors import StyleGAN2, StyleGAN2Discriminator
from ganprior_null.restorers import Panini
from ganprior_null.restorers.restorer import Restorer
from ganprior_null.weights import course as module

CHANNELS = {4: 4, 8: 4}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    monkeypatch.setenv("GANPRIOR_WEIGHTS", str(tmp_path / "own"))
    G, D = StyleGAN2(8, 4, 2, CHANNELS), StyleGAN2Discriminator(8, CHANNELS)
    tensors = G.state_dict() | {"latent_avg": torch.arange(4.0)}
    weights.save_weights(tmp_path / "tiny8.safetensors", tensors, {"data": "noise", "steps": 3})
    weights.save_weights(tmp_path / "tiny8.discriminator.safetensors", D.state_dict(), {})
    return G, D


def test_a_prior_and_its_discriminator_load_by_name(folder):
    prior, D = weights.load_prior("tiny8"), weights.load_discriminator("tiny8")
    assert torch.equal(prior.generator.input.input, folder[0].input.input)
    assert torch.equal(prior.w_mean, torch.arange(4.0))
    assert torch.equal(D.final_linear[1].weight, folder[1].final_linear[1].weight)
    assert weights.shipped() == ["tiny8"]


def test_metadata_comes_back_typed(folder):
    assert weights.read_metadata(weights.shipped_path("tiny8")) == {"data": "noise", "steps": 3}


def test_a_torch_file_by_a_weights_name_is_told(folder, tmp_path):
    """What load_checkpoint and load_prior read: it has no metadata, so that of a restorer more would be missing."""
    path = tmp_path / "torch8.safetensors"
    torch.save(folder[0].state_dict(), path)
    assert weights.load_prior("torch8").generator.size == 8
    told = "torch8.safetensors is no readable safetensors file .*convert LAYOUT FILE"
    for read, what in ((weights.read_metadata, path), (weights.load_restorer, "torch8")):
        with pytest.raises(ValueError, match=told):
            read(what)
    with pytest.raises(FileNotFoundError):
        weights.read_metadata(tmp_path / "none.safetensors")
    (kind,) = (entry.kind for entry in weights.listed() if entry.name == "torch8")
    assert kind.startswith("cannot be read (Error while deserializing")


@pytest.mark.parametrize("name", ["tiny", "", "../tiny8"])
def test_an_unknown_name_lists_the_known_ones(folder, name):
    with pytest.raises(ValueError, match=r"no weights named .* come with the course.*tiny8"):
        weights.shipped_path(name)


def test_weights_of_ones_own_are_found_after_the_courses(folder, tmp_path):
    own = weights.new_weights_folder("mine")
    assert own == tmp_path / "own"
    for part in ("", ".discriminator"):
        shutil.copy(tmp_path / f"tiny8{part}.safetensors", own / f"mine{part}.safetensors")
    assert weights.available() == ["tiny8", "mine"] and weights.shipped() == ["tiny8"]
    assert torch.equal(weights.load_prior("mine").w_mean, torch.arange(4.0))
    assert weights.load_discriminator("mine").size == 8
    with pytest.raises(
        ValueError, match="no weights named 'mime' come with the course or lie in .*did you mean 'mine'"
    ):
        weights.load_prior("mime")
    with pytest.raises(ValueError, match="no weights named 'mine' come with the course"):
        weights.shipped_path("mine")


def test_a_name_of_the_course_is_not_for_ones_own(folder, tmp_path):
    for name in ("tiny8", "tiny8.discriminator"):
        with pytest.raises(ValueError, match=f"'{name}' is the name of weights that come with the course"):
            weights.new_weights_folder(name)
    for name in ("../tiny", "", ".hidden"):
        with pytest.raises(ValueError, match="a name of weights has letters"):
            weights.new_weights_folder(name)
    assert not (tmp_path / "own").exists()
    (tmp_path / "own").mkdir()
    shutil.copy(tmp_path / "tiny8.safetensors", tmp_path / "own")
    with pytest.raises(ValueError, match="'tiny8' is the name of weights of the course: rename your .*own/tiny8"):
        weights.load_prior("tiny8")


def test_a_folder_that_cannot_be_written_is_named(folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GANPRIOR_WEIGHTS", str(tmp_path / "file"))
    with pytest.raises(OSError, match="cannot write to .*file: File exists; GANPRIOR_WEIGHTS names another folder"):
        weights.new_weights_folder("mine")


def test_ones_own_lie_in_the_platforms_cache(monkeypatch):
    monkeypatch.delenv("GANPRIOR_WEIGHTS", raising=False)
    monkeypatch.delenv("GANPRIOR_CACHE", raising=False)
    folder = weights.user_folder()
    assert folder.name == "weights" and "ganprior-null" in folder.parts and folder.is_relative_to(Path.home())


@pytest.mark.parametrize("limit", [8_000_000, 520_000])
def test_a_restorer_comes_back_from_one_file_or_two(folder, tmp_path, monkeypatch, limit):
    monkeypatch.setattr(module, "LIMIT", limit)
    torch.manual_seed(0)
    saved = Panini(4, 8, CHANNELS, rrdb_blocks=1, rrdb_channels=8, style_dim=4, n_mlp=2).eval()
    about = {"license": "any", "null_space": "pd"}
    paths = weights.save_restorer(tmp_path, "panini-test", saved, about)
    assert len(paths) == (1 if limit > 1e6 else 2)
    assert weights.shipped() == ["panini-test", "tiny8"]
    y = torch.rand(2, 3, 4, 4)
    torch.testing.assert_close(weights.load_restorer("panini-test")(y), saved(y), rtol=0, atol=2e-2)  # half precision
    assert weights.read_metadata(paths[0])["null_space"] == "pd"
    if len(paths) == 2:
        paths[1].unlink()
        with pytest.raises(FileNotFoundError, match="no such checkpoint file.*panini-test.rest.safetensors"):
            weights.load_restorer("panini-test")


def test_two_files_are_filled_largest_first(folder, tmp_path, monkeypatch):
    """Shares of 60, 60, 30 and 30 % of a file: in this order the second file would have to take 120 %."""
    monkeypatch.setattr(module, "LIMIT", 300_000)
    network = torch.nn.ParameterList([torch.zeros(share * 500) for share in (60, 60, 30, 30)])
    paths = weights.save_restorer(tmp_path, "wide", Restorer(network, in_size=1, out_size=1), {"license": "any"})
    assert len(paths) == 2 and all(path.stat().st_size < 300_000 for path in paths)


def test_a_prior_restores_nothing_and_a_giant_does_not_ship(folder, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="tiny8 is a StyleGAN2, which restores nothing"):
        weights.load_restorer("tiny8")
    monkeypatch.setattr(module, "LIMIT", 300_000)
    giant = Panini(4, 8, CHANNELS, rrdb_blocks=1, rrdb_channels=16, style_dim=4, n_mlp=2)
    with pytest.raises(ValueError, match="do not fit into two files"):
        weights.save_restorer(tmp_path, "giant", giant, {"license": "any"})
    assert not (tmp_path / "giant.safetensors").exists()
    own = tmp_path / "own"  # the limit is the repository's, not its users'
    own.mkdir()
    (file,) = weights.save_restorer(own, "giant", Restorer(giant, in_size=4, out_size=8), {"license": "any"})
    assert file.stat().st_size > 300_000


def test_every_shipped_file_has_a_card_and_is_small():
    paths = list(module.FOLDER.glob("*.safetensors"))
    assert sum(path.stat().st_size for path in paths) <= 60e6
    for path in paths:
        assert path.stat().st_size <= 8e6, path.name
        belongs = path.name.endswith((".discriminator.safetensors", ".rest.safetensors"))
        assert belongs or path.with_suffix(".md").is_file(), path.name
        assert weights.read_metadata(path).get("license"), f"{path.name} does not say what it may be used for"
