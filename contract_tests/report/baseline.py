"""Baselines: findings that are known and accepted, so that only new ones count; and which of them are gone."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from contract_tests.finding import Finding, Outcome, Report, Severity, Verdict
from contract_tests.report.shown import encodable
from mockserver.errors import DocumentError

FORMAT: Final = "mockserver-baseline"
VERSION: Final = 1
_MOST = 4_000  # characters of a text
_KEYS = ("code", "operation", "cause")
_TOLD = ("title", "severity")  # for readers; they are not compared


@dataclass(frozen=True, slots=True)
class Known:
    """An accepted finding. Code, operation and cause are its key; message and count may change."""

    code: str
    operation: str
    cause: str
    title: str = ""
    severity: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from others."""
        return self.code, self.operation, self.cause


@dataclass(frozen=True, slots=True)
class Changes:
    """A report against a baseline. `fixed`: judged and not found; `unseen`: not found, but not (wholly) judged."""

    new: tuple[Finding, ...]
    known: tuple[Finding, ...]
    fixed: tuple[Known, ...]
    unseen: tuple[Known, ...]

    @property
    def exit_code(self) -> int:
        """1 if a new finding is a violation or worse."""
        return int(any(finding.severity.rank <= Severity.VIOLATION.rank for finding in self.new))


Key = tuple[str, ...]


def keys_of(finding: Finding) -> tuple[Key, ...]:
    """What a finding is known by from run to run, as a baseline holds it: code, operation and cause, by operation."""
    code, cause = encodable(finding.code, _MOST), encodable(finding.cause, _MOST)
    return tuple((code, encodable(operation, _MOST), cause) for operation in finding.operations)


def is_accepted(finding: Finding, accepted: Collection[Key]) -> bool:
    """Whether a baseline knows a finding on all of its operations."""
    return all(key in accepted for key in keys_of(finding))


def write(report: Report) -> str:
    """A baseline of all that a report found, in a stable order, to be kept in a repository."""
    found = {key: (each.title, each.severity.value) for each in report.findings for key in keys_of(each)}
    rows = [
        dict(zip((*_KEYS, *_TOLD), (*key, *(encodable(text, _MOST) for text in told)), strict=True))
        for key, told in sorted(found.items())
    ]
    data = {"format": FORMAT, "version": VERSION, "findings": rows}
    return orjson.dumps(data, option=orjson.OPT_INDENT_2).decode() + "\n"


def read(text: str | bytes, name: str = "baseline") -> tuple[Known, ...]:
    """The findings of a baseline. Raises DocumentError that names the place, what was found and what was expected."""
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise DocumentError(f"{name}: no JSON ({error}); expected what `--write-baseline` writes") from None
    head = _strict(data, name, "", ("format", "version", "findings"), ("format", "version", "findings"))
    if head["format"] != FORMAT or head["version"] != VERSION:
        found = f"{head['format']!r}, version {head['version']!r}"
        raise DocumentError(f"{name}: found {found[:100]}; expected {FORMAT!r}, version {VERSION}")
    if not isinstance(head["findings"], list):
        raise DocumentError(f"{name}: /findings is {type(head['findings']).__name__}; expected a list")
    known = []
    for index, row in enumerate(head["findings"]):
        fields = _strict(row, name, f"/findings/{index}", (*_KEYS, *_TOLD), _KEYS)
        for field, value in fields.items():
            if not isinstance(value, str):
                raise DocumentError(f"{name}: /findings/{index}/{field} is {type(value).__name__}; expected a text")
        known.append(Known(**fields))
    return tuple(known)


def compare(report: Report, known: tuple[Known, ...]) -> Changes:
    """What is new, known, fixed and unseen. A known finding whose law was not judged is not fixed."""
    accepted = {each.key for each in known}
    found = {key for finding in report.findings for key in keys_of(finding)}
    gone = [each for each in known if each.key not in found]
    outcomes = {outcome.code: outcome for outcome in report.outcomes}
    is_fixed = {each.key: _is_judged(outcomes.get(each.code)) for each in gone}
    return Changes(
        tuple(finding for finding in report.findings if not is_accepted(finding, accepted)),
        tuple(finding for finding in report.findings if is_accepted(finding, accepted)),
        tuple(each for each in gone if is_fixed[each.key]),
        tuple(each for each in gone if not is_fixed[each.key]),
    )


def told_in(report: Report, changes: Changes, name: str) -> Report:
    """The report with the comparison in its `about`, where the writers find it. No finding is taken out."""
    baseline = {
        "file": name,
        "new": len(changes.new),
        "known": [list(key) for finding in changes.known for key in keys_of(finding)],
        "fixed": [_row(each) for each in changes.fixed],
        "unseen": [_row(each) for each in changes.unseen],
    }
    return replace(report, about={**report.about, "baseline": baseline})


def accepted_in(report: Report) -> set[Key]:
    """The keys of the findings that a report's baseline accepts (see `told_in`)."""
    baseline = report.about.get("baseline")
    known = baseline.get("known") if isinstance(baseline, Mapping) else None
    return {tuple(map(str, each)) for each in known if isinstance(each, list)} if isinstance(known, list) else set()


def lines_of(changes: Changes) -> list[str]:
    """The comparison in a few lines."""
    lines = [f"{len(changes.new)} new, {len(changes.known)} known, {len(changes.fixed)} fixed"]
    lines += [f"new: {each.code} {each.where}: {each.title}" for each in changes.new]
    lines += [f"fixed: {each.code} {each.operation}: {each.title}" for each in changes.fixed]
    lines += [f"not looked for again: {each.code} {each.operation}: {each.title}" for each in changes.unseen]
    return lines


def _is_judged(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.verdict is not Verdict.UNJUDGED and not outcome.reasons


def _row(known: Known) -> dict[str, str]:
    return {"code": known.code, "operation": known.operation, "cause": known.cause, "title": known.title}


def _strict(value: Any, name: str, place: str, keys: tuple[str, ...], needed: tuple[str, ...]) -> Mapping[str, Any]:
    where = place or "/"
    if not isinstance(value, dict):
        raise DocumentError(f"{name}: {where} is {type(value).__name__}; expected an object with {', '.join(keys)}")
    if unknown := [key for key in value if key not in keys]:
        raise DocumentError(f"{name}: {where} has {unknown[0]!r:.80}; expected {', '.join(keys)}")
    if missing := [key for key in needed if key not in value]:
        raise DocumentError(f"{name}: {where} has no {missing[0]!r}; expected {', '.join(needed)}")
    return value
