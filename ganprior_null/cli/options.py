"""Options that several commands share."""


def add_overwrite(command) -> None:
    command.add_argument("--overwrite", action="store_true", help="replace files that are there")
