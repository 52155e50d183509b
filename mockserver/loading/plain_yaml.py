"""YAML as nearly all documents are written, made into values straight from the parser's events.

Several times as fast as PyYAML's own way, by nodes that are composed, resolved and constructed. What is not plain
(tags, aliases, merges, two keys alike) or broken is left to `trees.py`, which reads it strictly and says what is wrong.
"""

import re
from math import isinf
from typing import Any

import yaml

MAX_DEPTH = 200  # maps and lists inside each other; real documents need less than 40, and some code here recurses
_Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SPECIAL = frozenset("-+0123456789.tTfFnN~")  # the first characters of what may be no text
_WORDS = {"~": None, **dict.fromkeys(("null", "Null", "NULL", ""))}
_WORDS.update({**dict.fromkeys(("true", "True", "TRUE"), True), **dict.fromkeys(("false", "False", "FALSE"), False)})
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SCALAR, _MAP, _LIST = yaml.ScalarEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent
_ENDS = (yaml.MappingEndEvent, yaml.SequenceEndEvent)
_FRAME = (yaml.StreamStartEvent, yaml.DocumentStartEvent, yaml.DocumentEndEvent)
_NO_KEY = object()


class NotPlain(Exception):
    """The file holds what is not read here, or is broken."""


def read_plain_yaml(raw: bytes) -> Any:
    """The data of a file with one document. Raises NotPlain."""
    parser = None
    try:
        parser = _Parser(raw)
        return _build(parser.get_event)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, KeyError):
        raise NotPlain from None
    finally:
        if parser:
            parser.dispose()


def _build(next_event: Any) -> Any:
    texts: dict[str, str] = {}  # one object for each text: most of them are keys, and stand in a document many times
    outer: list[tuple[Any, Any]] = []  # what is open: the map or list, and the key that it stands under
    holder: Any = []
    key: Any = _NO_KEY
    is_map = False
    while True:
        event = next_event()
        kind = type(event)
        if kind is _SCALAR:
            if event.tag is not None or event.anchor is not None:
                raise NotPlain
            value = event.value
            value = texts.setdefault(value, value)
            if is_map and key is _NO_KEY:
                if value in holder or value == "<<":
                    raise NotPlain
                key = value
                holder[key] = None  # keeps its place
                continue
            if event.implicit[0] and (not value or value[0] in _SPECIAL):
                value = _resolved(value)
            if is_map:
                holder[key] = value
                key = _NO_KEY
            else:
                holder.append(value)
        elif kind is _MAP or kind is _LIST:
            if event.tag is not None or event.anchor is not None or (is_map and key is _NO_KEY):
                raise NotPlain
            if len(outer) >= MAX_DEPTH:
                raise NotPlain
            outer.append((holder, key))
            made: Any = {} if kind is _MAP else []
            if is_map:
                holder[key] = made
            else:
                holder.append(made)
            holder, key, is_map = made, _NO_KEY, kind is _MAP
        elif kind in _ENDS:
            holder, _ = outer.pop()
            key, is_map = _NO_KEY, type(holder) is dict
        elif kind is yaml.StreamEndEvent:
            break
        elif kind not in _FRAME:
            raise NotPlain
    if len(holder) > 1:
        raise NotPlain
    return holder[0] if holder else None


def _resolved(text: str) -> Any:
    """The value of a plain scalar by YAML's core schema; a number that JSON cannot hold is nothing."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        number = int(text) if len(text) < 20 else float(text)
    elif _FLOAT.fullmatch(text):
        number = float(text)
    else:
        return text
    return None if isinf(number) else number
