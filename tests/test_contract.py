"""What programs outside the project rely on: names, signatures, command words, stored files, tensor names.

Names and parameters may be added. One that goes, or changes its place, its default or what it may be called by, breaks
somebody's code or somebody's weights: change this file only together with a line under Changed in CHANGELOG.md.
"""

import argparse
import hashlib
import inspect
import json
from pathlib import Path

import pytest
import torch

import ganprior_null
from ganprior_null import (
    GLEAN,
    PDN,
    Panini,
    StyleGAN2,
    StyleGAN2Discriminator,
    images,
    metrics,
    networks,
    restorers,
    weights,
)
from ganprior_null.cli import _parser
from ganprior_null.restorers import (
    DegradationEncoder,
    GFPGANNetwork,
    GPENNetwork,
    PaniniMFR,
    PSPNetwork,
)

RESULTS = Path(__file__).resolve().parents[1] / "data" / "results"
SIZES = "in_size, out_size, channels=None, rrdb_blocks=23, rrdb_channels=64, style_dim=512, n_mlp=8"
ENLARGING = "in_size, out_size, channels=None, style_dim=512, n_mlp=8"
# what a caller may write; further parameters must have defaults
SIGNATURES = {
    "Matrix": "A",
    "AveragePool": "factor",
    "Resize": "size, factor, kernel='bicubic', antialias=True",
    "BlurDownsample": "kernel, factor, size",
    "Grayscale": "weights=(1 / 3, 1 / 3, 1 / 3)",
    "Inpaint": "mask",
    "BlockSensing": "block=32, ratio=0.25, seed=0",
    "SpatialColour": "spatial, colour",
    "CEM": "kernel, factor, size",
    "RangeNull": "range, null",
    "NullSpace": "backbone, A",
    "enforce_consistency": "x_r, y, A",
    "enforce_noisy": "x_r, y, A, sigma=None",
    "identify_downsampler": "x, y",
    "project_box": "x_r, y, factor",
    "to_uint8_consistent": "x, y, factor",
    "dottest": "A, in_shape",
    "as_matrix": "A, in_shape",
    "penrose_residuals": "A, in_shape",
    "psnr": "x, reference",
    "ssim": "x, reference",
    "ms_ssim": "x, reference",
    "consistency_db": "A, x, y",
    "estimate_kernel": "image, scale=2, *, steps=None, seed=0, progress=True",
    "StyleGAN2": "size, style_dim=512, n_mlp=8, channels=None",
    "StyleGAN2Discriminator": "size, channels=None",
    "GLEAN": SIZES,
    "Panini": SIZES,
    "PDN": SIZES,
    "PSP": ENLARGING,
    "GFPGAN": ENLARGING,
    "GPEN": ENLARGING,
    "singan": "y, factor, *, steps=2000, seed=0",
    "pulse": "prior, y, A, *, steps=100, seed=0, restarts=1, eps=2e-3, lr=0.4, space='sphere', enforce='none'",
    "restorers.dgp": "prior, discriminator, y, A, *, steps=100, seed=0, eps=2e-3",
    "restorers.mganprior": "prior, y, A, *, codes=8, steps=100, seed=0, restarts=1, eps=2e-3",
    "restorers.fit_gaussian": "prior, *, samples=100_000, seed=0",
    "restorers.restore_picture": "network, y, operator='auto', *, noise=None",
    "networks.available": "",
    "networks.load_network": "name",
    "images.to_signed": "x",
    "images.from_signed": "x",
    "images.to_uint8": "x",
    "images.from_uint8": "x",
    "metrics.fd_features64": "x, reference, network",
    "metrics.identity": "x, x_hat, network, *, people=None",
    "weights.convert": "checkpoint, layout, *, part=None",
    "weights.convert_file": "layout, source, target, *, part=None",
    "weights.build": "state_dict",
    "weights.load_checkpoint": "path",
    "weights.load_stylegan2": "path",
    "weights.load_prior": "name",
    "weights.load_discriminator": "name",
    "weights.load_restorer": "name",
    "weights.load_features64": "path=None",
    "weights.load_dlib_faces": "path=None, *, margin=0.03125",
    "weights.read_metadata": "path",
    "weights.save_weights": "path, tensors, metadata",
    "weights.available": "",
    "weights.shipped": "",
    "weights.shipped_path": "name",
    "weights.weights_path": "name",
    "weights.user_folder": "",
}
METHODS = {
    "LinearOperator.forward": "self, x",
    "LinearOperator.adjoint": "self, y",
    "LinearOperator.pinv": "self, y",
    "LinearOperator.project_range": "self, x",
    "LinearOperator.project_null": "self, x",
    "LinearOperator.decompose": "self, x",
    "StyleGAN2.mapping": "self, z",
    "StyleGAN2.forward": "self, w_plus, noise=None",
    "StyleGAN2.stages": "self",
    "PDN.forward": "self, y, z=None, generator=None",
}
FIELDS = {
    "KernelEstimate": "kernel kernel_x4 history",
    "PulseResult": "images lr_error converged latents noise restart restart_images restart_errors history interrupted",
}
LAYOUTS = {"rosinality", "mmagic", "mmagic-glean", "panini"}
WORDS = {
    "run": "notebooks --profile --out -p --overwrite",
    "train prior": "--data --margin --skip-broken --start-from --out --profile --seed --precision -p",
    "train features": "--data --out --profile --seed --precision -p",
    "train restorer": "model --data --margin --skip-broken --null-space --factor --downsampler --prior --degraded "
    "--variant --vgg16 --accelerator --out --profile --seed --precision -p",
    "evaluate kernelgan": "--out --images --only --gaussian --scale --seeds --compatible --profile --overwrite",
    "evaluate pulse": "--prior --data --margin --out --factors --count --seeds --steps --restarts --eps --space --lr "
    "--overwrite",
    "evaluate singan": "photographs --size --factor --steps --seed --out",
    "evaluate baselines": "--data --prior --factor --downsampler --out --profile --overwrite",
    "evaluate restorer": "runs --data --downsamplers --accelerator --overwrite",
    "evaluate identity": "runs --data --accelerator --overwrite",
    "evaluate recognition": "--data",
    "restore": "images --model --out --downsample --downsampler --operator --noise --memory --seed --device "
    "--overwrite",
    "evaluate networks": "--images --networks --out --downsampler --noise --unrounded --crop --count",
    "train network": "model --null-space --images --out --steps --batch --side --lr --seed",
    "enforce": "--lr --sr --gt --operator --out --overwrite",
    "convert": "layout source target --name --part --overwrite",
    "publish": "run name --data --out --overwrite",
    "report": "--format --full",
}
RUNS = ("features", "kernelgan", "pulse", "restorers")  # experiments whose runs are folders
RUN_FILES = {"params.json": dict, "metrics.jsonl": None, "summary.json": dict}
CHANNELS = {4: 6, 8: 5, 16: 4}
SMALL = dict(channels=CHANNELS, rrdb_blocks=2, rrdb_channels=4, style_dim=6, n_mlp=2)
# network -> (how it is built, digest of the names and shapes of its tensors): files that exist load as long as it holds
EVEN = {4: 6, 8: 4, 16: 2}
TENSORS = {
    "StyleGAN2": (lambda: StyleGAN2(16, 6, 2, CHANNELS), "945a2808db18"),
    "StyleGAN2Discriminator": (lambda: StyleGAN2Discriminator(16, CHANNELS), "47f5cd3535f4"),
    "GLEAN": (lambda: GLEAN(8, 16, **SMALL).network, "3ca72ece11a4"),
    "Panini": (lambda: Panini(8, 16, **SMALL).network, "1aa63ca1f6fd"),
    "PDN": (lambda: PDN(8, 16, **SMALL).network, "fe808c3c69cb"),
    "PaniniMFR": (lambda: PaniniMFR(32, 64, dict.fromkeys((4, 8, 16, 32, 64), 4), 2, 4, 6, 2).network, "b1e8acad12fe"),
    "DegradationEncoder": (DegradationEncoder, "b886ba5eb942"),
    "PSP": (lambda: PSPNetwork(32, 16, EVEN, 6, 2, (4, 6, 4, 6), 2), "b8ae88376999"),
    "GFPGAN, version 1": (lambda: GFPGANNetwork(16, EVEN, 6, 2), "ff0456b12a3a"),
    "GFPGAN, later versions": (lambda: GFPGANNetwork(16, EVEN, 6, 2, resample="bilinear"), "f9a5503694c3"),
    "GPEN": (lambda: GPENNetwork(16, 16, EVEN, 6, 2), "568bb0a7a708"),
}


def resolve(name: str):
    """The object that a name of SIGNATURES stands for."""
    rooms = {"images": images, "metrics": metrics, "networks": networks, "restorers": restorers, "weights": weights}
    found = ganprior_null
    for part in name.split("."):
        found = rooms[part] if part in rooms else getattr(found, part)
    return found


def broken(promised: str, found: inspect.Signature) -> list[str]:
    """What a caller who relies on the promised parameters would trip over."""
    wanted = inspect.signature(eval(f"lambda {promised}: None")).parameters
    given, wrong = found.parameters, []
    for name, parameter in wanted.items():
        if name not in given:
            wrong.append(f"{name} is gone")
        elif parameter.default is not parameter.empty and given[name].default != parameter.default:
            wrong.append(f"{name}={given[name].default!r}")
        elif given[name].kind is parameter.KEYWORD_ONLY and parameter.kind is not parameter.KEYWORD_ONLY:
            wrong.append(f"{name} has to be named")
    by_place = [name for name, p in wanted.items() if p.kind is not p.KEYWORD_ONLY and name in given]
    if by_place != list(given)[: len(by_place)]:
        wrong.append(f"the order is {', '.join(given)}")
    more = [name for name, p in given.items() if name not in wanted]
    wrong += [f"{name} must be given" for name in more if given[name].default is inspect.Parameter.empty]
    return wrong


@pytest.mark.parametrize("name", SIGNATURES | METHODS)
def test_a_call_that_was_right_stays_right(name):
    assert broken((SIGNATURES | METHODS)[name], inspect.signature(resolve(name))) == []


def test_a_broken_signature_is_seen():
    def found(A, x, *, steps, seed=1, new):
        pass

    signature = inspect.signature(found)
    assert broken("x, A, steps, *, seed=0, lr=0.4", signature) == [
        "steps has to be named",
        "seed=1",
        "lr is gone",
        "the order is A, x, steps, seed, new",
        "new must be given",
    ]
    assert broken("A, x, *, steps, seed=1, new", signature) == []


@pytest.mark.parametrize("name", FIELDS)
def test_results_keep_their_fields(name):
    kind = getattr(ganprior_null, name)
    assert set(FIELDS[name].split()) <= set(kind.__dataclass_fields__)


def test_every_operator_is_a_linear_operator():
    for name in ("Matrix", "AveragePool", "Resize", "BlurDownsample", "Grayscale", "Inpaint", "BlockSensing"):
        assert issubclass(getattr(ganprior_null, name), ganprior_null.LinearOperator)
    assert set(weights.LAYOUTS) >= LAYOUTS


def command_words(parser: argparse.ArgumentParser, path: str = "") -> dict[str, set[str]]:
    """Command -> its options by their longest name and its arguments."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            below = [command_words(sub, f"{path} {name}".strip()) for name, sub in action.choices.items()]
            return {command: words for found in below for command, words in found.items()}
    return {path: {(action.option_strings or [action.dest])[-1] for action in parser._actions}}


@pytest.mark.parametrize("command", WORDS)
def test_a_command_keeps_its_words(command):
    assert set(WORDS[command].split()) <= command_words(_parser())[command]


def test_a_word_that_goes_is_noticed():
    parser = argparse.ArgumentParser()
    parser.add_subparsers().add_parser("enforce").add_argument("--lo-res")
    assert command_words(parser) == {"enforce": {"--help", "--lo-res"}}
    assert not set(WORDS["enforce"].split()) <= command_words(parser)["enforce"]


def faults(run: Path) -> list[str]:
    """What is wrong with the folder of a stored run."""
    wrong = []
    for name, kind in RUN_FILES.items():
        if not (run / name).is_file():
            wrong.append(f"{run.name} has no {name}")
            continue
        text = (run / name).read_text("utf-8")
        values = [json.loads(text)] if kind else [json.loads(line) for line in text.splitlines()]
        wrong += [f"{run.name}/{name} holds {value!r:.40}" for value in values if not isinstance(value, dict)]
    return wrong


@pytest.mark.parametrize("experiment", RUNS)
def test_stored_runs_have_their_three_files(experiment):
    runs = [folder for folder in (RESULTS / experiment).iterdir() if folder.is_dir()]
    assert runs and [fault for run in runs for fault in faults(run)] == []


def test_a_run_of_another_form_is_noticed(tmp_path):
    (tmp_path / "params.json").write_text("[1]")
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n2\n')
    assert faults(tmp_path) == [
        f"{tmp_path.name}/params.json holds [1]",
        f"{tmp_path.name}/metrics.jsonl holds 2",
        f"{tmp_path.name} has no summary.json",
    ]


def digest(network: torch.nn.Module) -> str:
    """12 hex digits over the names and shapes of all stored tensors, in alphabetical order."""
    lines = sorted(f"{name} {tuple(tensor.shape)}" for name, tensor in network.state_dict().items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_keep_their_names_and_shapes(name):
    build, expected = TENSORS[name]
    assert digest(build()) == expected


def test_a_renamed_tensor_is_seen():
    network = Panini(8, 16, **SMALL).network
    assert digest(network) == TENSORS["Panini"][1]
    network.mixing = network._modules.pop("AFS_maskGen")
    assert digest(network) != TENSORS["Panini"][1]
