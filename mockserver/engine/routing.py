"""Which operation a path and method mean: a tree of path segments, built in one pass over the operations."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from mockserver.openapi.document import Operation

MAX_REST = 2048  # characters that a value with slashes and what follows it may have
_PARAMETER = re.compile(r"\{([^}]+)\}")


Wish = tuple[tuple[str, str], ...]  # names and values that a path writes behind a `?`


class Route(NamedTuple):
    """An operation, by its place in the document, with the names of its path parameters in order.

    `by_query` are the operations of the same path that are chosen by what it writes behind a `?`.
    """

    operation: Operation
    names: tuple[str, ...]
    by_query: tuple[tuple[Wish, Operation], ...] = ()

    def chosen(self, query: Iterable[tuple[str, str]]) -> "Route":
        """The route for a request with this query."""
        given = set(query)
        fitting = [(len(wish), operation) for wish, operation in self.by_query if given >= set(wish)]
        return self._replace(operation=max(fitting, key=lambda each: each[0])[1]) if fitting else self


@dataclass(slots=True)
class _Segment:
    """One place in the tree: literal ways on, a way on by any text, ways on by a pattern, and what ends here."""

    literals: dict[str, "_Segment"] = field(default_factory=dict)
    any: "_Segment | None" = None
    patterns: list[tuple[re.Pattern[str], "_Segment"]] = field(default_factory=list)
    routes: dict[str, Route] = field(default_factory=dict)
    rests: list[tuple[re.Pattern[str], "_Segment"]] = field(default_factory=list)


class Router:
    """Finds the routes of a path. Literal segments win over parameters, as OpenAPI asks; what may hold slashes is last.

    Paths answer with and without `base_path`, the path of the document's server.
    """

    def __init__(self, operations: Iterable[Operation], base_path: str, named: Mapping[str, str] | None = None) -> None:
        """`named` are parameters whose value may be a whole resource name, by the path that they end."""
        self._root = _Segment()
        self._base = base_path
        known = list(operations)
        wide: dict[str, dict[str, str]] = {}  # what one operation says of a path's parameter holds for the others
        for operation in known:
            for p in operation.parameters:
                if p.segments and "{" + p.name + "}" in operation.path:
                    wide.setdefault(operation.written or operation.path, {})[p.name] = p.segments
        for path, name in (named or {}).items():
            wide.setdefault(path, {name: "**"})
        for operation in known:
            self._add(operation, wide.get(operation.written or operation.path, {}))

    def _add(self, operation: Operation, wide: dict[str, str]) -> None:
        place = self._root
        if wide:
            self._add_wide(operation, wide)
            return
        path, _, fragment = operation.path.partition("#")
        path, _, query = path.partition("?")
        for segment in path.rstrip("/").split("/")[1:] or [""]:
            if "{" not in segment:
                place = place.literals.setdefault(segment, _Segment())
            elif _PARAMETER.fullmatch(segment):
                place.any = place.any or _Segment()
                place = place.any
            else:
                place = _pattern_way(place, segment)
        names = tuple(_PARAMETER.findall(path))
        known = place.routes.get(operation.method)
        if query or fragment:  # a fragment is never sent: some header or parameter says the same
            told = [("#", fragment.rpartition("=")[2])] if fragment else []
            wish = (*parse_qsl(query, keep_blank_values=True), *told)
            known = known or Route(operation, names)
            place.routes[operation.method] = known._replace(by_query=(*known.by_query, (wish, operation)))
        else:
            place.routes[operation.method] = Route(operation, names, known.by_query if known else ())

    def _add_wide(self, operation: Operation, wide: dict[str, str]) -> None:
        """An operation with a parameter whose value holds slashes: a pattern for all after the plain segments."""
        place = self._root
        segments = operation.path.rstrip("/").split("/")[1:]
        while segments and "{" not in segments[0]:
            place = place.literals.setdefault(segments.pop(0), _Segment())
        pieces = _PARAMETER.split("/".join(segments))
        text = "".join(re.escape(p) if i % 2 == 0 else f"({_wide(wide.get(p, '*'))})" for i, p in enumerate(pieces))
        pattern = re.compile(text)
        way = next((way for known, way in place.rests if known.pattern == pattern.pattern), None)
        if way is None:
            way = _Segment()
            place.rests.append((pattern, way))
            # The most literal text first: `{name}:cancel` before `{name}`, `operations/*` before `**`.
            place.rests.sort(
                key=lambda each: (-len(each[0].pattern.replace(_ANY, "").replace(_ONE, "")), each[0].pattern)
            )
        way.routes[operation.method] = Route(operation, tuple(_PARAMETER.findall(operation.path)))

    def find(self, path: str, method: str = "") -> tuple[dict[str, Route], list[str]] | None:
        """The routes of a percent-encoded path by method, with the decoded values of its parameters, or None.

        Of several ways that a path fits, one that has the method is taken, if there is one.
        """
        base = self._base
        inside = base and path.startswith(base) and path[len(base) : len(base) + 1] in ("/", "")
        for wanted in dict.fromkeys((method, "")):
            found = (self._walk(path[len(base) :], wanted) if inside else None) or self._walk(path, wanted)
            if found:
                return found
        return None

    def _walk(self, path: str, method: str) -> tuple[dict[str, Route], list[str]] | None:
        if len(path) > 1 and path.endswith("/"):
            path = path[:-1]  # a trailing slash means the same, here and in the document
        values: list[str] = []
        place = _descend(self._root, path.split("/"), 1, values, method)
        return (place.routes, values) if place else None


_ONE, _ANY = "[^/]+", ".+"


def _wide(segments: str) -> str:
    """The pattern of a value such as `operations/*`: `*` is one segment, `**` any number of them."""
    pieces = re.split(r"(\*\*|\*)", segments)
    return "".join({"*": _ONE, "**": _ANY}.get(piece, re.escape(piece)) for piece in pieces)


def _pattern_way(place: _Segment, segment: str) -> _Segment:
    """A way on by a segment that mixes text and parameters, such as `{id}:cancel`."""
    pieces = _PARAMETER.split(segment)
    pattern = re.compile("".join(re.escape(p) if i % 2 == 0 else "([^/]+?)" for i, p in enumerate(pieces)))
    for known, way in place.patterns:
        if known.pattern == pattern.pattern:
            return way
    way = _Segment()
    place.patterns.append((pattern, way))
    return way


def _descend(place: _Segment, segments: list[str], index: int, values: list[str], method: str) -> _Segment | None:
    if index == len(segments):
        return place if (method in place.routes if method else place.routes) else None
    segment = segments[index]
    if "%" in segment:
        segment = unquote(segment)
    kept = len(values)
    if (way := place.literals.get(segment)) and (found := _descend(way, segments, index + 1, values, method)):
        return found
    for pattern, way in place.patterns:
        if match := pattern.fullmatch(segment):
            values.extend(match.groups())
            if found := _descend(way, segments, index + 1, values, method):
                return found
            del values[kept:]
    if place.any and segment:
        values.append(segment)
        if found := _descend(place.any, segments, index + 1, values, method):
            return found
        del values[kept:]
    return _rest(place, segments[index:], values, method) if place.rests else None


def _rest(place: _Segment, segments: list[str], values: list[str], method: str) -> _Segment | None:
    """What begins with a value that may hold slashes."""
    rest = "/".join(map(unquote, segments))
    for pattern, way in place.rests:
        fits = not method or method in way.routes
        if fits and len(rest) <= MAX_REST and (match := pattern.fullmatch(rest)):
            values.extend(match.groups())
            return way
    return None
