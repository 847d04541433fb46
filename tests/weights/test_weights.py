"""Foreign checkpoints of made-up sizes, converted and loaded; broken and hostile files, refused with one clear line."""

import argparse
import io
import json
import os
import pickle
import re
import tarfile

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ganprior_null import GLEAN
from ganprior_null.priors import StyleGAN2, StyleGAN2Discriminator, channel_table
from ganprior_null.weights import (
    build,
    compare,
    convert,
    convert_file,
    describe,
    infer_discriminator,
    infer_stylegan2,
    load_checkpoint,
    load_discriminator,
    load_stylegan2,
    load_weights,
    save_weights,
)

CASES = [  # size, style_dim, n_mlp, channels
    (8, 5, 1, {4: 6, 8: 3}),
    (16, 16, 2, {4: 9, 8: 9, 16: 4}),
    (32, 8, 8, {4: 8, 8: 11, 16: 13, 32: 5}),
    (128, 12, 3, {4: 16, 8: 14, 16: 12, 32: 10, 64: 7, 128: 3}),
]


def networks(size=16, style_dim=16, n_mlp=2, channels=None) -> tuple[StyleGAN2, StyleGAN2Discriminator]:
    torch.manual_seed(size)
    channels = channels or {4: 9, 8: 9, 16: 4}
    return StyleGAN2(size, style_dim, n_mlp, channels), StyleGAN2Discriminator(size, channels)


def to_mmagic(state_dict) -> dict:
    """Our names -> mmagic's, written from the published key list and not from the table under test."""
    renamed = {}
    for key, value in state_dict.items():
        if key.startswith("noises."):
            key = key.replace("noises.noise_", "injected_noise_")
        elif key.startswith("style."):
            key = key.replace("style.", "style_mapping.").replace("weight", "linear.weight_orig")
        elif key == "input.input":
            key = "constant_input.input"
        elif ".modulation." in key:
            key = key.replace("modulation", "style_modulation").replace("weight", "linear.weight_orig")
        elif key.endswith("noise.weight"):
            key = key.replace("noise.weight", "noise_injector.weight")
        elif key.startswith("final_linear"):
            key = key.replace("weight", "linear.weight_orig")
        elif key.endswith(".conv.weight"):
            key += "_orig"
        elif key.endswith("weight"):
            key = key.replace("weight", "conv.weight_orig")
        renamed[key] = value
    return renamed


def prefixed(prefix: str, state_dict) -> dict:
    return {f"{prefix}{key}": value for key, value in state_dict.items()}


def same(ours, theirs) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize(("size", "style_dim", "n_mlp", "channels"), CASES)
def test_sizes_are_read_off_the_tensors(size, style_dim, n_mlp, channels):
    G, D = networks(size, style_dim, n_mlp, channels)
    config = {"size": size, "style_dim": style_dim, "n_mlp": n_mlp, "channels": channels}
    assert infer_stylegan2(G.state_dict()) == config
    assert infer_discriminator(D.state_dict()) == {"size": size, "channels": channels}
    for network in (G, D):
        assert same(build(network.state_dict()).state_dict(), network.state_dict())


@pytest.mark.parametrize(("size", "style_dim", "n_mlp", "channels"), CASES)
def test_mmagic_names(size, style_dim, n_mlp, channels):
    for network in networks(size, style_dim, n_mlp, channels):
        assert same(convert(to_mmagic(network.state_dict()), "mmagic"), network.state_dict())


@pytest.mark.parametrize("name", ["generator", "discriminator"])
def test_mmagic_names_as_published(shared, name):
    """The published 1024 px key list becomes exactly our names and shapes."""
    lines = (shared / "facts/keytables" / f"mmagic_stylegan2_{name}_1024.tsv").read_text().splitlines()[1:]
    rows = (line.split("\t") for line in lines)
    theirs = {key: torch.empty([int(s) for s in shape.split("x")], device="meta") for key, shape, *_ in rows}
    with torch.device("meta"):
        network = StyleGAN2(1024) if name == "generator" else StyleGAN2Discriminator(1024)
    report = compare(network, convert(theirs, "mmagic"))
    assert report.exact and len(report.loaded) == len(theirs)


def nested_layouts():
    """(layout, checkpoint) for every way in which the two projects write their files; the average comes first."""
    (G, D), (raw, _) = networks(), networks()
    with torch.no_grad():
        raw.input.input += 1  # the network that is not the moving average
    g_ema, g, d = G.state_dict(), raw.state_dict(), D.state_dict()
    mm_ema, mm_g, mm_d = to_mmagic(g_ema), to_mmagic(g), to_mmagic(d)
    adam = {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 0.002}]}
    training = {"g": g, "d": d, "g_ema": g_ema, "g_optim": adam, "args": argparse.Namespace(size=16), "ada_aug_p": 0.0}
    both = prefixed("generator.", mm_g) | prefixed("generator_ema.", mm_ema) | prefixed("discriminator.", mm_d)
    return [
        ("rosinality", training),
        ("rosinality", {"g_ema": g_ema, "latent_avg": torch.ones(16)}),
        ("rosinality", {**g_ema, "latent_avg": torch.ones(16)}),
        ("rosinality", g_ema),
        ("mmagic", mm_ema),
        ("mmagic", both),
        ("mmagic", {"meta": {"epoch": 1}, "state_dict": both, "optimizer": adam}),
        ("mmagic", prefixed("generator.", mm_ema) | prefixed("discriminator.", mm_d)),
    ]


@pytest.mark.parametrize(("layout", "checkpoint"), nested_layouts())
def test_layouts(layout, checkpoint):
    G, D = networks()
    assert same(convert(checkpoint, layout), G.state_dict())
    if "d" in checkpoint or any("discriminator." in key for key in checkpoint):
        assert same(convert(checkpoint, layout, part="discriminator"), D.state_dict())


@pytest.mark.parametrize(("layout", "checkpoint"), nested_layouts())
def test_files(layout, checkpoint, tmp_path):
    G, _ = networks()
    source, target = tmp_path / "in.pt", tmp_path / "folder/out.safetensors"
    torch.save(checkpoint, source)
    report = convert_file(layout, source, target)
    assert report.exact and set(report.loaded) == set(G.state_dict())
    generator, w_mean = load_stylegan2(target)
    assert same(generator.state_dict(), G.state_dict())
    if "latent_avg" in checkpoint:
        assert torch.equal(w_mean, torch.ones(16))
    else:
        more = G.mean_w(50_000, generator=torch.Generator().manual_seed(1))
        assert (w_mean - more).abs().max() < 0.1  # the mean of 4,096 draws of unit size is good to 0.016
    with safe_open(target, "pt") as file:
        metadata = file.metadata()
    config = {"size": 16, "style_dim": 16, "n_mlp": 2, "channels": {"4": 9, "8": 9, "16": 4}}
    assert metadata["model"] == "StyleGAN2" and metadata["layout"] == layout
    assert json.loads(metadata["config"]) == config and re.fullmatch("[0-9a-f]{64}", metadata["source_sha256"])
    assert os.listdir(target.parent) == ["out.safetensors"]


def test_a_discriminator_file(tmp_path):
    _, D = networks()
    torch.save({"d": D.state_dict()}, tmp_path / "d.pt")
    assert convert_file("rosinality", tmp_path / "d.pt", tmp_path / "d.safetensors").exact
    assert same(load_file(tmp_path / "d.safetensors"), D.state_dict())
    with pytest.raises(ValueError, match="holds a StyleGAN2Discriminator, not a generator"):
        load_stylegan2(tmp_path / "d.safetensors")


def test_a_generator_is_no_discriminator(tmp_path, monkeypatch):
    G, _ = networks()
    for name in ("mine.safetensors", "mine.discriminator.safetensors"):
        save_weights(tmp_path / name, G.state_dict(), {"model": "StyleGAN2"})
    monkeypatch.setenv("GANPRIOR_WEIGHTS", str(tmp_path))
    with pytest.raises(ValueError, match="mine.discriminator.safetensors holds a StyleGAN2, not a discriminator"):
        load_discriminator("mine")


def test_half_precision_files_load_into_float32(tmp_path):
    G, _ = networks()
    halves = {key: value.half() for key, value in G.state_dict().items()}
    path = save_weights(tmp_path / "g.safetensors", halves | {"latent_avg": torch.ones(16).half()}, {"model": "x"})
    generator, w_mean = load_stylegan2(path)
    assert w_mean.dtype == torch.float32 and {p.dtype for p in generator.parameters()} == {torch.float32}
    assert torch.equal(generator.input.input, G.input.input.half().float())


def test_the_message_says_what_the_weights_look_like():
    with torch.device("meta"):
        theirs = StyleGAN2(256, n_mlp=2, channels=channel_table(256, 1)).state_dict()
        model = StyleGAN2(64)
    assert describe(theirs) == "StyleGAN2, 256 px, channel multiplier 1, 2 mapping layers, 512 latent dimensions"
    with pytest.raises(ValueError) as error:
        load_weights(model, theirs)
    text = str(error.value)
    assert "this looks like StyleGAN2, 256 px, channel multiplier 1, 2 mapping layers, 512 latent dimensions" in text
    assert "the model is StyleGAN2, 64 px, channel multiplier 2, 8 mapping layers" in text
    assert "12 missing" in text and "unexpected" in text and "mismatched" in text and "\n" not in text


def test_loading_is_all_or_nothing():
    G, _ = networks()
    before = {key: value.clone() for key, value in G.state_dict().items()}
    other = {key: value + 1 for key, value in before.items()}
    for broken in (
        {key: value for key, value in other.items() if key != "to_rgb1.bias"},
        other | {"surplus": torch.zeros(1)},
        other | {"to_rgb1.bias": torch.zeros(3)},
        other | {"to_rgb1.bias": torch.full((1, 3, 1, 1), float("nan"))},
        {},
    ):
        with pytest.raises(ValueError, match="the weights (do not fit|hold NaN)"):
            load_weights(G, broken)
        assert same(G.state_dict(), before)
    report = load_weights(G, other)
    assert same(G.state_dict(), other) and str(report) == f"{len(other)} tensors loaded"


@pytest.mark.parametrize(
    ("checkpoint", "layout", "part", "message"),
    [
        ({}, "rosinality", None, "layout 'rosinality' does not fit this checkpoint: .* input.input is missing"),
        ({"fc.weight": torch.zeros(3, 3)}, "mmagic", None, "layout 'mmagic' does not fit this checkpoint"),
        ({"g_ema": {"fc.weight": torch.zeros(3, 3)}}, "rosinality", None, "does not fit this checkpoint"),
        ({}, "rosinalty", None, "unknown layout 'rosinalty'; did you mean 'rosinality'?"),
        ({}, "mmagic", "generater", "unknown part 'generater'; did you mean 'generator'?"),
        ({"d": {"x": torch.zeros(1)}}, "rosinality", "generator", "holds no generator, only: discriminator"),
        ({"input.input": torch.zeros(3)}, "rosinality", None, "should have 4 axes"),
        (
            {"a.linear.weight_orig": torch.zeros(1), "a.weight": torch.zeros(1)},
            "mmagic",
            None,
            "two tensors would both",
        ),
    ],
)
def test_checkpoints_without_the_network(checkpoint, layout, part, message):
    with pytest.raises(ValueError, match=message):
        convert(checkpoint, layout, part=part)


def test_the_wrong_layout_and_the_wrong_part():
    G, D = networks()
    with pytest.raises(ValueError, match="layout 'rosinality' does not fit"):
        convert(to_mmagic(G.state_dict()), "rosinality")
    with pytest.raises(ValueError, match="holds no discriminator, but a StyleGAN2"):
        convert(G.state_dict(), "rosinality", part="discriminator")


class Hostile:
    """Unpickling it makes a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.fixture
def checkpoint_bytes(tmp_path):
    torch.save({"g_ema": networks()[0].state_dict()}, tmp_path / "good.pt")
    return (tmp_path / "good.pt").read_bytes()


def test_pickled_code_is_refused_and_not_run(tmp_path):
    torch.save({"g_ema": networks()[0].state_dict(), "x": Hostile(tmp_path / "made")}, tmp_path / "in.pt")
    with pytest.raises(ValueError, match=r"holds pickled code \(\w+\.mkdir\), which is refused and was not run"):
        convert_file("rosinality", tmp_path / "in.pt", tmp_path / "out.safetensors")
    assert os.listdir(tmp_path) == ["in.pt"]
    torch.load(tmp_path / "in.pt", weights_only=False)  # negative control: it would have run
    assert (tmp_path / "made").is_dir()


def test_a_whole_pickled_network_is_refused(tmp_path):
    torch.save(networks()[0], tmp_path / "in.pt")
    with pytest.raises(ValueError, match=r"holds pickled code \(ganprior_null\.priors\.stylegan2\.StyleGAN2\)"):
        load_checkpoint(tmp_path / "in.pt")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_truncated_files(tmp_path, checkpoint_bytes, share, suffix):
    if suffix == "safetensors":
        save_file(networks()[0].state_dict(), tmp_path / "good.safetensors")
        checkpoint_bytes = (tmp_path / "good.safetensors").read_bytes()
    (tmp_path / f"in.{suffix}").write_bytes(checkpoint_bytes[: int(share * len(checkpoint_bytes))])
    before = set(os.listdir(tmp_path))
    with pytest.raises(ValueError, match=rf"in\.{suffix} is (truncated or no torch|no readable safetensors)"):
        convert_file("rosinality", tmp_path / f"in.{suffix}", tmp_path / "out.safetensors")
    assert set(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("content", [b"<!doctype html><html>404</html>", b"\x89PNG\r\n\x1a\n" + bytes(200), b"hello"])
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_foreign_files(tmp_path, content, suffix):
    (tmp_path / f"in.{suffix}").write_bytes(content)
    with pytest.raises(ValueError, match=rf"in\.{suffix} is (truncated or no torch|no readable safetensors)"):
        load_checkpoint(tmp_path / f"in.{suffix}")


def test_other_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such checkpoint file"):
        load_checkpoint(tmp_path / "absent.pt")
    torch.save([torch.zeros(1)], tmp_path / "list.pt")
    with pytest.raises(ValueError, match="holds a list, not a dictionary of tensors"):
        load_checkpoint(tmp_path / "list.pt")


def test_bad_targets(tmp_path, checkpoint_bytes):
    with pytest.raises(ValueError, match=r"weights are written as \.safetensors"):
        convert_file("rosinality", tmp_path / "good.pt", tmp_path / "out.pt")
    save_file(networks()[0].state_dict(), tmp_path / "good.safetensors")
    with pytest.raises(ValueError, match="would replace the input .*good.safetensors"):
        convert_file("rosinality", tmp_path / "good.safetensors", tmp_path / "good.safetensors")
    torch.save({"g_ema": networks()[0].state_dict(), "latent_avg": torch.zeros(7)}, tmp_path / "mean.pt")
    with pytest.raises(ValueError, match="latent_avg must hold 16 values"):
        convert_file("rosinality", tmp_path / "mean.pt", tmp_path / "out.safetensors")
    assert sorted(os.listdir(tmp_path)) == ["good.pt", "good.safetensors", "mean.pt"]


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = save_weights(tmp_path / "g.safetensors", {"a": torch.zeros(1)}, {})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_weights(path, {"a": torch.ones(1)}, {})
    assert os.listdir(tmp_path) == ["g.safetensors"] and load_file(path)["a"] == 0


def without_noises(state_dict) -> dict:
    return {key: value for key, value in state_dict.items() if "noise_" not in key or "injector" in key}


@pytest.mark.parametrize("layout", ["rosinality", "mmagic"])
def test_noises_that_a_published_file_lacks_are_drawn_and_named(tmp_path, layout):
    G, _ = networks()
    theirs = without_noises(to_mmagic(G.state_dict()) if layout == "mmagic" else G.state_dict())
    torch.save({"generator_ema": theirs, "latent_avg": torch.ones(16)}, tmp_path / "in.pt")
    report = convert_file(layout, tmp_path / "in.pt", tmp_path / "out.safetensors")
    assert report.drawn == tuple(f"noises.noise_{i}" for i in range(5))
    assert "5 of them drawn with seed 0, for the file has none (noises.noise_0, ...)" in str(report)
    ours = load_stylegan2(tmp_path / "out.safetensors").generator.state_dict()
    assert all(torch.equal(ours[key], value) for key, value in without_noises(G.state_dict()).items())
    again = convert({"generator": theirs}, layout)
    assert torch.equal(ours["noises.noise_4"], again["noises.noise_4"])  # the same each time
    torch.save(G.state_dict(), tmp_path / "whole.pt")
    assert not convert_file("rosinality", tmp_path / "whole.pt", tmp_path / "whole.safetensors").drawn


def test_noises_inside_a_restorer_too():
    network = GLEAN(8, 16, {4: 6, 8: 5, 16: 4}, 1, 4, 6, 2).network
    ours = network.state_dict()
    theirs = {re.sub(r"^bank\.", "generator.", key): value for key, value in ours.items()}
    theirs = {key: value for key, value in theirs.items() if "noises." not in key}
    converted = convert(theirs, "mmagic-glean")
    assert compare(network, converted).exact
    assert not torch.equal(converted["bank.noises.noise_0"], ours["bank.noises.noise_0"])


@pytest.mark.parametrize(
    "wrap",
    [
        lambda sd: {"g_ema": prefixed("module.", sd)},
        lambda sd: prefixed("module.", sd),
        lambda sd: prefixed("_orig_mod.module.", sd),
        lambda sd: {"module": sd},
        lambda sd: {"state_dict": prefixed("module.g_ema.", sd), "optimizer": {"state": {0: torch.zeros(2)}}},
        lambda sd: prefixed("state_dict.generator.", sd),
        lambda sd: {"params_ema": sd, "params": {key: value + 1 for key, value in sd.items()}},
        lambda sd: {"params": sd},
        lambda sd: {"generator": sd, "discriminator": {"x": torch.zeros(1)}},
    ],
)
def test_wrappers(wrap):
    G, _ = networks()
    assert same(convert(wrap(G.state_dict()), "rosinality"), G.state_dict())


@pytest.mark.parametrize("outer", ["", "module.", "state_dict.", "state_dict.module.", "params_ema."])
@pytest.mark.parametrize("inner", ["", "generator.", "generator_ema.module."])
def test_wrappers_of_mmagic_names(outer, inner):
    G, _ = networks()
    assert same(convert(prefixed(outer + inner, to_mmagic(G.state_dict())), "mmagic"), G.state_dict())


def test_names_that_become_one_without_their_wrapper():
    with pytest.raises(ValueError, match="two tensors would both be called 'a'"):
        convert({"a": torch.zeros(1), "module.a": torch.ones(1)}, "rosinality")


@pytest.mark.parametrize("name", ["a.pt", "b.SAFETENSORS", "c", "d.safetensors"])
@pytest.mark.parametrize("kind", ["zip", "pickle", "safetensors"])
def test_the_first_bytes_tell_the_format(tmp_path, name, kind):
    state = networks()[0].state_dict()
    if kind == "safetensors":
        save_file(state, tmp_path / name)
    else:
        torch.save(state, tmp_path / name, _use_new_zipfile_serialization=kind == "zip")
    assert same(load_checkpoint(tmp_path / name), state)


def test_legacy_tar_files_are_called_what_they_are(tmp_path):
    with tarfile.open(tmp_path / "in.pth", "w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            info, content = tarfile.TarInfo(name), pickle.dumps({}, 2)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    with pytest.raises(ValueError, match=r"in\.pth is a tar archive, as torch wrote in its first years"):
        load_checkpoint(tmp_path / "in.pth")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_mean_that_is_not_finite_is_refused(tmp_path, bad):
    G, _ = networks()
    for checkpoint in (
        {"g_ema": G.state_dict(), "latent_avg": torch.full((16,), bad)},
        {"g_ema": G.state_dict() | {"latent_avg": torch.full((16,), bad)}},
    ):
        torch.save(checkpoint, tmp_path / "in.pt")
        with pytest.raises(ValueError, match="NaN or infinite values, in 1 tensors .such as latent_avg"):
            convert_file("rosinality", tmp_path / "in.pt", tmp_path / "out.safetensors")
    assert os.listdir(tmp_path) == ["in.pt"]
    save_weights(tmp_path / "g.safetensors", G.state_dict() | {"latent_avg": torch.full((16,), bad)}, {})
    with pytest.raises(ValueError, match="such as latent_avg"):
        load_stylegan2(tmp_path / "g.safetensors")


@pytest.mark.parametrize(
    "place",
    [
        lambda sd, mean: {"g_ema": sd | mean},
        lambda sd, mean: {"g_ema": sd} | mean,
        lambda sd, mean: {"state_dict": {"g_ema": sd} | mean},
        lambda sd, mean: {"state_dict": {"g_ema": sd}} | mean,
        lambda sd, mean: {"module": sd | mean},
        lambda sd, mean: {"g_ema": sd | mean, "latent_avg": torch.zeros(16)},  # its own, before the file's
    ],
)
def test_the_mean_is_found_where_it_lies(tmp_path, place):
    torch.save(place(networks()[0].state_dict(), {"latent_avg": torch.ones(1, 16)}), tmp_path / "in.pt")
    convert_file("rosinality", tmp_path / "in.pt", tmp_path / "out.safetensors")
    assert torch.equal(load_stylegan2(tmp_path / "out.safetensors").w_mean, torch.ones(16))


def test_tensors_that_are_not_finite_are_refused(tmp_path):
    G, _ = networks()
    broken = G.state_dict() | {"noises.noise_2": torch.full((1, 1, 8, 8), float("nan"))}
    with pytest.raises(ValueError, match="such as noises.noise_2"):
        convert({"g_ema": broken}, "rosinality")
