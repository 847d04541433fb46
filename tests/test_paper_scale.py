"""The commands of the page "Run it at paper scale" run, and those for several processes do what the page says."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.distributed.run import get_args_parser

from ganprior_null import weights
from ganprior_null.cli import main
from ganprior_null.data import faces, split
from ganprior_null.experiments.estimate import operations
from ganprior_null.experiments.models import MODELS
from ganprior_null.experiments.runs import read_run
from ganprior_null.images import save_image
from ganprior_null.metrics import FEWEST_IMAGES
from ganprior_null.priors import StyleGAN2, StyleGAN2Discriminator
from ganprior_null.report import record
from ganprior_null.restorers import GLEAN, GFPGANNetwork, GPENNetwork

from .programs import program
from .weights.test_restorer_weights import published
from .weights.test_table3_weights import gfpgan_published
from .weights.test_table3_weights import published as their_published
from .weights.test_weights import prefixed, to_mmagic

PAGE = Path(__file__).resolve().parents[1] / "book" / "paper_scale.md"


def train(arguments: list[str], out: Path) -> list[dict]:
    """The log of ``-m ganprior_null train ... --out``, by one process or by torchrun's."""
    done = subprocess.run([sys.executable, *arguments, "--out", str(out)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in (out / "metrics.jsonl").open()]


def test_two_processes_train_what_one_does(tmp_path):
    (line,) = re.findall(r"(?m)^torchrun (.*--nproc-per-node 2 .*) --out \S+$", PAGE.read_text("utf-8"))
    together = train(["-m", "torch.distributed.run", *shlex.split(line)], tmp_path / "two")
    command = shlex.split(line[line.index("-m ganprior_null") :])
    alone = train(command, tmp_path / "one")
    other = train([*command, "--seed", "1"], tmp_path / "other")
    assert len(together) == len(alone) > 0
    shared = [key for key, value in alone[-1].items() if isinstance(value, float) and key[:1] in "DG"]
    assert shared
    for key in shared:  # sums of float32 in another order, through Adam
        assert together[-1][key] == pytest.approx(alone[-1][key], rel=1e-5, abs=1e-6)
    assert any(other[-1][key] != pytest.approx(alone[-1][key], rel=1e-2) for key in shared)  # the control


SIDE = 64  # of the priors, pixels: the least that 64x makes of one
SMALL = {2**i: 8 for i in range(2, 7)}  # widths up to it
LITTLE = {  # further words for each command of the page that trains: little networks
    "prior": "-p size 16 -p widths (8,8,8) -p style_dim 8 -p n_mlp 2 -p global_batch 4",
    "restorer": "-p rrdb_blocks 1 -p rrdb_channels 8 -p global_batch 4",
}
REHEARSED = {"prior": "--dry-run", "restorer": "--dry-run -p test_images 2"}
TRAINED = "--null-space pd --out runs/glean-pd"  # how the command ends that is not rehearsed alone, but run
ONE_STEP = f"-p steps 1 -p test_images {FEWEST_IMAGES} -p accumulate 2"
ELSEWHERE = ("make ", "source ")  # tests/test_sweep.py


def commands(page: str) -> list[str]:
    """The lines of the page's blocks for a shell, continued lines joined, comments gone."""
    blocks = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in (re.sub(r"\s+#.*", "", line).strip() for line in lines) if line]


def small_words(command: str) -> list[str]:
    """What is given to the command line in place of a command of the page."""
    line = command[command.index("ganprior_null") + len("ganprior_null") :]
    words = shlex.split(line.replace("/data/", "data/"))
    if words[0] == "train":
        words += LITTLE[words[1]].split()
        words += (ONE_STEP if command.endswith(TRAINED) else REHEARSED[words[1]]).split()
    if words[0] == "evaluate":
        words += ["--downsamplers", "bicubic"]
    if words[0] == "run":
        words += ["-p", "size", "64", "-p", "images", "2"]
    return words


def few_names() -> list[str]:
    """Names of FFHQ's images: of those that are held out as many as a distance needs, and 16 to train on."""
    names = [f"{i // 1000:02}000/{i:05}.png" for i in range(2000)]
    sides = split(names)
    return [names[i] for i in (*sides.train[:16], *sides.test[:FEWEST_IMAGES])]


@pytest.fixture
def published_files(tmp_path, monkeypatch):
    """A folder with the page's files: random checkpoints in the published layouts, images, an executable lesson."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ganprior_null.data.sides.HELD", 0)  # images are decoded when asked for, as large ones are
    torch.manual_seed(0)
    G, D = StyleGAN2(SIDE, 8, 2, SMALL), StyleGAN2Discriminator(SIDE, SMALL)
    both = prefixed("generator_ema.", to_mmagic(G.state_dict())) | prefixed("discriminator.", to_mmagic(D.state_dict()))
    torch.save({"state_dict": both}, "stylegan2-ffhq-config-f.pth")
    sizes = {"rrdb_blocks": 1, "rrdb_channels": 8, "style_dim": 8, "n_mlp": 2}
    glean = published(GLEAN(8, SIDE, SMALL, **sizes).network.state_dict())
    torch.save({"state_dict": prefixed("generator.", glean)}, "glean_ffhq_16x.pth")
    gfpgan = GFPGANNetwork(32, SMALL, style_dim=8, n_mlp=2, resample="fir")
    torch.save({"params_ema": gfpgan_published(gfpgan)}, "GFPGANv1.4.pth")
    gpen, _ = their_published(GPENNetwork(8, SIDE, SMALL, style_dim=8, n_mlp=2, concat=True))
    torch.save(gpen, "GPEN-BFR-512.pth")
    for i, x in enumerate(faces(8, SIDE)):
        save_image(x, tmp_path / "drawn" / f"{i}.png")
    for i, name in enumerate(few_names()):
        file = tmp_path / "data" / "ffhq1024" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.symlink_to(tmp_path / "drawn" / f"{i % 8}.png")
    save_image(faces(1, SIDE)[0], "photograph.jpg")
    save_image(faces(1, 16)[0], "face.png")
    (tmp_path / "notebooks").symlink_to(PAGE.parents[1] / "notebooks")


def test_every_command_of_the_page_runs(published_files, capsys, monkeypatch):
    """Each line as it stands, with the smallest overrides; what torchrun is told is read by its own parser."""
    ran = []
    for command in commands(PAGE.read_text("utf-8")):
        if command.startswith(ELSEWHERE):
            continue
        if command.startswith("torchrun"):
            options = get_args_parser().parse_args(shlex.split(command)[1:])
            assert (options.module, options.training_script) == (True, "ganprior_null")
        if (words := small_words(command)) not in ran:  # what torchrun starts is what one process was told
            assert main(words) == 0, (command, capsys.readouterr().err)
            ran.append(words)
    assert {words[0] for words in ran} == {"convert", "weights", "restore", "run", "train", "evaluate"}
    assert weights.load_prior("ffhq1024").generator.size == weights.load_discriminator("ffhq1024").size == SIDE
    found = read_run(Path("runs/glean-pd"))  # of one step, and the paper's all the same
    assert found.profile == "paper" and [entry["step"] for entry in found.history] == [0, 1]
    assert found.params["accumulate"] == 2 and found.params["data_names"]
    assert json.loads(Path("runs/glean-pd/unseen.json").read_text())["images"] == FEWEST_IMAGES
    assert [path.name for path in Path("runs").iterdir()] == ["glean-pd"]  # rehearsals leave nothing
    monkeypatch.setenv("GANPRIOR_RESULTS", str(Path.cwd()))
    record("C6", 30.0, profile="laptop", runs=["runs/glean-pd"])  # whatever the lesson's profile, the run's counts
    assert json.loads(Path("claims/C6.paper.json").read_text())["profile"] == "paper"
    assert len(list(Path("claims").iterdir())) == 1


def test_a_command_that_does_not_exist_would_be_noticed(published_files, capsys):
    """The control: misprints of the page."""
    page = "```bash\npython -m ganprior_null convert mmagick stylegan2-ffhq-config-f.pth --name other\n```"
    assert [main(small_words(command)) for command in commands(page)] == [2]
    with pytest.raises(SystemExit):
        main(small_words("python -m ganprior_null train prior --datas /data/ffhq1024 --out runs/prior"))


@pytest.mark.parametrize(("model", "factor"), [(m, f) for m in MODELS for f in (8, 16, 64)])
def test_a_step_at_full_size_has_the_shapes_it_should(model, factor):
    """1024 pixels, the paper's widths and micro-batches of one image, on the meta device: no memory, every shape."""
    cost = program("benchmarks/cost.py")
    step, state = cost.restorer_step_of(model, factor, 1024, "paper", 4, torch.device("meta"))
    assert state["network"].out_size == 1024
    assert operations(step, state, {0: 1}) > 1e12
