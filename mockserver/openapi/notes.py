"""What the schemas of a document say that is read otherwise than it is written, each with its place."""

from collections.abc import Iterator
from typing import Any

from mockserver.errors import DocumentError
from mockserver.openapi.document import Document, Node
from mockserver.openapi.schema import TIMES, excludes, is_closed_whole, is_readable, shape_of

MAX_NOTES = 500
_MAPS = ("properties", "patternProperties", "$defs", "definitions")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE = ("items", "additionalProperties", "not", "schema", "itemSchema")


def security_notes(document: Document) -> Iterator[str]:
    """The notes on security schemes that operations ask for and nobody declares."""
    schemes = (document.root.get("components") or {}).get("securitySchemes") or {}
    asked: dict[str, str] = {}
    for operation in document.operations:
        for name in (name for requirement in operation.security for name in requirement):
            if not isinstance(document.resolve(schemes.get(name)), dict):
                asked.setdefault(name, operation.name)
    meant = (
        f"{next(iter(schemes))!r}, the only one there is, is asked for" if len(schemes) == 1 else "no key is asked for"
    )
    for name, first in asked.items():
        text = f"asks for the security scheme {name!r}, which components.securitySchemes does not hold; {meant}."
        yield f"{document.origin}: {first} {text}"


def schema_notes(document: Document) -> Iterator[str]:
    """The notes on all schemas, in the order of the document."""
    count = 0
    for place, schema in _schemas(document):
        for text in _of_schema(document, schema):
            count += 1
            if count > MAX_NOTES:
                yield f"{document.origin}: there is more of this kind; {MAX_NOTES} places are listed."
                return
            yield f"{document.origin}: {place}: {text}"


def _of_schema(document: Document, node: Node) -> Iterator[str]:
    is_later = document.version >= (3, 1)
    if is_later and "nullable" in node:
        yield "`nullable` is no keyword since 3.1; it is read as in 3.0."
    if not is_later and isinstance(node.get("type"), list):
        yield "a list of types is no 3.0; it is read as in 3.1."
    for key in ("exclusiveMinimum", "exclusiveMaximum"):
        value = node.get(key)
        if not is_later and isinstance(value, (int, float)) and not isinstance(value, bool):
            yield f"a number as `{key}` is no 3.0; it is read as in 3.1."
        if is_later and isinstance(value, bool):
            yield f"a boolean as `{key}` is no {document.root['openapi']}; it is read as in 3.0."
    if isinstance(node.get("required"), bool):
        yield "`required` is a boolean, not a list of names; it is not applied."
    try:
        if is_closed_whole(document, node):
            yield "as written, what one part names another forbids: the parts are taken together, then closed."
        branches = node.get("oneOf")
        choice = branches if isinstance(branches, list) and not excludes(node) else []
        if overlap := _overlap(document, choice, node.get("discriminator")):
            yield f"branches {overlap} of `oneOf` overlap; it is read as `anyOf`."
    except DocumentError:
        return
    if isinstance(pattern := node.get("pattern"), str) and not is_readable(pattern):
        yield f"no engine here reads the pattern {pattern[:80]!r}; it is not applied."
    if node.get("format") in TIMES and "pattern" in node:
        yield f"requests may write this {node['format']} in any way of ISO 8601; its pattern is not applied to them."


def _overlap(document: Document, branches: list[Any], discriminator: Any) -> str:
    """The numbers of the first two branches that one value can satisfy, or ''."""
    if discriminator:
        return ""
    shapes = [shape_of(document, branch) for branch in branches]
    for first in range(len(shapes)):
        for second in range(first + 1, len(shapes)):
            one, other = shapes[first], shapes[second]
            kinds, others = set(one.types), set(other.types)
            numbers = {"integer", "number"}
            if kinds and others and not kinds & others and not (kinds & numbers and others & numbers):
                continue
            if one.constants and other.constants and not any(value in other.constants for value in one.constants):
                continue
            if _told_apart(document, one, other) or _told_apart(document, other, one):
                continue
            return f"{first + 1} and {second + 1}"
    return ""


def _told_apart(document: Document, one: Any, other: Any) -> bool:
    """Whether a required property of one cannot be in the other: forbidden there, or with other constants."""
    closed = other.get("additionalProperties") is False
    for name in one.required:
        if name not in other.properties:
            if closed:
                return True
            continue
        mine = shape_of(document, one.properties.get(name)).constants
        theirs = shape_of(document, other.properties[name]).constants
        if mine and theirs and name in other.required and not any(value in theirs for value in mine):
            return True
    return False


def _schemas(document: Document) -> Iterator[tuple[str, Node]]:
    """Every schema of the components and of the operations, once, with its place."""
    seen: set[int] = set()
    components = document.root.get("components")
    named = components.get("schemas") if isinstance(components, dict) else None
    waiting: list[tuple[str, Any]] = [(f"components.schemas.{n}", s) for n, s in named.items()] if isinstance(
        named, dict) else []  # fmt: skip
    for operation in document.operations:
        for parameter in operation.parameters:
            waiting.append((f"{operation.name}: parameter {parameter.name}", parameter.schema))
        waiting.extend((f"{operation.name}: body", media.get("schema")) for media in operation.body.values())
        for answer in operation.answers:
            waiting.extend((f"{operation.name}: {answer.status}", m.get("schema")) for m in answer.content.values())
    waiting.reverse()
    elsewhere: dict[str, Any] = {}  # what is referred to and stands outside these (another file's schemas)
    while waiting or elsewhere:
        if not waiting:
            waiting.append(elsewhere.popitem())
        place, node = waiting.pop()
        if not isinstance(node, dict) or id(node) in seen:
            continue
        seen.add(id(node))
        reference = node.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#/components/schemas/"):
            elsewhere[reference.removeprefix("#/")] = document.resolve(node)
        yield place, node
        inner: list[tuple[str, Any]] = []
        for key in _MAPS:
            if isinstance(node.get(key), dict):
                inner.extend((f"{place}.{name}", sub) for name, sub in node[key].items())
        for key in _LISTS:
            if isinstance(node.get(key), list):
                inner.extend((f"{place}.{key}[{number}]", sub) for number, sub in enumerate(node[key]))
        inner.extend((f"{place}.{key}", node.get(key)) for key in _SINGLE)
        waiting.extend(reversed(inner))
