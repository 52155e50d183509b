"""Media files as far as a check needs them: of which kind bytes are, whether they are whole, how long and how large."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta"}
_MAX_BOXES = 10_000


@dataclass(frozen=True, slots=True)
class Medium:
    """What bytes turned out to be. `kind` is a media type; `problem` says why the file cannot be played, '' if it can.

    `seconds`, `width` and `height` are None where the file does not tell, or nobody here reads it.
    """

    kind: str
    problem: str = ""
    seconds: float | None = None
    width: int | None = None
    height: int | None = None


# Kinds whose files all begin in a way that is read here: what begins otherwise is none of them.
KNOWN = frozenset({"video/mp4", "video/quicktime", "video/webm", "image/png", "image/jpeg", "image/webp", "image/gif",
                   "audio/wav", "audio/x-wav", "audio/ogg", "audio/flac"})  # fmt: skip


def read_medium(body: bytes) -> Medium | None:
    """What the bytes are; None for a kind that is not known here."""
    if not body:
        return Medium("", "the file is empty")
    if body[4:8] in (b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"sidx"):
        return _mp4(body)
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        width, height = struct.unpack(">II", body[16:24]) if len(body) >= 24 else (None, None)
        return Medium("image/png", "" if b"IEND" in body[-16:] else "the picture ends early", None, width, height)
    if body.startswith(b"\xff\xd8\xff"):
        width, height = _jpeg_size(body)
        return Medium("image/jpeg", "" if b"\xff\xd9" in body[-64:] else "the picture ends early", None, width, height)
    if body[:4] == b"RIFF" and body[8:12] in (b"WEBP", b"WAVE"):
        missing = struct.unpack("<I", body[4:8])[0] + 8 - len(body)
        problem = f"{missing} bytes are missing" if missing > 0 else ""
        if body[8:12] == b"WEBP":
            return Medium("image/webp", problem)
        return Medium("audio/wav", problem, _wav_seconds(body))
    if body[:6] in (b"GIF87a", b"GIF89a"):
        return Medium("image/gif")
    if body[:4] == b"\x1a\x45\xdf\xa3":
        return Medium("video/webm")
    if body[:4] == b"OggS":
        return Medium("audio/ogg")
    if body[:4] == b"fLaC":
        return Medium("audio/flac")
    if body[:3] == b"ID3" or (body[0] == 0xFF and len(body) > 1 and body[1] & 0xE0 == 0xE0):
        return Medium("audio/mpeg")
    start = body[:200].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        return Medium("text/html", "these bytes are a page of markup")
    if start.startswith((b"{", b"[")):
        return Medium("application/json", "these bytes are JSON")
    return None


def _mp4(body: bytes) -> Medium:
    """Duration from mvhd, size from the first tkhd that has one; whole if the boxes fill the file."""
    seconds = width = height = None
    names = set()
    problem = ""
    for name, data, missing in _boxes(memoryview(body)):
        names.add(name)
        if missing:
            problem = problem or f"the file ends in the middle of its `{name.decode('latin-1')}` box"
        if name == b"mvhd" and len(data) >= 32:
            scale, length = struct.unpack(">II", data[12:20]) if data[0] == 0 else struct.unpack(">IQ", data[20:32])
            seconds = length / scale if scale else None
        if name == b"tkhd" and len(data) >= 84 and not width:
            width, height = (value >> 16 for value in struct.unpack(">II", data[-8:]))
    if not problem and not {b"moov", b"mdat"} <= names and b"moof" not in names:
        problem = "the file has no film in it (moov and mdat are not both there)"
    return Medium("video/mp4", problem, seconds, width or None, height or None)


def _boxes(data: memoryview, level: int = 0) -> Iterator[tuple[bytes, memoryview, int]]:
    """Each box with what it holds and how many bytes of it are missing; what containers hold follows them."""
    at = count = 0
    while at + 8 <= len(data) and count < _MAX_BOXES:
        count += 1
        size, name, head = struct.unpack(">I", data[at : at + 4])[0], bytes(data[at + 4 : at + 8]), 8
        if size == 1 and at + 16 <= len(data):
            size, head = struct.unpack(">Q", data[at + 8 : at + 16])[0], 16
        if size == 0:
            size = len(data) - at
        if size < head:
            yield name, data[at:], 1
            return
        inner = data[at + head : at + size]
        yield name, inner, max(at + size - len(data), 0)
        if name in _CONTAINERS and level < 6:
            yield from _boxes(inner, level + 1)
        at += size


def _jpeg_size(body: bytes) -> tuple[int | None, int | None]:
    at = 2
    while at + 9 < len(body) and body[at] == 0xFF:
        marker, length = body[at + 1], struct.unpack(">H", body[at + 2 : at + 4])[0]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", body[at + 5 : at + 9])
            return width, height
        at += 2 + length
    return None, None


def _wav_seconds(body: bytes) -> float | None:
    at, rate = 12, 0
    while at + 8 <= len(body):
        name, size = body[at : at + 4], struct.unpack("<I", body[at + 4 : at + 8])[0]
        if name == b"fmt " and at + 20 <= len(body):
            rate = struct.unpack("<I", body[at + 16 : at + 20])[0]
        if name == b"data":
            return size / rate if rate else None
        at += 8 + size + size % 2
    return None
