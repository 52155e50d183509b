"""Fields against each other: one thing in two forms, one name for two things, and forms that are not told."""

import itertools
import re
from collections.abc import Iterator

from contract_tests.finding import Deviation, Severity, Unjudged
from contract_tests.lint import rule
from contract_tests.lint.subject import Subject, plural_of, shown
from mockserver.jobs.vocabulary import pieces, plain
from mockserver.openapi.schema import Shape

_SIZE = re.compile(r"(\d{2,5})\s*[xX×*:]\s*(\d{2,5})")
_SHAPED_ID = re.compile(
    r"(?:[A-Za-z]+[_-])?(?:[0-9a-f]{24,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9A-HJKMNP-TV-Z]{26})"
)
_EVERYWHERE = {
    "id",
    "name",
    "type",
    "object",
    "status",
    "url",
    "message",
    "code",
    "description",
    "title",
    "created_at",
    "model",
    "key",
    "value",
    "text",
    "data",
}
MAX_DEPTH = 4  # of a job's fields that are compared


def _inside(subject: Subject, pointer: str, depth: int = 0, path: str = "") -> Iterator[tuple[str, str, str, Shape]]:
    """All fields of an object: how they are called from its top, their name, their pointer and shape."""
    for name, place in subject.properties(pointer).items():
        shape = subject.shape(subject.at(place))
        if shape is None:
            continue
        yield f"{path}{name}", name, place, shape
        if depth < MAX_DEPTH and shape.is_object:
            yield from _inside(subject, place, depth + 1, f"{path}{name}.")
        elif depth < MAX_DEPTH and shape.is_array and (items := subject.field_at(place, ("*",))):
            yield from _inside(subject, items, depth + 1, f"{path}{name}[].")


def _job_fields(subject: Subject) -> Iterator[tuple[str, list[tuple[str, str, str, Shape]]]]:
    seen: set[str] = set()
    for job in subject.jobs:
        if (home := subject.home(job.pointer)) not in seen:
            seen.add(home)
            yield job.operation.name, list(_inside(subject, job.pointer))


@rule("LNT040", "One quantity has two types", Severity.WARNING)
def one_type(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """A length that is a text here and a number there: a client compares '8' with 8."""
    for operation, fields in _job_fields(subject):
        lengths = [f for f in fields if subject.role("inputs", f[1]) == "length" and f[3].types]
        for other in lengths[1:]:
            first = lengths[0]
            kinds = [{"number" if kind == "integer" else kind for kind in f[3].types} for f in (first, other)]
            if kinds[0] != kinds[1] and not kinds[0] & kinds[1]:
                yield Deviation(
                    f"`{first[0]}` ({first[3].types[0]}) and `{other[0]}` ({other[3].types[0]}) are both a "
                    "length in seconds.",
                    operation,
                    pointer=other[2],
                    cause=other[2],
                )


@rule("LNT041", "Two fields say the same", Severity.NOTE)
def one_field(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """Two sizes that differ in the examples; one field for one thing beside another for several."""
    for operation, fields in _job_fields(subject):
        sizes = [(f, m) for f in fields if (m := _SIZE.fullmatch(str(f[3].get("example") or "")))]
        for one, two in itertools.pairwise(sizes):
            if one[0][1] != two[0][1] and one[1].groups() != two[1].groups():
                yield Deviation(
                    f"`{one[0][0]}` is {one[1][0]} and `{two[0][0]}` {two[1][0]}: which is the size?",
                    operation,
                    pointer=two[0][2],
                    cause=two[0][2],
                )
    seen: set[str] = set()
    for site in subject.sites:
        names = dict(subject.properties(site.pointer).items()) if "properties" in site.node else {}
        for name, place in names.items():
            shape = subject.shape(subject.at(place))
            double = next((other for other in sorted(plural_of(name)) if other in names), "")
            if (
                double
                and shape
                and place not in seen
                and "array" in {k for form in (shape, *shape.branches) for k in form.types}
            ):
                seen.add(place)
                yield Deviation(f"`{name}` may be a list, and `{double}` stands beside it.", pointer=place, cause=place)


@rule("LNT042", "One name, two meanings", Severity.NOTE)
def one_meaning(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """A field of the job that has another meaning inside what was asked for."""
    for operation, fields in _job_fields(subject):
        top = {name: (place, shape) for path, name, place, shape in fields if "." not in path and "[" not in path}
        told: list[tuple[str, str]] = []
        for path, name, place, shape in fields:
            if (
                path.count(".") != 1
                or "[" in path
                or name not in top
                or name in _EVERYWHERE
                or not subject.vocabulary.is_elsewhere(path.partition(".")[0])
            ):
                continue
            texts = [str(s.get("description") or "") for s in (shape, top[name][1])]
            if all(texts) and texts[0] != texts[1] and not subject.role("inputs", name):
                told.append((path, place))
        if told:
            names = shown([path for path, _ in told])
            yield Deviation(
                f"{names} and the fields of the same name beside it are described as different things.",
                operation,
                pointer=told[0][1],
                cause=told[0][1],
            )


@rule("LNT043", "A URL without a format", Severity.NOTE)
def says_url(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """A field of a job that is named a URL and may be any text: `...` passes."""
    for operation, fields in _job_fields(subject):
        free = [
            f
            for f in fields
            if pieces(f[1])[-1:] in (("url",), ("uri",))
            and f[3].types == ("string",)
            and not f[3].get("format")
            and not f[3].get("pattern")
        ]
        if free:
            yield Deviation(
                f"{shown([f[0] for f in free])}: any text is valid, `format: uri` is missing.",
                operation,
                pointer=free[0][2],
                cause=free[0][2],
            )


@rule("LNT044", "The form of an id is not told", Severity.NOTE)
def says_id(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """The examples have a form, the schema has none."""
    told: set[str] = set()
    for job in subject.jobs:
        place = next(iter(job.fields.get("id", ())), "")
        node = subject.at(place) if place else None
        if not isinstance(node, dict) or place in told or node.get("pattern") or node.get("format"):
            continue
        values = [node.get("example"), *(b.get(job.view.fields["id"][0][0]) for _, _, b in subject.job_examples(job))]
        shaped = next((value for value in values if isinstance(value, str) and _SHAPED_ID.fullmatch(value)), None)
        if shaped:
            told.add(place)
            yield Deviation(
                f"Ids look like `{shaped[:60]}`; the schema takes any text.",
                job.operation.name,
                pointer=place,
                cause=place,
            )


@rule("LNT045", "Answers call what was asked for by another name", Severity.NOTE)
def echoes(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """The same name in another spelling: `video_url` is sent, `videoUrl` comes back."""
    contract = subject.contract
    for resource in contract.resources if contract else ():
        create = next((part for part in resource.operations if part.action.value == "create"), None)
        media = next(iter(create.operation.body), None) if create else None
        if create is None or media is None:
            continue
        sent = _body_names(subject, create.operation.name)
        for job in subject.jobs:
            if not any(part.operation.name == job.operation.name for part in resource.operations):
                continue
            for path, name, place, _ in _inside(subject, job.pointer):
                other = next((s for s in sent if s != name and plain(s) == plain(name)), "")
                if other and name not in sent:
                    yield Deviation(
                        f"`{other}` is sent, `{path}` comes back.", job.operation.name, pointer=place, cause=place
                    )


def _body_names(subject: Subject, name: str) -> set[str]:
    found: set[str] = set()
    for pointer, _, of, operation, *_ in subject.media():
        if of == "request" and operation.name == name:
            found |= set(subject.properties(f"{pointer}/schema"))
    return found
