"""What descriptions say against what schemas say: values, defaults, bounds, types, and what prose alone knows of."""

import re
from collections.abc import Iterator

from contract_tests.finding import Deviation, Severity, Unjudged
from contract_tests.lint import rule
from contract_tests.lint.subject import Field, Subject, shown
from contract_tests.lint.wording import (
    MAX_TEXT,
    exactly_one_of,
    same_value,
    told_bounds,
    told_default,
    told_type,
    told_values,
)
from mockserver.openapi.document import pointer_text
from mockserver.openapi.schema import list_in, map_in

_EXTREMES = {2**53 - 1, 2**53, 2**63 - 1, 2**63, 2**64 - 1}
_DOTTED = re.compile(r"`([a-z_]\w*(?:\.[A-Za-z_]\w*)+)`")
_QUERY = re.compile(r"[`'\"(\s]\?([A-Za-z_]\w*)=|[`'\"]&([A-Za-z_]\w*)=")
_ROUTE = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE)\s+`?(/[\w{}/.:\-]+)")


def _is_closed(subject: Subject, each: Field) -> bool:
    """Whether a field's values are a closed set by its nature: a status, or an order."""
    is_order = each.place == "query" and subject.role("paging", each.name) == "order"
    return is_order or subject.role("roles", each.name) == "status"


@rule("LNT030", "Values that only prose tells", Severity.WARNING)
def told_by_schema(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """A list of all values belongs into an enum: a client made from the schema sends anything, and is refused."""
    statuses = {place for job in subject.jobs for place in job.fields.get("status", ())}
    for each in subject.fields:
        if (
            not each.text
            or each.constants
            or each.pointer in statuses
            or not each.types & {"string", "integer", "number"}
        ):
            continue
        told = told_values(each.text, _is_closed(subject, each))
        if told and _is_of_others(subject, each, told.values):
            continue
        if told and len(told.values) > 1 and not any(form.get("pattern") for form in each.forms):
            yield Deviation(
                f"`{each.name}`: {shown(told.values)} stand in the description; the schema has no enum.",
                each.operation,
                pointer=each.text_pointer,
            )


def _is_of_others(subject: Subject, each: Field, values: tuple[str, ...]) -> bool:
    """Whether prose lists fields beside this one (`one of url or file_id must be given`)."""
    beside = set(subject.properties(each.holder)) if each.holder else set()
    return each.name in values or set(values) <= beside


@rule("LNT031", "Prose and enum list different values", Severity.VIOLATION)
def same_values(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """A value that prose promises and the schema refuses, or the reverse."""
    for each in subject.fields:
        constants = list(map(str, each.constants))
        told = told_values(each.text) if constants and each.text else None
        if told is None:
            continue
        known = [word for word in told.values if word in constants]
        lacking = [word for word in told.values if word not in constants]
        beyond = [w for w in constants if w not in told.values and not subject.means_nothing(w)]
        if not known or (not lacking and (not beyond or not told.is_whole)):
            continue  # a list of something else; or all is told
        parts = [f"the description lists {shown(lacking)}, which the schema does not"] if lacking else []
        parts += [f"the schema has {shown(beyond)}, which the description does not"] if beyond and told.is_whole else []
        parts += ["any other text is valid, too"] if each.is_open else []
        severity = Severity.NOTE if not lacking else Severity.WARNING if each.is_open else None
        yield Deviation(
            f"`{each.name}`: {'; '.join(parts)}.", each.operation, pointer=each.text_pointer, severity=severity
        )


@rule("LNT032", "Prose and schema give different defaults", Severity.VIOLATION)
def same_default(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """Who leaves the field out gets one or the other."""
    for each in subject.fields:
        default = each.says("default")
        told = told_default(each.text, list(map(str, each.constants))) if each.text else None
        if told is None or default is None or isinstance(default, (dict, list)) or same_value(told, default):
            continue
        yield Deviation(
            f"`{each.name}`: the description says that {told} is the default, the schema {default}.",
            each.operation,
            pointer=each.text_pointer,
        )


@rule("LNT033", "A default that only prose tells", Severity.WARNING)
def default_by_schema(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """A mock, a generated client and a reader of the schema do not know what leaving the field out means."""
    for each in subject.fields:
        if not each.asked or not each.text or each.name == "default" or each.says("default") is not None:
            continue
        told = told_default(each.text, list(map(str, each.constants)))
        if told is not None:
            yield Deviation(
                f"`{each.name}`: the description says that {told} is the default; the schema has none.",
                each.operation,
                pointer=each.text_pointer,
            )


@rule("LNT034", "A default that its own schema refuses", Severity.VIOLATION)
def default_is_valid(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """Who leaves the field out sends, in effect, what would be refused."""
    for site in subject.sites:
        if site.node.get("default") is None:
            continue
        validator = subject.validator(site.node, site.pointer, "lenient request")
        if validator is not None and not validator.is_valid(site.node["default"]):
            yield Deviation(
                f"The default {site.node['default']!r} is not valid by the schema that it stands in.",
                pointer=f"{site.pointer}/default",
            )


@rule("LNT035", "Bounds that the schema does not have, or has otherwise", Severity.WARNING)
def same_bounds(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """A range in prose; and a progress without one."""
    progress = {place for job in subject.jobs for place in job.fields.get("progress", ())}
    for each in subject.fields:
        if not each.is_number or each.constants:
            continue
        low, high = _bound(each, "minimum", "exclusiveMinimum"), _bound(each, "maximum", "exclusiveMaximum")
        least, most = told_bounds(each.text)
        wrong = [f"from {least:g}"] if least is not None and (low is None or low > least or _is_artefact(low)) else []
        wrong += [f"to {most:g}"] if most is not None and (high is None or high < most or _is_artefact(high)) else []
        if wrong:
            has = "none" if low is high is None else f"{_shown_bound(low)} to {_shown_bound(high)}"
            severity = None if each.asked or each.pointer in progress else Severity.NOTE
            cause = f"{each.name} {wrong}" if severity else ""
            yield Deviation(
                f"`{each.name}`: the description says {' '.join(wrong)}; the schema has {has}.",
                each.operation,
                pointer=each.text_pointer,
                severity=severity,
                cause=cause,
            )
        elif each.pointer in progress and (low is None or high is None):
            yield Deviation(
                f"`{each.name}` is a progress, and the schema gives it no {'minimum' if low is None else ''}"
                f"{' and no ' if low is None and high is None else ''}{'maximum' if high is None else ''}.",
                each.operation,
                pointer=each.pointer,
                severity=Severity.NOTE,
            )


def _bound(each: Field, *keys: str) -> float | None:
    numbers = [number for form in each.forms for key in keys if (number := form.number(key)) is not None]
    return numbers[0] if numbers else None


def _is_artefact(number: float) -> bool:
    return abs(number) in _EXTREMES


def _shown_bound(number: float | None) -> str:
    return "no bound" if number is None else f"{number:.0f}" if number == int(number) else f"{number:g}"


@rule("LNT036", "A bound that is the limit of a number's type", Severity.NOTE)
def real_bounds(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """2^53 − 1 and its like are written by generators, and say nothing of the service."""
    for each in subject.fields:
        found = [
            (key, number)
            for key in ("minimum", "maximum")
            if (number := each.node.get(key)) is not None
            and isinstance(number, (int, float))
            and abs(number) in _EXTREMES
        ]
        if found:
            told = " and ".join(f"{key} {number:.0f}" for key, number in found)
            yield Deviation(
                f"`{each.name}`: {told} is the limit of a type, not of the service.",
                each.operation,
                pointer=f"{each.at}/{found[0][0]}",
            )


@rule("LNT037", "Prose names what the document does not have", Severity.WARNING)
def named_is_there(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """A field inside another (`result.url`), a query parameter (`?duration=6`), a path with other names in it."""
    routes = {_plain(o.path): o.path for _, o in subject.operations}
    for pointer, operation in subject.operations:
        texts = [(key, operation.raw.get(key)) for key in ("description", "summary")]
        queries = {parameter.name for parameter in operation.parameters}
        for key, text in texts:
            if not isinstance(text, str):
                continue
            at, text = f"{pointer}/{key}", text[:MAX_TEXT]
            dotted_names = dict.fromkeys(_DOTTED.findall(text))
            names = _names_below(subject, operation.name) if dotted_names else set()
            for dotted in dotted_names:
                first, *rest = dotted.split(".")
                if names and first not in names and rest[-1] in names and dotted not in _dotted_values(subject):
                    yield Deviation(
                        f"Prose speaks of `{dotted}`; no schema of the operation has `{first}`.",
                        operation.name,
                        pointer=at,
                        cause=dotted,
                    )
            for found in _QUERY.finditer(text):
                name = found[1] or found[2]
                if name not in queries and operation.method == "GET":
                    yield Deviation(
                        f"Prose speaks of `?{name}=`; the operation has no such parameter.",
                        operation.name,
                        pointer=at,
                        cause=f"?{name}",
                    )
            for method, path in _ROUTE.findall(text):
                known = routes.get(_plain(path := path.rstrip(".,:)")))
                if known is not None and "{" in path and known != path and method:
                    yield Deviation(
                        f"Prose calls the path `{path}`, the document `{known}`.",
                        operation.name,
                        pointer=at,
                        cause=path,
                        severity=Severity.NOTE,
                    )


def _dotted_values(subject: Subject) -> set[str]:
    """The values of enums that have a dot in them (`response.created`): they are no paths."""
    return {
        str(v)
        for site in subject.sites
        for v in (*list_in(site.node, "enum"), site.node.get("const"))
        if isinstance(v, str) and "." in v
    }


def _plain(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path).rstrip("/")


def _names_below(subject: Subject, name: str) -> set[str]:
    """The names of all properties in what an operation is sent and answers."""
    starts = (f"{pointer}/schema" for pointer, _, _, operation, *_ in subject.media() if operation.name == name)
    found: set[str] = set()
    for pointer in subject.reached(starts):
        node = subject.at(pointer)
        found |= set(map(str, map_in(node, "properties"))) if isinstance(node, dict) else set()
    return found


@rule("LNT038", "Exactly one of several fields, says prose alone", Severity.WARNING)
def exactly_one(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """Both or none of them pass the schema."""
    told: set[str] = set()
    for each in subject.fields:
        sentence = exactly_one_of(each.text)
        if not sentence:
            continue
        named = re.findall(r"`([\w.]+)`", sentence)
        if "exclusive with" in sentence.lower():
            named = [*named, each.name]
        places = [each.pointer, *(p for key in ("oneOf", "anyOf") for p in _below(each, key)), each.holder]
        for place in places:
            home = subject.home(place) if place else ""
            node = subject.at(home) if home else None
            inner = [name for name in named if isinstance(node, dict) and name in map_in(node, "properties")]
            if len(inner) < 2 or not isinstance(node, dict) or home in told:
                continue
            if any(key in node for key in ("oneOf", "maxProperties", "not", "dependentSchemas", "if")):
                continue
            told.add(home)
            yield Deviation(
                f"The description asks for exactly one of {shown(inner)}; the schema takes both or none.",
                each.operation,
                pointer=each.text_pointer,
                cause=home,
            )


def _below(each: Field, key: str) -> list[str]:
    return [f"{each.pointer}/{key}/{index}" for index in range(len(list_in(each.node, key)))]


@rule("LNT039", "Prose and schema give different types", Severity.WARNING)
def same_type(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """A type that prose names and the schema refuses; a field called one thing that may be many."""
    for each in subject.fields:
        kind = told_type(each.text)
        fits = {kind, "number"} if kind == "integer" else {kind, "integer"} if kind == "number" else {kind}
        if kind and each.types and not each.types & fits:
            yield Deviation(
                f"`{each.name}`: the description says {kind}, the schema {'/'.join(sorted(each.types))}.",
                each.operation,
                pointer=each.text_pointer,
            )
        elif {"string", "array"} <= each.types and re.match(r"(?:the |an? )?(?:[\w-]+ ){0,3}url\b", each.text, re.I):
            at = f"{each.pointer}{pointer_text(('anyOf',))}" if "anyOf" in each.node else each.pointer
            yield Deviation(
                f"`{each.name}`: one URL in the description, one or several in the schema.",
                each.operation,
                pointer=at,
                severity=Severity.NOTE,
            )
