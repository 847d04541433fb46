"""A category is found where GANPRIOR_DATA says, a run's folder says what differs, torchrun gets the same experiment."""

import subprocess
import sys

import pytest

from ganprior_null.cli import _parser
from ganprior_null.experiments.launch import Source, category_of, find_source, gpus_for, launch, run_name, torchrun
from ganprior_null.options import read_options
from ganprior_null.profiles import Experiment, restorer


def test_a_category_is_a_pack_below_the_folder_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("GANPRIOR_DATA", str(tmp_path))
    (tmp_path / "faces_color64").mkdir()
    found = find_source("faces")
    assert (found.name, found.folder, found.prior) == ("faces", tmp_path / "faces_color64", "faces64")
    assert found.margin == 6  # the prior's card says so
    with pytest.raises(FileNotFoundError, match=r"no images of cats at .*cats: set GANPRIOR_DATA to the folder"):
        find_source("cats")


def test_a_category_may_be_a_folder_of_its_name(tmp_path, monkeypatch):
    """Relative to where the command was typed, since a lesson's kernel works in the lesson's own folder."""
    (tmp_path / "mine" / "faces").mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    monkeypatch.setenv("GANPRIOR_DATA", "mine")
    with pytest.raises(FileNotFoundError):  # the control: from here it is not to be seen
        find_source("faces")
    monkeypatch.setenv("GANPRIOR_CALLER", str(tmp_path))
    assert find_source("faces").folder == tmp_path / "mine" / "faces"
    assert find_source("mine/faces").folder == tmp_path / "mine" / "faces"
    assert category_of("faces") == category_of("faces_color64") == "faces" and category_of("ffhq") == ""


def test_sigterm_goes_on_to_what_was_started(tmp_path):
    """torchrun's processes must save before they end; without it they would be left behind, on the GPU."""
    child = "import signal, sys, time; signal.signal(15, lambda *_: (open(sys.argv[1], 'w').close(), sys.exit(75))); "
    child += "print('ready', flush=True); time.sleep(60)"
    code = "import sys; from ganprior_null.experiments.launch import succeeds; sys.exit(3 + succeeds(sys.argv[1:]))"
    command = [sys.executable, "-c", code, sys.executable, "-c", child, str(tmp_path / "saved")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.wait(60) == 3
    assert (tmp_path / "saved").exists()


def test_drawn_faces_need_no_folder_and_any_folder_will_do(tmp_path):
    assert find_source("")[:2] == find_source("drawn")[:2] == ("drawn", None)
    assert find_source(str(tmp_path), "faces64") == Source(tmp_path.name, tmp_path, "faces64", 6)


@pytest.mark.parametrize(
    ("data", "prior", "message"),
    [("face", "", "no folder 'face', and no category of that name; did you mean 'faces'?"),
     ("drawn", "face64", "no weights named 'face64' come with the course")],
)  # fmt: skip
def test_unknown_words_are_refused(data, prior, message):
    with pytest.raises((ValueError, FileNotFoundError)) as raised:
        find_source(data, prior)
    assert str(raised.value).startswith(message)


def test_the_name_tells_what_is_unusual():
    usual, source = restorer("laptop", gan_weight=1e-2), Source("faces", None, "faces64", 6)

    def name(*, gan_weight=1e-2, rrdb_blocks=usual.rrdb_blocks, **changes):
        own = restorer("laptop", gan_weight=gan_weight, rrdb_blocks=rrdb_blocks)
        return run_name(source, Experiment(**changes), own, usual)

    assert name() == "faces-8x-glean-none-seed0"
    assert name(model="panini", null_space="pd", factor=16, gan_weight=1e-3) == "faces-16x-panini-pd-beta3-seed0"
    assert name(downsampler="average", seed=2) == "faces-8x-glean-none-pooled-seed2"
    assert name(rrdb_blocks=1, downsampler="bicubic-plain") == "faces-8x-glean-none-aliased-small-seed0"
    assert name(model="pdn", degraded=True, variant="r1") == "faces-8x-pdn-none-degraded-r1-seed0"


def test_torchrun_is_given_the_same_experiment(tmp_path):
    this = Experiment(model="pdn", null_space="pd", factor=16, seed=3, degraded=True, variant="r1")
    source = Source("faces", tmp_path, "faces64", 6)
    command = torchrun(4, source, tmp_path / "run", this, "smoke", {"steps": 8, "lr": 1e-3})
    assert "--nproc-per-node=4" in command
    options = _parser().parse_args(command[command.index("ganprior_null") + 1 :])  # our own command line reads it
    assert read_options(options, Experiment) == this
    assert (options.data, options.margin, options.profile) == (tmp_path, 6, "smoke")
    assert dict(options.p) == {"steps": "8", "lr": "0.001"}


def test_several_gpus_are_used_by_torchrun(tmp_path, monkeypatch):
    """No machine with GPUs is needed: only what would be started is looked at."""
    started = []
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("ganprior_null.experiments.launch.succeeds", lambda command: bool(started.append(command)))
    with pytest.raises(RuntimeError, match="did not finish; started again, it goes on"):
        launch(Source("drawn", None, "faces64", 0), tmp_path, Experiment(), "smoke", {"global_batch": 8})
    assert started[0][:4] == torchrun(2, Source("drawn", None, "faces64", 0), tmp_path, Experiment(), "smoke", {})[:4]


def test_each_gpu_gets_four_images_or_a_multiple():
    assert [gpus_for(batch, 8) for batch in (4, 8, 24, 32, 40)] == [1, 2, 6, 8, 5]
    assert gpus_for(32, 2) == 2 and gpus_for(32, 0) == 1
    assert gpus_for(6, 2) == 1  # two processes of three images would compare other groups than one of six
