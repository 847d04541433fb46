"""Options of the command line that are fields of a dataclass: name, type, default and help stand there alone.

A field ``null_space`` is the option ``--null-space``, one that is bool a switch, one that is a tuple takes several
words. :func:`words` is the way back, for a command that starts itself anew.
"""

import argparse
import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar, get_args

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Kind = TypeVar("Kind", bound="DataclassInstance")


def option(default: Any, about: str, choices: tuple = ()) -> Any:
    """A field of a dataclass with what ``--help`` says of it, and the values it may have, if these can be listed."""
    return dataclasses.field(default=default, metadata={"about": about, "choices": choices or None})


def add_options(parser: argparse.ArgumentParser, kind: "type[DataclassInstance]", *, first: str = "") -> None:
    """Let a command take the fields of a dataclass, whose types are str, int, float, bool or a tuple[..., ...] of one.

    first: the field that is the command's own word, without dashes, and has to be given.
    """
    for this in dataclasses.fields(kind):
        about = this.metadata["about"]
        if this.name == first:
            parser.add_argument(this.name, help=about)
        elif this.type is bool:
            parser.add_argument(_dashed(this.name), action="store_true", help=about)
        else:
            elements = get_args(this.type)  # of a tuple
            parser.add_argument(
                _dashed(this.name),
                type=elements[0] if elements else this.type,
                nargs="+" if elements else None,
                choices=this.metadata["choices"],
                default=this.default,
                help=f"{about} (default {' '.join(_words(this.default))})" if this.default != "" else about,
            )


def read_options(given: argparse.Namespace, kind: type[Kind]) -> Kind:
    """The dataclass that a command was given."""
    values = {this.name: getattr(given, this.name) for this in dataclasses.fields(kind)}
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def words(values: "DataclassInstance", *, first: str = "") -> list[str]:
    """What :func:`add_options` reads as this dataclass, fields that are as by default left out."""
    said = [str(getattr(values, first))] if first else []
    for this in dataclasses.fields(values):
        value = getattr(values, this.name)
        if this.name != first and value != this.default:
            said += [_dashed(this.name)] if this.type is bool else [_dashed(this.name), *_words(value)]
    return said


def _words(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, tuple) else [str(value)]


def _dashed(name: str) -> str:
    return f"--{name.replace('_', '-')}"
