"""Options of the command line that are fields of a dataclass: name, type, default and help stand there alone.

A field ``null_space`` is the option ``--null-space``, one that is bool a switch. :func:`words` is the way back, for a
command that starts itself anew.
"""

import argparse
import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Kind = TypeVar("Kind", bound="DataclassInstance")


def option(default: Any, about: str) -> Any:
    """A field of a dataclass with what ``--help`` says of it."""
    return dataclasses.field(default=default, metadata={"about": about})


def add_options(parser: argparse.ArgumentParser, kind: "type[DataclassInstance]", *, first: str = "") -> None:
    """Let a command take the fields of a dataclass, whose types are str, int, float or bool.

    first: the field that is the command's own word, without dashes, and has to be given.
    """
    for this in dataclasses.fields(kind):
        about = this.metadata["about"]
        if this.name == first:
            parser.add_argument(this.name, help=about)
        elif this.type is bool:
            parser.add_argument(_dashed(this.name), action="store_true", help=about)
        else:
            usual = "" if this.default == "" else " (default %(default)s)"
            parser.add_argument(_dashed(this.name), type=this.type, default=this.default, help=about + usual)


def read_options(given: argparse.Namespace, kind: type[Kind]) -> Kind:
    """The dataclass that a command was given."""
    return kind(**{this.name: getattr(given, this.name) for this in dataclasses.fields(kind)})


def words(values: "DataclassInstance", *, first: str = "") -> list[str]:
    """What :func:`add_options` reads as this dataclass, fields that are as by default left out."""
    said = [str(getattr(values, first))] if first else []
    for this in dataclasses.fields(values):
        value = getattr(values, this.name)
        if this.name != first and value != this.default:
            said += [_dashed(this.name)] if this.type is bool else [_dashed(this.name), str(value)]
    return said


def _dashed(name: str) -> str:
    return f"--{name.replace('_', '-')}"
