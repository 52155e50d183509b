"""JSON bodies within limits of depth and size."""

from typing import Any

import orjson

from mockserver.engine.refusal import Refusal

MAX_JSON_DEPTH = 64  # containers inside containers; no contract seen needs more than 10
MAX_JSON_VALUES = 100_000  # no contract seen needs more than some hundred; each costs about 100 bytes
SHORT = 2 * MAX_JSON_DEPTH  # bytes; a body cannot be too deep in fewer


def parse_json(body: bytes) -> Any:
    if len(body) > SHORT and (
        body.count(b"{") + body.count(b"[") > MAX_JSON_DEPTH or body.count(b",") > MAX_JSON_VALUES
    ):
        _check_structure(body)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refusal(
            "malformed_body", f"The body is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None


_ROUND = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))


def _check_structure(body: bytes) -> None:
    """Raises Refusal for JSON of too many values or levels, in time that grows with its length alone."""
    many = Refusal("malformed_body", f"The JSON holds more than {MAX_JSON_VALUES} values.")
    text = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if text.count(b'"') > 4 * MAX_JSON_VALUES:
        raise many
    structure = b"".join(text.split(b'"')[::2])
    brackets = structure.translate(_ROUND, _NO_BRACKETS)
    if structure.count(b",") > MAX_JSON_VALUES or len(brackets) > 2 * MAX_JSON_VALUES:
        raise many
    for _ in range(MAX_JSON_DEPTH):
        brackets = brackets.replace(b"[]", b"")
    if b"[]" in brackets:  # what never closes is left to the parser, which refuses it
        raise Refusal("malformed_body", f"The JSON is nested more than {MAX_JSON_DEPTH} levels deep.")


def parse_text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal("malformed_body", "The body is not UTF-8.") from None
