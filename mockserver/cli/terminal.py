"""What all commands share: words for the terminal, and errors without tracebacks."""

import re
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from mockserver.errors import MockserverError

HELP = {"help_option_names": ["-h", "--help"]}


_STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def say(line: str, *, err: bool = False) -> None:
    """Print words that come from files: with signs for what would steer the terminal, or has no encoding."""
    click.echo(_STEERING.sub(lambda found: ascii(found[0])[1:-1], line), err=err)


def with_clear_errors(command: Callable[..., None]) -> Callable[..., None]:
    """What the user can mend is one message and an exit code, never a traceback."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except MockserverError as error:
            say(f"mockserver: {error}", err=True)
            sys.exit(error.exit_code)

    return wrapped
