"""Tables: one line a row, numbers to the right, and no table where nothing is."""

import pytest

from ganprior_null.widgets import table, tables


@pytest.fixture
def shown(monkeypatch) -> list[str]:
    texts = []
    monkeypatch.setattr(tables, "display", lambda markdown: texts.append(markdown.data))
    return texts


def test_numbers_end_at_the_right_and_words_begin_at_the_left(shown):
    table(["", "PSNR", "gain", "who"], [["a", 20.5, "+0.10", "GLEAN"], ["b", "–", "*-0.20*", ""]], "in dB")
    assert shown == [
        "|  | PSNR | gain | who |\n| --- | --: | --: | --- |\n"
        "| a | 20.5 | +0.10 | GLEAN |\n| b | – | *-0.20* |  |\n\n*in dB*"
    ]


def test_no_rows_are_said_to_be_missing_and_a_short_row_is_refused(shown):
    table(["a"], [])
    assert shown == ["*Nothing of this kind is stored yet.*"]
    with pytest.raises(ValueError, match="a row of 1 cells under 2 heads"):
        table(["a", "b"], [["1"]])
