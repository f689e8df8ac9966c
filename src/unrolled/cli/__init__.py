"""The command line; every command is a thin call of a library function."""

from unrolled.cli.main import main

__all__ = ["main"]
