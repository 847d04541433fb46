"""The API reference has every public name, each with an example that is executed here, and no reference to nothing."""

import doctest
import re
import runpy
import types
from pathlib import Path

import pytest

import ganprior_null

from .test_contract import FIELDS, METHODS, SIGNATURES

BOOK = Path(__file__).resolve().parents[1] / "book"
API = runpy.run_path(str(BOOK / "api.py"))
(PRELUDE,) = re.findall(r"```python\n(.*?)```", (BOOK / "api.md").read_text("utf-8"), re.DOTALL)
PARSER = doctest.DocTestParser()


def results(text: str, name: str) -> doctest.TestResults:
    """(failed, attempted) of the examples in a docstring, after what the page says to import."""
    names: dict = {}
    exec(PRELUDE, names)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    return runner.run(PARSER.get_doctest(text, names, name, None, 0))


def test_every_public_name_has_an_entry():
    exported = {n for n, v in vars(ganprior_null).items() if n[0] != "_" and not isinstance(v, types.ModuleType)}
    promised = {*SIGNATURES, *FIELDS, *(name.split(".")[0] for name in METHODS)}
    assert exported | promised <= set(API["NAMES"])
    assert len(set(API["NAMES"])) == len(API["NAMES"])


@pytest.mark.parametrize("name", API["NAMES"])
def test_its_example_is_true(name):
    failed, attempted = results(API["found"](name).__doc__, name)
    assert attempted and not failed


def test_a_wrong_example_is_noticed(capsys):
    right = ganprior_null.as_matrix.__doc__
    assert results(right, "as_matrix") == (0, 1)
    assert results(right.replace("0.2500, 0.2500]]", "0.2500, 0.2501]]"), "as_matrix") == (1, 1)
    assert "Expected:" in capsys.readouterr().out


def test_every_reference_of_the_page_leads_to_an_entry():
    page = API["page"]()
    entries = {f"ganprior_null.{name}" for name in API["NAMES"]}
    linked = re.findall(r":py:obj:`[^<]+ <([\w.]+)>`", page) + re.findall(r"~(ganprior_null[\w.]+)", page)
    assert len(linked) > 50 and set(linked) <= entries
    assert set(re.findall(r":([\w:]+):`", page)) == {"py:obj", "mathml"}


def test_a_reference_to_nothing_is_noticed():
    def mistaken():
        """As :func:`enforce_consistensy` does."""

    with pytest.raises(ValueError, match="mistaken refers to enforce_consistensy, which is nothing"):
        API["text_of"](mistaken)


def test_formulas_are_drawn_without_a_program():
    text = API["text_of"](ganprior_null.project_box)
    assert '<math display="block"><mover' in text and ".. raw:: html" in text
    assert ":mathml:`<math><msup><mi>A</mi><mo>†</mo></msup>" in API["text_of"](ganprior_null.AveragePool)


def test_methods_and_fields_say_what_they_hold():
    entry = API["entry"]("PulseResult")
    assert "- ``lr_error``: Tensor, (N,): mean square of A x - y that the search reached" in entry
    entry = API["entry"]("StyleGAN2")
    assert ".. py:method:: mapping(z: Tensor) -> Tensor" in entry and "py:method:: _" not in entry
    assert ".. py:method:: from_prior(prior: ~ganprior_null.StyleGAN2" in API["entry"]("GLEAN")  # of a base without one


def test_the_lessons_link_names_that_have_an_entry():
    lessons = (BOOK.parent / "notebooks").glob("*.py")
    linked = {name for path in lessons for name in re.findall(r"api\.md#([\w.]+)\)", path.read_text("utf-8"))}
    assert len(linked) > 15 and linked <= set(API["NAMES"])
