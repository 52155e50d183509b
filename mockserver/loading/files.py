"""Bytes of files, within limits, and what to call a file in messages."""

from pathlib import Path

from mockserver.errors import DocumentError

MAX_FILE_BYTES = 64 * 1024 * 1024  # the largest published document seen is 13 MB


def label(path: Path) -> str:
    """How to call a file in messages: with its folder, since many files are named openapi.yaml."""
    return f"{path.parent.name}/{path.name}" if path.parent.name else path.name or str(path)


def read_bytes(path: Path) -> bytes:
    """The bytes of a file. Raises DocumentError if it cannot be read, is too large or is empty."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)  # no more of it, whatever its size is said to be
    except OSError as error:
        raise DocumentError(f"{label(path)}: cannot be read: {error.strerror}.") from None
    if len(raw) > MAX_FILE_BYTES:
        raise DocumentError(f"{label(path)}: more than {MAX_FILE_BYTES} bytes; no more are read.")
    if not raw.strip():
        raise DocumentError(f"{label(path)}: the file is empty.")
    return raw


def write_new(name: str, text: str) -> None:
    """Write a text file. Raises DocumentError if there is one of this name already, or it cannot be written."""
    try:
        with Path(name).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise DocumentError(
            f"{name}: exists already, and is not written over. To apply an overlay, use --apply {name}."
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DocumentError(f"{name}: cannot be written: {reason}.") from None
