"""A training's options stand in one dataclass: the command line reads them there, and lessons agree with it."""

import argparse
import ast
import dataclasses
from pathlib import Path

import pytest

from ganprior_null.cli import _parser
from ganprior_null.options import add_options, option, read_options, words
from ganprior_null.profiles import Experiment, Searches
from ganprior_null.restorers.inversion.pulse import SPACES

ROOT = Path(__file__).resolve().parents[1]
OTHER = Experiment("pdn", "exact", 16, "lanczos3", "cats64", 3, True, "r1")  # every field other than by default


def parsed(*given: str) -> Experiment:
    return read_options(_parser().parse_args(["train", "restorer", *given, "--out", "x"]), Experiment)


def test_every_field_goes_to_words_and_back():
    assert all(getattr(OTHER, f.name) != f.default for f in dataclasses.fields(Experiment))
    assert parsed(*words(OTHER, first="model")) == OTHER
    assert words(Experiment(), first="model") == ["glean"] and parsed("glean") == Experiment()
    for field in dataclasses.fields(Experiment):  # the control: no field could be lost unnoticed
        one = dataclasses.replace(Experiment(), **{field.name: getattr(OTHER, field.name)})
        assert parsed(*words(one, first="model")) == one != Experiment()


def test_help_says_what_the_field_says(capsys):
    with pytest.raises(SystemExit):
        parsed("--help")
    shown = " ".join(capsys.readouterr().out.split())
    for field in dataclasses.fields(Experiment):
        assert " ".join(field.metadata["about"].split()) in shown.replace("- ", "-")
    assert "HR over LR (default 8)" in shown


def test_a_value_of_another_type_is_refused(capsys):
    with pytest.raises(SystemExit):
        parsed("glean", "--factor", "eight")
    assert "invalid int value: 'eight'" in capsys.readouterr().err


@pytest.mark.parametrize("lesson", ["07_glean_panini", "08_pdn"])
def test_lessons_begin_with_the_same_values(lesson):
    """papermill wants literals in the cell; those that are options of a training are the dataclass's own."""
    source = (ROOT / "notebooks" / f"{lesson}.py").read_text("utf-8")
    cell = source.partition('tags=["parameters"')[2].partition("\n")[2].partition("# %%")[0]
    given = {line.target.id: ast.literal_eval(line.value) for line in ast.parse(cell).body}
    own = "prior"  # empty in a lesson: that of its data
    shared = {f.name: f.default for f in dataclasses.fields(Experiment) if f.name in given and f.name != own}
    assert len(shared) >= 4
    assert {name: given[name] for name in shared} == shared


def test_a_new_field_is_a_new_option():
    @dataclasses.dataclass
    class More:
        word: str = option("a", "the word")
        times: int = option(2, "how often")
        loud: bool = option(False, "in capitals")
        sizes: tuple[int, ...] = option((4, 8), "how large")

    parser = argparse.ArgumentParser()
    add_options(parser, More)
    other = More("b c", 5, True, (16, 32))
    said = ["--word", "b c", "--times", "5", "--loud", "--sizes", "16", "32"]
    assert read_options(parser.parse_args(said), More) == other and words(other) == said
    assert read_options(parser.parse_args([]), More) == More()


def test_searches_of_pulse_are_options_of_their_command(capsys):
    def searched(*given: str) -> Searches:
        return read_options(_parser().parse_args(["evaluate", "pulse", "--prior", "p", "--out", "o", *given]), Searches)

    other = Searches(2, (4, 16), 1, 5, 2, 1e-3, "100*L2", "w+", 0.1)
    assert all(getattr(other, field.name) != field.default for field in dataclasses.fields(Searches))
    assert searched(*words(other)) == other and searched() == Searches()
    with pytest.raises(SystemExit):
        searched("--space", "cube")
    assert "invalid choice: 'cube' (choose from 'sphere', 'free', 'w+')" in capsys.readouterr().err
    spaces = next(field.metadata["choices"] for field in dataclasses.fields(Searches) if field.name == "space")
    assert spaces == SPACES  # profiles stands below the restorers: it cannot import them
