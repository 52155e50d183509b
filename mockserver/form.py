"""Forms taken apart piece by piece as their bytes arrive, so that a large upload is never held in memory."""

from typing import NamedTuple
from urllib.parse import unquote_plus

SNIFFED_BYTES = 32  # enough for the signatures of the image and video types that are told apart
MAX_PARTS = 128
MAX_URLENCODED = 4 << 20  # characters of a whole form; decoding `%41` costs 100 times its copying
MAX_TEXT_BYTES = 1 << 20  # one text field; a prompt of 32,000 characters needs at most 128 KB


class FormError(Exception):
    """The form is broken or beyond a limit; the text says where."""


class UploadedFile(NamedTuple):
    """A file of a form: what was said of it, its size in bytes and its first bytes; its content is not kept."""

    filename: str
    content_type: str
    size: int
    head: bytes


class FormPart(NamedTuple):
    """One field of a form: text, or a file."""

    name: str
    value: str | UploadedFile


class MultipartReader:
    """Reads multipart/form-data from chunks; `feed` each chunk, then `finish`."""

    def __init__(self, content_type: str) -> None:
        from multipart import MultipartError, PushMultipartParser, parse_options_header

        self._error = MultipartError
        boundary = parse_options_header(content_type)[1].get("boundary", "")
        if not boundary:
            raise FormError("Content-Type says multipart/form-data but names no boundary.")
        try:
            self._parser = PushMultipartParser(boundary, max_segment_count=MAX_PARTS)
        except MultipartError as error:
            raise FormError(f"The multipart boundary cannot be used: {error}.") from None
        self._parts: list[FormPart] = []
        self._text = bytearray()
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        """Take in the next bytes. Raises FormError."""
        if self._parser.closed or not chunk:
            return
        try:
            for event in self._parser.parse(chunk):
                if event is None:
                    self._close_part()
                elif isinstance(event, (bytes, bytearray)):
                    self._extend_part(event)
                else:
                    self._segment = event
                    self._is_file = event.filename is not None
        except self._error as error:
            raise FormError(f"The multipart body is broken: {error.args[0]}.") from None

    def finish(self) -> tuple[FormPart, ...]:
        """All parts, in order. Raises FormError if the body ended early."""
        try:
            self._parser.close()
        except self._error as error:
            raise FormError(f"The multipart body is broken: {error.args[0]}.") from None
        return tuple(self._parts)

    def _extend_part(self, piece: bytes | bytearray) -> None:
        self._size += len(piece)
        if self._is_file:
            if len(self._text) < SNIFFED_BYTES:
                self._text += piece[:SNIFFED_BYTES]
        elif self._size > MAX_TEXT_BYTES:
            raise FormError(f"The text field {self._segment.name!r} is longer than {MAX_TEXT_BYTES} bytes.")
        else:
            self._text += piece

    def _close_part(self) -> None:
        segment = self._segment
        value: str | UploadedFile
        if self._is_file:
            head = bytes(self._text[:SNIFFED_BYTES])
            value = UploadedFile(segment.filename or "", segment.content_type or "", self._size, head)
        else:
            try:
                value = self._text.decode("utf-8")
            except UnicodeDecodeError:
                raise FormError(f"The text field {segment.name!r} is not UTF-8.") from None
        self._parts.append(FormPart(segment.name, value))
        self._text = bytearray()
        self._size = 0


def read_multipart(content_type: str, body: bytes) -> tuple[FormPart, ...]:
    """A whole multipart body at once. Raises FormError."""
    reader = MultipartReader(content_type)
    reader.feed(body)
    return reader.finish()


def read_urlencoded(text: str) -> tuple[FormPart, ...]:
    """The fields of an urlencoded form or a query string, in order. Raises FormError."""
    if len(text) > MAX_URLENCODED:
        raise FormError(f"The form is longer than {MAX_URLENCODED} characters; send files as multipart/form-data.")
    pieces = [piece for piece in text.split("&") if piece]
    if len(pieces) > MAX_PARTS:
        raise FormError(f"{len(pieces)} fields were sent; at most {MAX_PARTS} are read.")
    parts = []
    for piece in pieces:
        name, _, value = piece.partition("=")
        parts.append(FormPart(unquote_plus(name), unquote_plus(value)))
    return tuple(parts)
