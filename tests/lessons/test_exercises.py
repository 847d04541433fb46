"""check_answer tells the reader where they stand and never stops the lesson."""

import pytest

from ganprior_null.widgets import check_answer


def double_law(f):
    if f(2) != 4:  # raised by hand: pytest would add its own lines to an assert's message
        raise AssertionError("f(2) should be 4")


def unsolved(x):
    raise NotImplementedError


def half_written(x):
    return undefined_name  # noqa: F821


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda x: 2 * x, "Correct.\n"),
        (lambda x: x, "Not yet: f(2) should be 4\n"),
        (unsolved, "Exercise not solved yet.\n"),
        (half_written, "Not yet: NameError: name 'undefined_name' is not defined\n"),
    ],
)
def test_verdict(answer, said, capsys):
    check_answer(answer, double_law)
    assert capsys.readouterr().out == said


def test_an_interrupt_is_not_swallowed():
    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_answer(interrupted, double_law)
