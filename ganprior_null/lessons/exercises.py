"""Exercises that check themselves, and a course that runs from top to bottom while they are unsolved."""

from collections.abc import Callable


def check_answer(answer: Callable, law: Callable[[Callable], None]) -> None:
    """Run ``law(answer)`` and print whether the reader's function keeps it; never raises.

    The law asserts what a right answer does. The solution cell calls the same law directly, so that a wrong solution
    fails the course's tests.
    """
    try:
        law(answer)
    except NotImplementedError:
        print("Exercise not solved yet.")
    except AssertionError as error:
        print(f"Not yet: {error}")
    except Exception as error:  # a half-written answer may fail anywhere; the lesson goes on
        print(f"Not yet: {type(error).__name__}: {error}")
    else:
        print("Correct.")
