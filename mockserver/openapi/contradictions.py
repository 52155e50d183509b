"""Schemas that no value can satisfy: found before a server listens, not by the first client that is refused for ever.

Only what is certain is said: bounds that cross, words that are no words of their type, required properties that are
forbidden or impossible themselves. A schema that is not named here may still be impossible.
"""

from collections.abc import Iterator
from typing import Any

from mockserver.openapi.document import Document, Node, Operation
from mockserver.openapi.schema import json_schema

_BOUNDS = [("minLength", "maxLength"), ("minItems", "maxItems"), ("minProperties", "maxProperties"),
           ("minimum", "maximum")]  # fmt: skip
_BOUND_TYPES = {"minLength": "string", "minItems": "array", "minProperties": "object", "minimum": "number"}
_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int, float), "number": (int, float), "boolean": (bool,), "array": (list,),
    "object": (dict,), "null": (type(None),)}  # fmt: skip
MAX_DEPTH = 40


def schemas_of(operation: Operation) -> Iterator[tuple[str, Any, str]]:
    """The schemas that an operation stands on: where each is, the schema, and its direction."""
    for parameter in operation.parameters:
        if parameter.required:
            yield f"the {parameter.place} parameter {parameter.name!r}", parameter.schema, "request"
    for name, media in operation.body.items():
        if media.get("schema") is not None:
            yield f"a body of {name}", media["schema"], "request"
    answer = operation.success()
    found = answer.json_media() if answer else None
    if found and "schema" in found[1]:
        yield "its answer", found[1]["schema"], "response"


def contradiction(document: Document, schema: Any, direction: str) -> str:
    """Why no value satisfies a schema, with the place; '' if nothing is known to be wrong."""
    root = json_schema(document, schema, direction)
    return _why(root, root.get("$defs", {}), {}, 0)


def _why(node: Any, defs: Node, known: dict[str, str], depth: int) -> str:
    if node is False:
        return "nothing is allowed here"
    if not isinstance(node, dict) or depth > MAX_DEPTH:
        return ""
    if node.get("not") in ({}, True):
        return "nothing is allowed here"
    types = _types_of(node)
    if (values := _values_of(node)) is not None and not any(_fits(value, types) for value in values):
        return f"its values are {str(values)[:80]}, none of which is of the type {_said(types)}" if values else (
            "its list of values is empty")  # fmt: skip
    if why := _crossed(node, types):
        return why
    if ref := node.get("$ref"):
        name = str(ref).rpartition("/")[2]
        if name not in known:
            known[name] = ""  # for one that leads back to itself
            known[name] = _why(defs.get(name), defs, known, depth + 1)
        if known[name]:
            return known[name]
    for part in _listed(node, "allOf"):
        if why := _why(part, defs, known, depth + 1):
            return why
    for key in ("anyOf", "oneOf"):
        branches = node.get(key)
        if isinstance(branches, list):
            whys = [_why(branch, defs, known, depth + 1) for branch in branches]
            if all(whys):
                return f"no branch of {key} is possible: {whys[0]}" if whys else f"{key} has no branch"
    if types is not None and types != {"object"}:
        return ""
    return _impossible_property(node, defs, known, depth) if types else ""


def _impossible_property(node: Node, defs: Node, known: dict[str, str], depth: int) -> str:
    declared = node.get("properties")
    properties: Node = declared if isinstance(declared, dict) else {}
    alone = not any(key in node for key in ("patternProperties", "allOf", "anyOf", "oneOf", "$ref"))
    for name in filter(lambda name: isinstance(name, str), _listed(node, "required")):
        if name in properties:
            if why := _why(properties[name], defs, known, depth + 1):
                return f"{name}: {why}"
        elif alone and node.get("additionalProperties") is False:
            return f"{name!r} is required, and no property but {sorted(properties)[:8]} is allowed"
    return ""


def _listed(node: Node, key: str) -> list[Any]:
    value = node.get(key)
    return value if isinstance(value, list) else []


def _types_of(node: Node) -> set[str] | None:
    """The types that a node allows; None for all."""
    declared = node.get("type")
    types = {declared} if isinstance(declared, str) else set(map(str, declared)) if isinstance(declared, list) else None
    return types or None


def _values_of(node: Node) -> list[Any] | None:
    if "const" in node:
        return [node["const"]]
    values = node.get("enum")
    return values if isinstance(values, list) else None


def _fits(value: Any, types: set[str] | None) -> bool:
    if types is None:
        return True
    if isinstance(value, bool):
        return "boolean" in types
    return any(isinstance(value, _KINDS.get(kind, (object,))) for kind in types)


def _said(types: set[str] | None) -> str:
    return " or ".join(sorted(types or {"any"}))


def _crossed(node: Node, types: set[str] | None) -> str:
    for low, high in _BOUNDS:
        least, most = _number(node.get(low)), _number(node.get(high))
        kind = _BOUND_TYPES[low]
        only = types is not None and types <= ({kind, "integer"} if kind == "number" else {kind})
        if only and least is not None and most is not None and least > most:
            return f"{low} is {least:g}, {high} is {most:g}"
    over, under = _number(node.get("exclusiveMinimum")), _number(node.get("exclusiveMaximum"))
    most, least = _number(node.get("maximum")), _number(node.get("minimum"))
    if types is not None and types <= {"number", "integer"}:
        if over is not None and any(limit is not None and over >= limit for limit in (most, under)):
            return f"it is to be more than {over:g}, and at most {most if most is not None else under:g}"
        if under is not None and least is not None and least >= under:
            return f"it is to be less than {under:g}, and at least {least:g}"
    return ""


def _number(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
