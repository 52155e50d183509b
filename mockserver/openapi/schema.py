"""Schemas seen two ways: as a shape that people and code can read, and as JSON Schema 2020-12 for the validator."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from mockserver.errors import DocumentError
from mockserver.openapi.document import Document, Node

MAX_BRANCHES = 20_000  # tried on one value, about 2 ms; the largest published schema seen needs 590
MAX_FORMS = 200  # of one schema; the largest published one seen has 60
MAX_DEPTH = 24  # nested allOf or branches deeper than this are taken for a cycle
MAX_SHAPES = 200_000  # kept for one document; the largest published one seen has 30,000 schemas

_SCHEMA_MAPS = {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
_SCHEMA_LISTS = {"allOf", "anyOf", "oneOf", "prefixItems"}
_SCHEMAS = {"items", "additionalProperties", "unevaluatedProperties", "unevaluatedItems", "not", "if", "then", "else",
            "contains", "propertyNames"}  # fmt: skip
# Kept as they are; all else (example, description, discriminator, xml, x-…) says nothing to a validator.
_PLAIN = {"type", "enum", "const", "required", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
          "multipleOf", "minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems", "minProperties",
          "maxProperties", "format", "dependentRequired", "minContains", "maxContains"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shape:
    """What a value of a schema looks like, with `$ref` and `allOf` merged and a nullable wrapper taken off.

    `types` are JSON types without null. `branches` are the other forms that `oneOf`/`anyOf` allow;
    the shape itself describes the first one that is not null.
    """

    types: tuple[str, ...]
    nullable: bool
    properties: Mapping[str, Any]
    required: frozenset[str]
    items: Any
    node: Node
    branches: tuple["Shape", ...]
    name: str

    @property
    def is_object(self) -> bool:
        return "object" in self.types or bool(self.properties)

    @property
    def is_array(self) -> bool:
        return "array" in self.types or self.items is not None

    @property
    def constants(self) -> list[Any] | None:
        """The values of `enum` or `const`, without null."""
        if "const" in self.node:
            return [self.node["const"]]
        values = self.node.get("enum")
        return [v for v in values if v is not None] if isinstance(values, list) else None

    def get(self, key: str) -> Any:
        """A keyword of the merged schema, or None."""
        return self.node.get(key)

    def number(self, key: str) -> int | float | None:
        """A keyword of the merged schema that is a number, or None."""
        value = self.node.get(key)
        return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def shape_of(document: Document, schema: Any) -> Shape:
    """The shape of a schema. Raises DocumentError for references that lead nowhere or for ever.

    Each is made once for a document: the reading of a contract asks for the same ones again and again, and a few
    schemas that refer to each other twice would else take for ever.
    """
    return _shape(document, schema, 0)


def forms_of(document: Document, schema: Any) -> list[Shape]:
    """The forms that a schema allows: one for each branch of `oneOf` and `anyOf`, with what is beside them merged in.

    Branches of branches are forms too; a schema without branches has one form.
    """
    forms: list[Shape] = []
    waiting: list[tuple[Node, Any, str]] = [({}, schema, "")]
    while waiting and len(forms) + len(waiting) <= MAX_FORMS:
        beside, option, above = waiting.pop(0)
        node = _merged(document, {"allOf": [beside, option]}, 0) if beside else _merged(document, option, 0)
        name = reference_of(option).rsplit("/", 1)[-1] or above
        options = [*list_in(node, "oneOf"), *list_in(node, "anyOf")]
        rest = {key: value for key, value in node.items() if key not in ("oneOf", "anyOf")}
        if options:
            waiting.extend((rest, each, name) for each in options)
        else:
            form = _own_shape(rest, name)
            if not _is_null(form):
                forms.append(form)
    return forms


def union_of(document: Document, schema: Any) -> Shape:
    """The shape of a schema with the properties of all its forms; what they say differently is an `anyOf`."""
    shape = _shape(document, schema, 0)
    if not shape.branches:
        return shape
    key = ("union", (reference_of(schema) if len(schema) == 1 else "") or id(schema))
    known: tuple[Any, Shape] | None = document.shapes.get(key)
    if known is not None:
        return known[1]
    properties: dict[str, list[Any]] = {}
    for form in forms_of(document, schema):
        for name, sub in form.properties.items():
            told = properties.setdefault(name, [])
            if sub not in told:
                told.append(sub)
    merged = {name: subs[0] if len(subs) == 1 else {"anyOf": subs} for name, subs in properties.items()}
    union = replace(shape, properties={**shape.properties, **merged})
    document.shapes[key] = schema, union
    return union


def _shape(document: Document, schema: Any, depth: int) -> Shape:
    shapes = document.shapes
    key: str | int = id(schema)
    if type(schema) is dict and len(schema) == 1 and "$ref" in schema:
        key = reference_of(schema) or key
    kept: tuple[Any, Shape] | None = shapes.get(key)
    if kept is not None and (kept[0] is schema or type(key) is str):
        return kept[1]
    shape = _made(document, schema, depth)
    if len(shapes) >= MAX_SHAPES:
        shapes.clear()
    shapes[key] = (schema, shape)  # with the schema: what is kept has an identity of its own
    return shape


def _made(document: Document, schema: Any, depth: int) -> Shape:
    if depth > MAX_DEPTH:
        raise DocumentError(
            f"{document.origin}: a schema is nested in itself, or too deeply, through allOf, oneOf or anyOf."
        )
    name = reference_of(schema).rsplit("/", 1)[-1]
    node = _merged(document, schema, depth)
    if "oneOf" not in node and "anyOf" not in node:
        return _own_shape(node, name)
    branches = [_shape(document, option, depth + 1) for option in [*list_in(node, "oneOf"), *list_in(node, "anyOf")]]
    null_branch = any(_is_null(b) for b in branches)
    branches = [b for b in branches if not _is_null(b)]
    own = _own_shape(node, name)
    nullable = own.nullable or null_branch or any(b.nullable for b in branches)
    if not branches:
        return own
    first = branches[0]
    return Shape(
        types=own.types or first.types,
        nullable=nullable,
        properties={**first.properties, **own.properties},
        required=first.required | own.required,
        items=own.items if own.items is not None else first.items,
        node={**first.node, **{k: v for k, v in node.items() if k not in ("oneOf", "anyOf")}},
        branches=tuple(branches),
        name=name or first.name,
    )


def _own_shape(node: Node, name: str) -> Shape:
    declared = node.get("type")
    nullable = bool(node.get("nullable"))
    if isinstance(declared, str):
        types: tuple[str, ...] = (declared,) if declared != "null" else ()
        nullable = nullable or declared == "null"
    else:
        several = list_in(node, "type")
        types = tuple(str(t) for t in several if t != "null")
        nullable = nullable or "null" in several
    if "enum" in node:
        nullable = nullable or None in list_in(node, "enum")
    properties = map_in(node, "properties") if "properties" in node else {}
    required = frozenset(map(str, list_in(node, "required"))) if "required" in node else _NOTHING
    return Shape(types, nullable, properties, required, node.get("items"), node, (), name)


_NOTHING: frozenset[str] = frozenset()


def list_in(node: Node, key: str) -> list[Any]:
    """A keyword that should be a list; what it is instead, the validator will refuse with its place."""
    value = node.get(key)
    return value if isinstance(value, list) else []


def map_in(node: Node, key: str) -> Node:
    """A keyword that should be an object; the same."""
    value = node.get(key)
    return value if isinstance(value, dict) else {}


def _is_null(shape: Shape) -> bool:
    return (
        shape.get("type") == "null"
        or (shape.get("enum") == [None])
        or ("const" in shape.node and shape.get("const") is None)
    )


def reference_of(schema: Any) -> str:
    """The `$ref` of a schema, or ''."""
    ref = schema.get("$ref") if isinstance(schema, dict) else None
    return ref if isinstance(ref, str) else ""


def _merged(document: Document, schema: Any, depth: int) -> Node:
    """A schema with its `$ref` followed and its `allOf` folded in; keywords beside a `$ref` win over its target's."""
    if schema is True or schema is None:
        return {}
    if schema is False:
        return {"not": {}}
    if not isinstance(schema, dict):
        raise DocumentError(f"{document.origin}: a schema is {schema!r}, expected a map.")
    if depth > MAX_DEPTH:
        raise DocumentError(f"{document.origin}: a schema is nested in itself, or too deeply, through allOf.")
    if isinstance(ref := schema.get("$ref"), str):
        kept: Node | None = document.shapes.get(("merged", ref))
        if kept is None:
            kept = document.shapes["merged", ref] = _merged(document, document.resolve(schema), depth + 1)
        return {**kept, **{k: v for k, v in schema.items() if k != "$ref"}} if len(schema) > 1 else kept
    if "allOf" not in schema:
        return schema
    merged: Node = {}
    for part in [*list_in(schema, "allOf"), {k: v for k, v in schema.items() if k != "allOf"}]:
        node = _merged(document, part, depth + 1)
        properties = {**map_in(merged, "properties"), **map_in(node, "properties")}
        required = [*list_in(merged, "required"), *list_in(node, "required")]
        merged = {**merged, **node}
        if properties:
            merged["properties"] = properties
        if required:
            merged["required"] = required
    return merged


def json_schema(document: Document, schema: Any, direction: str) -> Node:
    """The JSON Schema 2020-12 of an OpenAPI schema, self-contained: what it refers to stands in its `$defs`.

    `direction` is `request` or `response`: read-only properties are not required of a request, write-only
    ones not of a response. `lenient request`: nor is it asked which properties stand together.
    """
    translation = _Translation(document, direction)
    root = translation.schema(schema)
    while translation.waiting:
        (ref, way), name = translation.waiting.popitem()
        translation.defs[name] = True
        translation.defs[name] = translation.schema(document.lookup(ref), way)
    weights: dict[str, int] = {}
    for each in (root, *translation.defs.values()):
        if _weight(each, translation.defs, weights) > MAX_BRANCHES:
            raise DocumentError(f"{document.origin}: a schema has more than {MAX_BRANCHES} branches inside branches.")
    if translation.defs:
        root = {"$defs": translation.defs, **root} if isinstance(root, dict) else root
    return root if isinstance(root, dict) else {} if root else {"not": {}}


def _weight(schema: Any, defs: Node, known: dict[str, int]) -> int:
    """How many schemas a validator tries on one value: those that refer to each other twice soon mean billions."""
    if not isinstance(schema, dict):
        return 1
    inner = [sub for key in ("allOf", "anyOf", "oneOf") for sub in schema.get(key, [])]
    total = 1 + sum(_weight(sub, defs, known) for sub in (*inner, *map(schema.get, ("not", "if", "then", "else"))))
    if ref := schema.get("$ref"):
        name = ref.rpartition("/")[2]
        if name not in known:
            known[name] = 1  # for one that leads back to itself
            known[name] = _weight(defs[name], defs, known)
        total += known[name]
    return total


class _Way(NamedTuple):
    """How a schema is translated where it stands: alone, or as a part of another one.

    `is_open`: what it does not name is decided by the whole that it is a part of. `hidden`: properties of the whole
    that are not asked for, wherever they are required.
    """

    is_open: bool = False
    hidden: frozenset[str] = frozenset()


_ALONE = _Way()
_PARTS = ("allOf", "anyOf", "oneOf")
_CLOSING = ("additionalProperties", "unevaluatedProperties")


class _Translation:
    """One schema on its way from OpenAPI to JSON Schema, with the references met so far."""

    def __init__(self, document: Document, direction: str) -> None:
        self.document = document
        self.is_request = direction != "response"
        self.is_lenient = direction == "lenient request"
        self.names: dict[tuple[str, _Way], str] = {}
        self.defs: dict[str, Any] = {}
        self.waiting: dict[tuple[str, _Way], str] = {}

    def schema(self, node: Any, way: _Way = _ALONE) -> Any:
        if isinstance(node, bool) or node is None:
            return True if node is None else node
        if not isinstance(node, dict):
            raise DocumentError(f"{self.document.origin}: a schema is {node!r}, expected a map.")
        if isinstance(node.get("$ref"), str):
            return self._reference(node, way)
        closes = not way.is_open and is_closed_whole(self.document, node)
        inner = way
        if any(isinstance(node.get(key), list) for key in _PARTS):
            hidden = hidden_properties(self.document, node, self.is_request) if not way.hidden else frozenset()
            inner = _Way(way.is_open or closes, way.hidden | hidden)
        out: Node = {}
        for key, value in node.items():
            if key in _CLOSING and value is False and inner.is_open:
                continue
            if key in _PLAIN:
                out[key] = value
            elif key in _SCHEMA_MAPS and isinstance(value, dict):
                out[key] = {name: self.schema(sub) for name, sub in value.items()}
            elif self.is_lenient and key in ("anyOf", "oneOf") and _only_requires(value):
                continue
            elif key in _PARTS and isinstance(value, list):
                out[key] = [self.schema(sub, inner) for sub in value]
            elif key in _SCHEMA_LISTS and isinstance(value, list):
                out[key] = [self.schema(sub) for sub in value]
            elif key in _SCHEMAS:
                out[key] = self.schema(value)
        if closes:
            out["unevaluatedProperties"] = False
        if "oneOf" in out and not excludes(node):
            branches = out.pop("oneOf")
            if "anyOf" in out:
                out["allOf"] = [*out.get("allOf", []), {"anyOf": branches}]
            else:
                out["anyOf"] = branches
        self._bounds(out)
        self._times(out)
        self._required(node, out, inner.hidden)
        return _nullable(out) if node.get("nullable") is True else out

    def _reference(self, node: Node, way: _Way) -> Node:
        ref = node["$ref"]
        if (ref, way) not in self.names:
            self.names[ref, way] = f"s{len(self.names)}"
            self.waiting[ref, way] = self.names[ref, way]
        target: Node = {"$ref": f"#/$defs/{self.names[ref, way]}"}
        if node.get("nullable") is True:
            return {"anyOf": [target, {"type": "null"}]}
        beside = {k: v for k, v in node.items() if k != "$ref"}
        if self.document.version >= (3, 1) and beside:
            return {**self.schema(beside, way), **target}
        return target

    @staticmethod
    def _bounds(out: Node) -> None:
        """OpenAPI 3.0 writes an exclusive bound as a boolean beside the bound."""
        for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
            if isinstance(out.get(exclusive), bool) and out.pop(exclusive) and bound in out:
                out[exclusive] = out.pop(bound)
        if out.get("format") in ("binary", "byte"):
            del out["format"]

    def _times(self, out: Node) -> None:
        """SDKs write times in other ways than the documents say, and the services take them."""
        if self.is_request and out.get("format") in TIMES:
            out.pop("pattern", None)

    def _required(self, node: Node, out: Node, hidden: frozenset[str]) -> None:
        if "required" not in out:
            return
        if not isinstance(out["required"], list):  # the draft-3 habit of `required: true` on a property
            del out["required"]
            return
        out["required"] = [n for i, n in enumerate(out["required"]) if n not in out["required"][:i]]  # each once
        properties = node.get("properties")
        if isinstance(properties, dict):
            hidden = hidden | {n for n, p in properties.items() if is_hidden(self.document, p, self.is_request)}
        if hidden:
            out["required"] = [name for name in out["required"] if not (isinstance(name, str) and name in hidden)]


def is_hidden(document: Document, schema: Any, in_request: bool) -> bool:
    """Whether a property is read-only in a request or write-only in a response, itself or by its reference."""
    if not isinstance(schema, dict):
        return False
    key = "readOnly" if in_request else "writeOnly"
    target = document.resolve(schema)
    return schema.get(key) is True or (isinstance(target, dict) and target.get(key) is True)


def hidden_properties(document: Document, node: Node, in_request: bool) -> frozenset[str]:
    """The hidden properties of a schema and of all its parts."""
    found = set()
    for part in parts_of(document, node):
        found |= {name for name, sub in map_in(part, "properties").items() if is_hidden(document, sub, in_request)}
    return frozenset(found)


def parts_of(document: Document, node: Node) -> Iterator[Node]:
    """A schema and all that it is put together of by `allOf`, `anyOf`, `oneOf` and `$ref`."""
    seen: set[int] = set()
    waiting: list[Any] = [node]
    while waiting:
        part = document.resolve(waiting.pop())
        if isinstance(part, dict) and id(part) not in seen:
            seen.add(id(part))
            yield part
            waiting.extend(sub for key in _PARTS for sub in list_in(part, key))


def is_closed_whole(document: Document, node: Node) -> bool:
    """Whether a schema is put together of parts one of which forbids what the others name.

    As written no value with all the parts' properties is valid: the parts are taken together instead.
    """
    groups = [list_in(node, "allOf"), *([sub] for key in ("anyOf", "oneOf") for sub in [list_in(node, key)])]
    sources: list[list[Any]] = [[part] for part in groups[0]] + [each[0] for each in groups[1:] if each[0]]
    if not sources:
        return False
    is_own = any(node.get(key) is False for key in _CLOSING)
    if "properties" in node or is_own:
        sources.append([])
    if len(sources) < 2:
        return False
    if is_own:
        return True
    subs = (part for source in sources for sub in source for part in parts_of(document, {"allOf": [sub]}))
    return any(part.get(key) is False for part in subs for key in _CLOSING)


def excludes(node: Node) -> bool:
    """Whether a `oneOf` is there to forbid properties beside each other: its branches say nothing but `required`."""
    return _only_requires(list_in(node, "oneOf"))


def _only_requires(branches: Any) -> bool:
    """Whether branches say nothing but which properties stand together."""
    plain = {"required", "not", "title", "description"}
    return isinstance(branches, list) and all(
        isinstance(branch, dict) and "required" in branch and branch.keys() <= plain for branch in branches
    )


def _nullable(out: Node) -> Node:
    if isinstance(out.get("type"), str):
        out["type"] = [out["type"], "null"]
        if isinstance(out.get("enum"), list) and None not in out["enum"]:
            out["enum"] = [*out["enum"], None]
        return out
    return {"anyOf": [out, {"type": "null"}]} if out else out


def _is_time(text: str) -> bool:
    """Whether a text is a date and time as SDKs write it: ISO 8601 with or without zone, seconds or time."""
    try:
        datetime.fromisoformat(_SIXTIETH.sub(":59", text.strip().upper()))
    except ValueError:
        return False
    return True


def _is_clock_time(text: str) -> bool:
    return _is_time(f"2000-01-01T{text.strip().upper().removeprefix('T')}")


_SIXTIETH = re.compile(r"(?<=:\d\d):60")  # a leap second
# Formats of requests that are read more kindly than RFC 3339 writes them; a date may come with a time.
TIMES: dict[str, Callable[[str], bool]] = {"date-time": _is_time, "date": _is_time, "time": _is_clock_time}


class Validator:
    """A compiled schema. Building it loads the validator library, so it is built on first use."""

    __slots__ = ("is_valid", "iter_errors")

    def __init__(self, document: Document, schema: Any, direction: str) -> None:
        import jsonschema_rs

        translated = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **json_schema(document, schema, direction),
        }
        options: dict[str, Any] = {"validate_formats": True, "offline": True}
        if direction != "response":
            options["formats"] = TIMES
        # The linear-time engine first: patterns come from documents that nobody here wrote.
        linear = {**options, "pattern_options": jsonschema_rs.RegexOptions()}
        attempts = [(translated, linear), (translated, options), (_with_portable_patterns(translated), options)]
        compiled, problem = None, ""
        for attempt, chosen in attempts:
            try:
                compiled = jsonschema_rs.validator_for(attempt, **chosen)
                break
            except (ValueError, jsonschema_rs.ValidationError) as error:
                place = "/".join(map(str, getattr(error, "instance_path", [])))
                problem = problem or f"{place}: {str(error).partition(chr(10))[0]}"
        if compiled is None and (readable := _without_unreadable(translated)) is not None:
            with suppress(ValueError, jsonschema_rs.ValidationError):
                compiled = jsonschema_rs.validator_for(_with_portable_patterns(readable), **options)
        if compiled is None:
            raise DocumentError(f"{document.origin}: a schema cannot be compiled: {problem}.")
        self.is_valid: Callable[[Any], bool] = compiled.is_valid
        self.iter_errors: Callable[[Any], Any] = compiled.iter_errors


@lru_cache(maxsize=10_000)
def is_readable(pattern: str) -> bool:
    """Whether the validator's engine reads a pattern, perhaps with its hyphens escaped."""
    import jsonschema_rs

    for each in (pattern, _with_portable_patterns({"pattern": pattern})["pattern"]):
        with suppress(ValueError, jsonschema_rs.ValidationError):
            jsonschema_rs.validator_for({"pattern": each})
            return True
    return False


def _without_unreadable(schema: Any) -> Any:
    """The schema without the patterns that no engine here reads (`\\p{XDigit}`, huge repeats); None if it has none."""
    found = False

    def cleaned(node: Any) -> Any:
        nonlocal found
        if isinstance(node, list):
            return [cleaned(item) for item in node]
        if not isinstance(node, dict):
            return node
        out = {key: cleaned(value) for key, value in node.items()}
        if isinstance(pattern := out.get("pattern"), str) and not is_readable(pattern):
            del out["pattern"]
            found = True
        return out

    made = cleaned(schema)
    return made if found else None


def _with_portable_patterns(schema: Any) -> Any:
    """The schema with hyphens after classes such as `\\w` escaped in patterns: JavaScript lets them stand."""
    if isinstance(schema, list):
        return [_with_portable_patterns(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: re.sub(r"(\\[wdsWDS])-(?=[^\]])", r"\1\\-", value)
        if key == "pattern" and isinstance(value, str)
        else _with_portable_patterns(value)
        for key, value in schema.items()
    }
