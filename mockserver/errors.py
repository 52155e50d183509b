"""The error tree: what can be wrong with the user's input, by whose fault it is.

MockserverError
├── DocumentError      the OpenAPI document, overlay or data file cannot be used
│   └── NoJobError     it is a good document, but no asynchronous job was found in it
├── DeclarationError   an `x-job` declaration names something that is not there
└── StartError         the server cannot start (busy port, unknown provider)

Each message is one sentence a line: which file or field, what was found, what was expected, what to do.
"""

from typing import NamedTuple


class Problem(NamedTuple):
    """What is wrong with one operation of a document; `fatal`: it cannot be served at all."""

    text: str
    fatal: bool


class MockserverError(Exception):
    """Anything that the user can mend; the command line prints its text and exits with 2."""

    exit_code = 2


class DocumentError(MockserverError):
    """The OpenAPI document, overlay or data file cannot be used."""


class NoJobError(DocumentError):
    """A readable document in which no asynchronous job was found."""


class DeclarationError(MockserverError):
    """An `x-job` declaration or another data file holds a key or a value that is not known."""


class StartError(MockserverError):
    """The server cannot start."""

    exit_code = 1
