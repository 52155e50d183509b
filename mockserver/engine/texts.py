"""Texts and forms put into the JSON types that a schema wants, and files kept apart from texts."""

import re
from typing import Any

from mockserver.engine.json_text import parse_json
from mockserver.engine.refusal import Refusal, Violation
from mockserver.engine.violations import wanted
from mockserver.form import FormPart, UploadedFile
from mockserver.openapi.document import Document
from mockserver.openapi.schema import Shape, shape_of

_INTEGER = re.compile(r"-?[0-9]{1,300}")  # any integer that a float can hold too
_NUMBER = re.compile(r"-?[0-9]{1,300}(\.[0-9]{1,300})?([eE][+-]?[0-9]{1,3})?")
_INDEX = re.compile(r"[0-9]{1,9}")
_KEY = re.compile(r"\[([^\[\]]*)\]")
_FILE = "(file)"  # stands in for an uploaded file while a form is checked against its schema


def nest(parts: tuple[FormPart, ...]) -> dict[str, Any]:
    """Form fields as a tree: `a[b]` is b in a, `a[]` and repeated names are lists, `a[0]` the first of a list."""
    tree: dict[str, Any] = {}
    for name, value in parts:
        head, bracket, _ = name.partition("[")
        keys = _KEY.findall(name) if bracket else []
        if bracket and (not head or len(keys) > 8 or head + "".join(f"[{k}]" for k in keys) != name):
            head, keys = name, []
        _put(tree, [head, *keys], value)
    return {key: _lists(value) for key, value in tree.items()}


def _put(tree: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        inner = tree.get(key)
        if not isinstance(inner, dict):
            inner = tree[key] = {}
        tree = inner
    tree.setdefault(keys[-1], [])
    if isinstance(tree[keys[-1]], list):
        tree[keys[-1]].append(value)


def _lists(node: Any) -> Any:
    if isinstance(node, list):
        return node
    values = {key: _lists(value) for key, value in node.items()}
    if set(values) == {""}:
        return values[""]
    if values and all(map(_INDEX.fullmatch, values)):
        return [_lone(values[key]) for key in sorted(values, key=int)]
    return values


def _lone(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def coerce(document: Document, shape: Shape, value: Any) -> Any:
    """Text put into the JSON types that a schema wants; what cannot be is left for the validator to name."""
    if isinstance(value, list):
        if shape.is_array:
            items = shape_of(document, shape.items or {})
            return [coerce(document, items, v) for v in value]
        return coerce(document, shape, value[0]) if len(value) == 1 else value
    options = (shape, *shape.branches)
    if isinstance(value, dict):
        known = _properties(options)
        return {k: coerce(document, shape_of(document, known[k]) if k in known else _ANY, v) for k, v in value.items()}
    if isinstance(value, str):
        if shape.is_array and "string" not in shape.types:
            items = shape_of(document, shape.items or {})  # whose own items are no matter: a list can hold itself
            return [_from_text((items, *items.branches), value)]
        return _from_text(options, value)
    return [value] if shape.is_array and "string" not in shape.types else value


def _properties(options: tuple[Shape, ...]) -> dict[str, Any]:
    """The properties that a value of one of these forms may have; the schema's own win over a branch's."""
    return {name: sub for option in reversed(options) for name, sub in option.properties.items()}


_ANY = Shape((), False, {}, frozenset(), None, {}, (), "")


def _from_text(options: tuple[Shape, ...], text: str) -> Any:
    types = {t for option in options for t in option.types}
    takes_text = "string" in types and not all(_is_file(o) for o in options if "string" in o.types)
    if not types or (takes_text and not _suits_better(options, text)):
        return text
    if "integer" in types and _INTEGER.fullmatch(text):
        return int(text)
    if "number" in types and _NUMBER.fullmatch(text):
        return float(text) if not _INTEGER.fullmatch(text) else int(text)
    if "boolean" in types and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if ("object" in types or any(o.is_object for o in options)) and text.lstrip()[:1] == "{":
        try:
            return parse_json(text.encode())
        except Refusal:
            return text
    return text


def _suits_better(options: tuple[Shape, ...], text: str) -> bool:
    """Whether text that may stay text is meant as another type: no string branch lists it as one of its words."""
    words = [o.constants for o in options if "string" in o.types]
    return len(options) > 1 and all(w is not None and text not in w for w in words)


def _is_file(shape: Shape) -> bool:
    return shape.get("format") in ("binary", "byte") or bool(shape.get("contentMediaType"))


def misplaced_files(document: Document, shape: Shape, value: Any, field: str) -> list[Violation]:
    """Text where a file is wanted, and files where none is."""
    options = (shape, *shape.branches)
    if isinstance(value, UploadedFile):
        takes = any(_is_file(o) or not o.types for o in options)
        return [] if takes else [Violation("body", field, "type", "a file", wanted(shape))]
    if isinstance(value, str):
        strings = [o for o in options if "string" in o.types]
        only_files = bool(strings) and all(_is_file(o) for o in strings)
        return [Violation("body", field, "type", "a string", "a file")] if only_files else []
    found: list[Violation] = []
    if isinstance(value, dict):
        properties = _properties(options)
        for key, sub in value.items():
            inner = shape_of(document, properties[key]) if key in properties else _ANY
            found += misplaced_files(document, inner, sub, f"{field}.{key}" if field else key)
    elif isinstance(value, list) and shape.is_array:
        items = shape_of(document, shape.items or {})
        for index, sub in enumerate(value):
            found += misplaced_files(document, items, sub, f"{field}[{index}]")
    return found


def without_files(value: Any) -> Any:
    """A form's value with a plain word in place of every uploaded file."""
    if isinstance(value, UploadedFile):
        return _FILE
    if isinstance(value, dict):
        return {k: without_files(v) for k, v in value.items()}
    return [without_files(v) for v in value] if isinstance(value, list) else value
