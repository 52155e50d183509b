"""What several schemas ask for at once: `$ref`s followed, `allOf` met in one node, the choices left open beside it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import lcm
from typing import Any

from mockserver.openapi.document import Document, Node
from mockserver.openapi.schema import list_in, reference_of

MAX_DEPTH = 24  # nested deeper, a schema is taken for one that holds itself
_MOST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains")
_LEAST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_BOTH = ("items", "contains", "propertyNames")
_APART = {"$ref", "allOf", "oneOf", "anyOf", "if", "then", "else"}


@dataclass(slots=True)
class Wanted:
    """One schema to meet: its plain keywords, and lists of which one each must be met as well."""

    node: Node = field(default_factory=dict)
    choices: list[list[Any]] = field(default_factory=list)
    references: tuple[str, ...] = ()


def wanted(document: Document, schema: Any) -> Wanted:
    """What a schema asks for. Raises DocumentError for a reference that leads nowhere."""
    found = Wanted()
    _add(document, schema, found, 0)
    return found


def choose(document: Document, found: Wanted, number: int) -> Wanted:
    """What is asked for with one option of each choice taken; another number takes others."""
    chosen = Wanted(found.node, [], found.references)
    open_choices = found.choices
    for _ in range(MAX_DEPTH):
        if not open_choices:
            return chosen
        inner = Wanted(chosen.node, [], chosen.references)
        for options in open_choices:
            number, index = divmod(number, len(options))
            _add(document, options[index], inner, 1)
        chosen, open_choices = Wanted(inner.node, [], inner.references), inner.choices
    return chosen


def _add(document: Document, schema: Any, found: Wanted, depth: int) -> None:
    if schema is False:
        found.node = {**found.node, "not": {}}
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return
    if ref := reference_of(schema):
        found.references = (*found.references, ref)
        _add(document, document.resolve({"$ref": ref}), found, depth + 1)
    for part in list_in(schema, "allOf"):
        _add(document, part, found, depth + 1)
    plain = {key: value for key, value in schema.items() if key not in _APART}
    found.node = meet(found.node, plain) if found.node else plain
    for key in ("oneOf", "anyOf"):
        options = [o for o in list_in(schema, key) if not _is_null(document, o)] or list_in(schema, key)
        if options:
            found.choices.append(list(_told_apart(document, options, schema.get("discriminator"))))
    if "if" in schema:
        first = {"allOf": [schema["if"], schema.get("then", True)]}
        found.choices.append([True, first, schema.get("else", True)])


def _told_apart(document: Document, options: list[Any], discriminator: Any) -> Iterator[Any]:
    """The options of a choice, each with the word in it by which a discriminator knows it."""
    name = discriminator.get("propertyName") if isinstance(discriminator, dict) else None
    mapping = discriminator.get("mapping") if isinstance(discriminator, dict) else None
    words = {str(ref): word for word, ref in mapping.items()} if isinstance(mapping, dict) else {}
    for option in options:
        ref = reference_of(option)
        if not isinstance(name, str) or not ref:
            yield option
            continue
        target = document.resolve(option)
        known = target.get("properties", {}).get(name, {}) if isinstance(target, dict) else {}
        says = isinstance(known, dict) and ("enum" in known or "const" in known or "$ref" in known)
        word = words.get(ref, words.get(ref.rpartition("/")[2], ref.rpartition("/")[2]))
        yield option if says else {"allOf": [option, {"properties": {name: {"example": word}}, "required": [name]}]}


def meet(first: Node, second: Node) -> Node:
    """One node that asks for what two ask for. Words such as `example` are the second's where both have them."""
    out = {**first, **second}
    for key in first.keys() & second.keys():
        one, other = first[key], second[key]
        if one == other:
            continue
        if key in _MOST and _is_number(one) and _is_number(other):
            out[key] = max(one, other)
        elif key in _LEAST and _is_number(one) and _is_number(other):
            out[key] = min(one, other)
        elif key == "multipleOf" and isinstance(one, int) and isinstance(other, int) and one and other:
            out[key] = lcm(one, other)
        elif key == "type":
            out[key] = _types(one, other)
        elif key == "enum" and isinstance(one, list) and isinstance(other, list):
            out[key] = [value for value in one if value in other]
        elif key == "required" and isinstance(one, list) and isinstance(other, list):
            out[key] = [*one, *other]
        elif key in ("properties", "patternProperties") and isinstance(one, dict) and isinstance(other, dict):
            out[key] = {**one, **other, **{n: _both(one[n], other[n]) for n in one if n in other}}
        elif key == "additionalProperties":
            out[key] = False if one is False or other is False else _both(one, other)
        elif key in _BOTH:
            out[key] = _both(one, other)
        elif key == "not":
            out[key] = {"anyOf": [one, other]}
        elif key in ("example", "default") and isinstance(one, dict) and isinstance(other, dict):
            out[key] = {**one, **other}
    return out


def _both(one: Any, other: Any) -> Any:
    if one == other or other is True:
        return one
    return other if one is True else {"allOf": [one, other]}


def _types(one: Any, other: Any) -> list[Any]:
    first, second = (value if isinstance(value, list) else [value] for value in (one, other))
    met = [t for t in first if t in second]
    if "integer" not in met and {"integer", "number"} <= {*first, *second}:
        met.append("integer")
    return met


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_null(document: Document, option: Any) -> bool:
    target = document.resolve(option)
    return isinstance(target, dict) and (
        target.get("type") in ("null", ["null"])
        or target.get("enum") == [None]
        or ("const" in target and target["const"] is None)
    )
