"""Where a published text says it: from a JSON Pointer to the file, the line and the words.

Files are parsed for their lines when the first clause of them is asked for: 3 MB take half a second, once.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
import yaml

from contract_tests.finding import Clause
from mockserver.jobs.declaration import read_declaration
from mockserver.jobs.inference import read_contract
from mockserver.jobs.resource import Contract
from mockserver.loading.files import label, read_bytes
from mockserver.loading.providers import (
    DOCUMENT_NAMES,
    find_spec,
    load_profiles,
    load_vocabulary,
)
from mockserver.loading.references import Bundle
from mockserver.loading.trees import parse_tree
from mockserver.openapi.document import Document, Node, check_outline, pointer_text, pointer_tokens
from mockserver.openapi.overlay import apply_overlay

MAX_QUOTE = 240  # characters of a quote
MAX_QUOTED_LINES = 4
MAX_HOPS = 64  # references on the way of one pointer; more are taken for a circle
NOWHERE: Final = object()
_HALF = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class _Spot:
    """One value of a file: the lines of its key and of its end (from 0), and what is in it by token."""

    line: int
    end: int = 0
    inner: dict[str, "_Spot"] | None = None


@dataclass(slots=True)
class Text:
    """One file with the place of everything in it."""

    path: Path
    raw: bytes
    _root: _Spot | None = None
    _lines: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What to call the file: from where the reader stands, else with its folder."""
        try:
            return self.path.resolve().relative_to(Path.cwd()).as_posix()
        except ValueError:
            return label(self.path)

    def clause(self, tokens: Sequence[str], pointer: str = "") -> Clause:
        """The clause of a place, or of the nearest place above it that is there. The line is None in a broken file."""
        spot = self._map()
        if spot is None:
            return Clause(self.name, pointer or pointer_text(tokens))
        for token in tokens:
            below = (spot.inner or {}).get(token)
            if below is None:
                break
            spot = below
        return Clause(self.name, pointer or pointer_text(tokens), spot.line + 1, self._quote(spot))

    def holds(self, tokens: Sequence[str]) -> bool:
        """Whether a place is there."""
        spot = self._map()
        for token in tokens:
            spot = (spot.inner or {}).get(token) if spot else None
        return spot is not None

    def _map(self) -> _Spot | None:
        if self._root is None:
            self._root = _mapped(self.raw)
            self._lines = self.raw.decode("utf-8-sig", "replace").splitlines()
        return self._root

    def _quote(self, spot: _Spot) -> str:
        lines = self._lines[spot.line : max(spot.end, spot.line + 1)][: MAX_QUOTED_LINES + 1]
        lines = [line.rstrip() for line in lines if line.strip()]
        indent = min((len(line) - len(line.lstrip()) for line in lines), default=0)
        quote = "\n".join(line[indent:] for line in lines[:MAX_QUOTED_LINES])
        is_cut = len(lines) > MAX_QUOTED_LINES or len(quote) > MAX_QUOTE
        return quote[:MAX_QUOTE] + ("…" if is_cut else "")


def _mapped(raw: bytes) -> _Spot | None:
    """All values of a YAML or JSON file by their tokens; None for a file that is no YAML."""
    parser = None
    try:
        parser = _Parser(_HALF.sub(rb"\\u0041", raw))  # a JSON escape that YAML does not know, as long as it was
        return _spots(parser.get_event)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError):
        return None
    finally:
        if parser:
            parser.dispose()


def _spots(next_event: Any) -> _Spot:
    """The spots of the first document, from the parser's events."""
    scalar, alias = yaml.ScalarEvent, yaml.AliasEvent
    starts, ends = (yaml.MappingStartEvent, yaml.SequenceStartEvent), (yaml.MappingEndEvent, yaml.SequenceEndEvent)
    top = _Spot(0, 0, {})
    holder, is_map, key = top, False, None  # what is being filled; the key's text and line where a value is awaited
    outer: list[tuple[_Spot, bool, Any]] = []
    anchors: dict[str, _Spot] = {}
    while True:
        event = next_event()
        kind = type(event)
        if kind is scalar or kind in starts or kind is alias:
            mark = event.start_mark
            if is_map and key is None:
                key = (event.value if kind is scalar else "", mark.line)
                if kind in starts:
                    raise ValueError("a key is not plain text")
                continue
            inner = holder.inner
            assert inner is not None
            name, line = key if is_map and key else (str(len(inner)), mark.line)
            if kind is alias:
                there = anchors.get(event.anchor)
                spot = _Spot(line, line + 1, there.inner if there else None)
                if name == "<<":
                    for below, one in (spot.inner or {}).items():
                        inner.setdefault(below, one)
                    key = None
                    continue
            else:
                last = event.end_mark
                spot = _Spot(line, last.line + (1 if last.column else 0), None if kind is scalar else {})
                if event.anchor:
                    anchors[event.anchor] = spot
            inner[name] = spot
            if kind in starts:
                outer.append((holder, is_map, None))
                holder, is_map = spot, kind is yaml.MappingStartEvent
            key = None
        elif kind in ends:
            holder.end = event.end_mark.line + (
                event.end_mark.column > event.start_mark.column
            )  # a bracket: flow style
            holder, is_map, key = outer.pop()
        elif kind is yaml.DocumentEndEvent or kind is yaml.StreamEndEvent:
            break
    return (top.inner or {}).get("0", top)


@dataclass(frozen=True, slots=True)
class _Applied:
    """One action of an overlay: its file, where its update stands, what that is, and the places that it changed."""

    text: Text
    place: tuple[str, ...]
    update: Any
    targets: tuple[tuple[str, ...], ...]


@dataclass(slots=True)
class Published:
    """A document as it is published: its tree, its files, and (unless it is read raw) what overlays have changed.

    `name` is the provider's. `spec` is what it was asked for by.
    """

    spec: str
    name: str
    path: Path
    document: Document
    text: Text
    bundled_files: dict[str, Text] = field(default_factory=dict)
    changes: list[_Applied] = field(default_factory=list)
    _contract: Contract | None = None

    @property
    def contract(self) -> Contract:
        """What is concluded of the document's jobs; without resources where it has none. Raises MockserverError."""
        if self._contract is None:
            declared = read_declaration(self.document.root.get("x-job"), f"{self.document.origin}: x-job")
            self._contract = read_contract(self.document, load_vocabulary(), declared, load_profiles(), needs_job=False)
        return self._contract

    def at(self, pointer: str) -> Any:
        """What stands at a pointer, through references; NOWHERE if there is nothing."""
        return walk(self.document, pointer_tokens(pointer))[1]

    def clause(self, pointer: str) -> Clause:
        """The clause of a pointer into the document; the overlay's where an overlay has put it there."""
        tokens, _ = walk(self.document, pointer_tokens(pointer))
        if len(tokens) > 1 and tokens[0] == "x-bundled" and tokens[1] in self.bundled_files:
            return self.bundled_files[tokens[1]].clause(tokens[2:], pointer)
        value = _plain_dig(self.document.root, tokens)
        for change in reversed(self.changes):
            for target in change.targets:
                if (place := _in_update(self.document.root, change.update, target, tokens)) is None:
                    continue
                is_new = not self.text.holds(self._written(tokens))
                if is_new or not isinstance(value, (dict, list)):
                    return change.text.clause((*change.place, *place), pointer)
        return self.text.clause(self._written(tokens), pointer)

    def _written(self, tokens: Sequence[str]) -> tuple[str, ...]:
        """Where a place of the tree stands in the file: Swagger 2.0 keeps some of it elsewhere."""
        tokens = tuple(tokens)
        if tokens[:2] == ("components", "schemas") and not self.text.holds(("components",)):
            return ("definitions", *tokens[2:])
        if tokens[:2] == ("components", "securitySchemes") and not self.text.holds(("components",)):
            return ("securityDefinitions", *tokens[2:])
        return tokens


def read_published(spec: str, overlays: Sequence[str] = (), *, raw: bool = False) -> Published:
    """A document of a bundled provider's name, a folder or a file. Raises MockserverError.

    `raw`: as it is published, without the overlay that lies beside it. `overlays` are applied in any case.
    """
    path, beside = find_spec(spec)
    files = [*([beside] if beside and not raw else []), *map(Path, overlays)]
    source = read_bytes(path)
    notes: list[str] = []
    tree = parse_tree(source, path, notes)
    if isinstance(tree, dict) and str(tree.get("swagger", "")).startswith("2."):
        from mockserver.loading.swagger2 import convert

        tree = convert(tree, label(path), notes)
    bundle = Bundle(path)
    root = bundle.inline(check_outline(tree, label(path)), source)
    name = path.resolve().parent.name if path.name in DOCUMENT_NAMES else path.stem
    others = {key: Text(file, read_bytes(file)) for file, key in bundle.files.items()}
    changes: list[_Applied] = []
    for file in files:
        text = Text(file, read_bytes(file))
        overlay = parse_tree(text.raw, file)
        root = check_outline(_overlaid(root, overlay, text, changes), label(path))
    document = Document(root, label(path), tuple(notes))
    return Published(spec, name, path, document, Text(path, source), others, changes)


def clause_of(published: Published | str | os.PathLike[str], pointer: str) -> Clause:
    """The clause of a JSON Pointer into a document, given as it was read or by its name, folder or file."""
    if not isinstance(published, Published):
        published = read_published(os.fspath(published))
    return published.clause(pointer)


def walk(document: Document, tokens: Sequence[str]) -> tuple[tuple[str, ...], Any]:
    """Where tokens really lead, through the references on their way, and what is there (NOWHERE: nothing).

    A reference at the very end is not followed: it may have words beside it.
    """
    left, here, node, hops = list(tokens), (), document.root, 0  # type: tuple[list[str], tuple[str, ...], Any, int]
    while left:
        if isinstance(node, dict) and left[0] in node:
            here, node = (*here, left[0]), node[left.pop(0)]
        elif isinstance(node, list) and left[0].isdigit() and int(left[0]) < len(node):
            here, node = (*here, left[0]), node[int(left.pop(0))]
        elif isinstance(node, dict) and isinstance(ref := node.get("$ref"), str) and hops < MAX_HOPS:
            hops += 1
            left, here, node = [*pointer_tokens(ref[1:]), *left], (), document.root
        else:
            return (*here, *left), NOWHERE
    return here, node


def _overlaid(root: Node, overlay: Any, text: Text, changes: list[_Applied]) -> Node:
    """The document with an overlay applied, action by action, so that it is known what each has changed."""
    actions = overlay.get("actions") if isinstance(overlay, dict) else None
    if not isinstance(actions, list) or not all(
        isinstance(a, dict) and isinstance(a.get("target"), str) for a in actions
    ):
        return apply_overlay(root, overlay, label(text.path))  # which says what is wrong with it
    import jsonpath

    apply = {key: value for key, value in overlay.items() if key != "actions"}
    if not actions:
        return apply_overlay(root, overlay, label(text.path))
    for number, action in enumerate(actions):
        try:
            found = tuple(tuple(map(str, m.parts)) for m in jsonpath.finditer(action["target"].strip(), root))
        except (jsonpath.JSONPathError, RecursionError):
            found = ()
        before = orjson.dumps(action.get("update"))
        root = apply_overlay(root, {**apply, "actions": [action]}, label(text.path))
        if "update" in action and not action.get("remove"):
            changes.append(_Applied(text, ("actions", str(number), "update"), orjson.loads(before), found))
    return root


def _in_update(root: Node, update: Any, target: tuple[str, ...], tokens: tuple[str, ...]) -> tuple[str, ...] | None:
    """Where in an update a place of the document stands, if it stands there."""
    if tokens[: len(target)] != target or len(tokens) <= len(target):
        return None
    node, there, place = update, _plain_dig(root, target), []
    for token in tokens[len(target) :]:
        if isinstance(node, dict) and isinstance(there, dict) and token in node:
            node, there = node[token], there.get(token)
        elif isinstance(there, list) and token.isdigit() and int(token) < len(there):
            added = node if isinstance(node, list) else [node]
            index = int(token) - (len(there) - len(added))  # what an update adds to a list stands at its end
            if not 0 <= index < len(added) or (added[index] != there[int(token)] and not isinstance(node, list)):
                return None
            there = there[int(token)]
            if not isinstance(node, list):
                continue
            node, token = added[index], str(index)
        else:
            return None
        place.append(token)
    return tuple(place)


def _plain_dig(node: Any, tokens: Sequence[str]) -> Any:
    for token in tokens:
        if isinstance(node, dict):
            node = node.get(token, NOWHERE)
        elif isinstance(node, list):
            node = node[int(token)] if token.isdigit() and int(token) < len(node) else NOWHERE
        else:
            return NOWHERE
    return node


def pointers_below(node: Any, tokens: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All that is inside a JSON value, with where it stands; the value itself first."""
    waiting = [(tokens, node)]
    while waiting:
        place, value = waiting.pop()
        yield place, value
        if isinstance(value, dict):
            waiting.extend(((*place, str(key)), below) for key, below in reversed(list(value.items())))
        elif isinstance(value, list):
            waiting.extend(((*place, str(i)), value[i]) for i in range(len(value) - 1, -1, -1))
