"""Naming what is wrong with a value: the validator's errors in words for the person who reads them."""

from collections.abc import Iterator, Mapping
from typing import Any

from mockserver.engine.refusal import Violation
from mockserver.openapi.schema import Shape, Validator

MAX_DESCRIBED = 2000  # values of a wrong body that are looked at to say what is wrong; each fault costs 25 µs
MAX_SHOWN = 60  # characters of a wrong value in a message


def describe(validator: Validator, value: Any, place: str, name: str) -> list[Violation]:
    """The validator's errors in our words, one a field: a wrong type makes its other errors noise."""
    found: dict[str, Violation] = {}
    excerpt = _excerpt(value, iter(range(MAX_DESCRIBED)))
    for error in validator.iter_errors(excerpt):
        for violation in _from_error(error, place, name):
            kept = found.get(violation.field)
            if kept is None or (violation.kind == "type" and kept.kind != "type"):
                expected = kept.expected if kept and kept.kind == "enum" else violation.expected
                found[violation.field] = violation._replace(expected=expected)
            elif violation.kind == "enum" and kept.kind == "type":
                found[violation.field] = kept._replace(expected=violation.expected)
    if not found and excerpt != value:
        many = f"more than {MAX_DESCRIBED} values"
        return [Violation(place, name, "size", many, "fewer, so that it can be said which is wrong")]
    return list(found.values())


def _excerpt(value: Any, room: Iterator[int]) -> Any:
    """As much of a value as there is room for: the validator lists every fault before it gives the first."""
    if isinstance(value, dict):
        return {key: _excerpt(inner, room) for (key, inner), _ in zip(value.items(), room, strict=False)}
    if isinstance(value, list):
        return [_excerpt(inner, room) for inner, _ in zip(value, room, strict=False)]
    return value


def _from_error(error: Any, place: str, name: str) -> list[Violation]:
    kind = error.kind
    field = _field_name(name, error.instance_path)
    facts = kind.as_dict()
    found = _found(error.instance)
    keyword = kind.name
    if keyword == "required":
        inner = f"{field}.{facts['property']}" if field else str(facts["property"])
        return [Violation(place, inner, "required", "nothing", "")]
    if keyword in ("additionalProperties", "unevaluatedProperties"):
        names = [f"{field}.{n}" if field else str(n) for n in facts["unexpected"]]
        return [Violation(place, n, "unknown", "an unknown field", "no such field") for n in names]
    if keyword in ("anyOf", "oneOf") and facts.get("context"):
        return _closest(error, place, name) or [Violation(place, field, keyword, found, "another form")]
    return [Violation(place, field, "type" if keyword == "type" else keyword, found, _expected(keyword, facts, error))]


def _closest(error: Any, place: str, name: str) -> list[Violation]:
    """What is wrong by the branch that comes nearest: the one whose faults lie deepest, then the fewest."""
    branches = [list(branch) for branch in error.kind.context if branch]
    depth = len(error.instance_path)
    same_type = [b for b in branches if not any(e.kind.name == "type" and len(e.instance_path) == depth for e in b)]
    if not same_type:
        types = sorted({t for b in branches for e in b if e.kind.name == "type" for t in _types(e)})
        field = _field_name(name, error.instance_path)
        return (
            [Violation(place, field, "type", _kind_of(error.instance), " or ".join(map(_article, types)))]
            if types
            else []
        )
    best = min(same_type, key=len)
    return [v for e in best for v in _from_error(e, place, name)]


def _types(error: Any) -> list[str]:
    types = error.kind.as_dict().get("types")
    return [str(t) for t in types] if isinstance(types, list) else []


def _expected(keyword: str, facts: Mapping[str, Any], error: Any) -> str:
    limit = facts.get("limit")
    match keyword:
        case "type":
            return " or ".join(map(_article, _types(error))) or "another type"
        case "enum":
            return "one of " + ", ".join(_shown(o) for o in facts.get("options", []))
        case "const":
            return _shown(facts.get("expected_value"))
        case "minimum" | "exclusiveMinimum":
            return f"{'more than' if 'exclusive' in keyword else 'at least'} {limit}"
        case "maximum" | "exclusiveMaximum":
            return f"{'less than' if 'exclusive' in keyword else 'at most'} {limit}"
        case "minLength" | "maxLength":
            return f"{'at least' if keyword[1] == 'i' else 'at most'} {limit} characters"
        case "minItems" | "maxItems":
            return f"{'at least' if keyword[1] == 'i' else 'at most'} {limit} items"
        case "minProperties" | "maxProperties":
            return f"{'at least' if keyword[1] == 'i' else 'at most'} {limit} fields"
        case "format":
            return f"text of the format {facts.get('format')}"
        case "pattern":
            return f"text that matches {facts.get('pattern')}"
        case _:
            return str(error.message)[-200:]


def _field_name(name: str, path: list[Any]) -> str:
    for token in path:
        if isinstance(token, int):
            name += f"[{token}]"
        else:
            name = f"{name}.{token}" if name else str(token)
    return name


def _found(value: Any) -> str:
    if isinstance(value, (dict, list)) or value is None:
        return _kind_of(value)
    return f"{_kind_of(value)} ({_shown(value)})" if not isinstance(value, str) else _shown(value)


def _shown(value: Any) -> str:
    text = f"'{value}'" if isinstance(value, str) else str(value)
    length = len(value) if isinstance(value, str) else len(text)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}… ({length} characters)"


def _kind_of(value: Any) -> str:
    for kind, name in ((bool, "a boolean"), (int, "an integer"), (float, "a number"), (str, "a string"),
                       (dict, "an object"), (list, "an array")):  # fmt: skip
        if isinstance(value, kind):
            return name
    return "null"


def _article(kind: str) -> str:
    return "null" if kind == "null" else f"an {kind}" if kind[0] in "aio" else f"a {kind}"


def wanted(shape: Shape) -> str:
    if shape.constants:
        return "one of " + ", ".join(map(_shown, shape.constants))
    return " or ".join(map(_article, shape.types)) or "a value"
