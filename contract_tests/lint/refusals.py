"""How a service says no: answers that are missing, that hide under a success, or that have two shapes."""

import re
from collections.abc import Iterator

from contract_tests.finding import Deviation, Severity, Unjudged
from contract_tests.lint import rule
from contract_tests.lint.subject import Subject, shown
from mockserver.openapi.document import Operation, pointer_text
from mockserver.openapi.schema import map_in

_ZERO_IS_GOOD = re.compile(r"\b0\b.{0,30}\bsuccess|\bsuccess.{0,30}={0,3}\s*0\b|0.{0,6}成功|成功.{0,10}0", re.I | re.S)


def _errors(operation: Operation) -> list[str]:
    return [a.status for a in operation.answers if a.status[:1] in "45" or a.status == "default"]


def _has(operation: Operation, status: int) -> bool:
    answer = operation.answer_for(status)
    return answer is not None


@rule("LNT060", "No error answer is declared", Severity.WARNING)
def declared(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """A client cannot know what a refusal looks like, and a checker must call each one undocumented."""
    silent = [(p, o) for p, o in subject.operations if not _errors(o)]
    if not silent:
        return
    every = len(silent) == len(subject.operations)
    who = "No operation declares" if every else f"Of {len(subject.operations)} operations {len(silent)} declare"
    what = " an error answer." if every else f" no error answer: {shown([o.name for _, o in silent])}."
    unused = [name for name in _components(subject, "schemas") if re.search(r"error", name, re.I)]
    beside = f" The document has {shown(unused)} for it." if unused and every else ""
    yield Deviation(f"{who}{what}{beside}", pointer=f"{silent[0][0]}/responses", cause="none")


def _components(subject: Subject, kind: str) -> list[str]:
    return list(map_in(subject.root.get("components") or {}, kind))


@rule("LNT061", "An error that must come is not declared", Severity.WARNING)
def foreseen(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """401 where a key is asked for, 404 where an id is, 400 or 422 where something is sent that can be wrong."""
    lacking: dict[tuple[str, ...], list[tuple[str, Operation]]] = {}
    for pointer, operation in subject.operations:
        if not _errors(operation):
            continue  # told as a whole
        missing = []
        if operation.security and not any(_has(operation, status) for status in (401, 403)):
            missing.append("401")
        if "{" in operation.path and not any(_has(operation, status) for status in (404, 410)):
            missing.append("404")
        sends = operation.body or any(parameter.place == "query" for parameter in operation.parameters)
        if (sends or missing) and not any(_has(operation, status) for status in (400, 422)):
            missing.append("400")
        if missing:
            lacking.setdefault(tuple(missing), []).append((pointer, operation))
    for statuses, places in lacking.items():
        names = shown([operation.name for _, operation in places], 4)
        is_grave = "401" in statuses or "404" in statuses
        yield Deviation(
            f"{names}: {', '.join(statuses)} not declared.",
            places[0][1].name if len(places) == 1 else "",
            pointer=f"{places[0][0]}/responses",
            cause=",".join(statuses),
            severity=None if is_grave else Severity.NOTE,
        )


@rule("LNT062", "Errors come under the status of a success", Severity.WARNING)
def honest(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """Whatever looks at the HTTP status alone (retries, proxies, monitors, most clients) takes them for success."""
    told: set[str] = set()
    for pointer, _, of, operation, status, _ in subject.media():
        if of != "answer" or status[:1] != "2" or pointer in told:
            continue
        examples = [e for e in subject.examples if e.pointer.startswith(f"{pointer}/examples/")]
        bad = [e for e in examples if isinstance(e.value, dict) and _is_refusal(subject, e.value)]
        if bad and len(bad) < len(examples):
            told.add(pointer)
            yield Deviation(
                f"{shown([e.name for e in bad])} are errors, and stand under {status}.",
                operation.name,
                pointer=bad[0].pointer.removesuffix("/value"),
                cause="examples",
            )
            continue
        for name, place in subject.properties(f"{pointer}/schema").items():
            text = str(subject.node(place).get("description") or "")
            if subject.role("error", name) == "code" and _ZERO_IS_GOOD.search(text):
                told.add(pointer)
                yield Deviation(
                    f"`{name}` tells success from failure under {status}.",
                    operation.name,
                    pointer=f"{place}/description",
                    cause=place,
                )


def _is_refusal(subject: Subject, body: dict[str, object]) -> bool:
    """Whether a body is an envelope with a code that is an error's, and nothing in it."""
    codes = [
        v for n, v in body.items() if subject.role("error", n) == "code" and isinstance(v, int) and v not in (0, 200)
    ]
    return bool(codes) and not body.get("data")


@rule("LNT063", "Errors have two shapes", Severity.NOTE)
def one_shape(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """One reader for errors of requests, another for those of jobs, or one for each operation."""
    shapes: dict[frozenset[str], tuple[str, str]] = {}
    for _, operation in subject.operations:
        for answer in operation.answers:
            media = answer.json_media()
            if answer.status[:1] not in "45d" or media is None or "schema" not in media[1]:
                continue
            at = subject.home(f"{subject.pointers[operation.name]}/responses/{answer.status}")
            at = subject.home(at + pointer_text(("content", media[0], "schema")))
            inner = next((p for n, p in subject.properties(at).items() if n in ("error", "errors")), None)
            names = frozenset(subject.properties(inner) if inner else subject.properties(at))
            if names:
                shapes.setdefault(names, (at, f"an answer {answer.status} of {operation.name}"))
    for job in subject.jobs:
        place = next(iter(job.fields.get("error", ())), None)
        names = frozenset(subject.properties(place)) if place else frozenset()
        if place and names and shapes:
            shapes.setdefault(names, (subject.home(place), f"a job of {job.operation.name}"))
    if len(shapes) > 1:
        told = "; ".join(f"{what} has {shown(sorted(names))}" for names, (_, what) in list(shapes.items())[:3])
        yield Deviation(f"{told}.", pointer=list(shapes.values())[1][0], cause="shapes")
