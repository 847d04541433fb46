"""Options that several commands share."""

from pathlib import Path

from ..profiles import NAMES


def data_folder(word: str) -> Path:
    """A folder as it was typed, or that of a category: ``faces`` below GANPRIOR_DATA."""
    from ..experiments.launch import PACKS, category_folder  # here: torch takes seconds

    return category_folder(word) if word in PACKS and not Path(word).is_dir() else Path(word)


def add_accelerator(command) -> None:
    command.add_argument("--accelerator", default="auto", help="auto (default): a GPU if there is one | cpu | cuda")


def add_overwrite(command) -> None:
    command.add_argument("--overwrite", action="store_true", help="replace files that are there")


def add_profile(command) -> None:
    command.add_argument("--profile", help=f"{' | '.join(NAMES)} (else GANPRIOR_PROFILE, else laptop)")
