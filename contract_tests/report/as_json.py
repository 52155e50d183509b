"""The report as JSON, in a schema of its own (`schema.json`), and back.

All but ASCII is escaped, and so is what means something in HTML: the text can stand anywhere.
"""

import json
from collections.abc import Mapping
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import orjson

from contract_tests.finding import Clause, Coverage, Evidence, Finding, Outcome, Report, Severity, Verdict
from contract_tests.report.levels import levels
from contract_tests.report.shown import plain
from contract_tests.report.summary import summary
from mockserver.errors import DocumentError

FORMAT: Final = "mockserver-report"
VERSION: Final = 1  # grows when a reader of the last one could no longer read it
_MOST = 20_000  # characters of one text
_LIVE = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\x7f": "\\u007f"})


def write(report: Report) -> str:
    """The report and, for readers that do not want to work it out, its verdict, numbers and levels."""
    counted = summary(report)
    data = {
        "format": FORMAT,
        "version": VERSION,
        "about": report.about,
        "verdict": counted.verdict.value,
        "exit_code": report.exit_code,
        "numbers": {
            "laws": counted.laws,
            "conform": counted.conform,
            "in_part": counted.in_part,
            "broken": counted.broken,
            "unjudged": counted.unjudged,
            "findings": {severity.value: count for severity, count in counted.findings.items()},
        },
        "levels": [
            {
                "name": level.name,
                "claimed": level.is_claimed,
                "why": level.why,
                "codes": level.codes,
                "broken": level.broken,
                "unjudged": level.unjudged,
                "missing": level.missing,
                "not_asked": level.not_asked,
            }
            for level in levels(report)
        ],
        "coverage": {
            "operations": report.coverage.operations,
            "states": report.coverage.states,
            "shown": report.coverage.shown,
        },
        "timelines": [_timeline(timeline) for timeline in report.timelines],
    }
    whole = plain(data, _MOST)
    whole["outcomes"] = [_outcome(outcome) for outcome in report.outcomes]  # of which there may be any number
    return json.dumps(whole, indent=1, allow_nan=False).translate(_LIVE) + "\n"


def from_json(text: str | bytes, name: str = "report") -> Report:
    """A report that `write` has written. `name` stands in errors.

    Raises DocumentError that says where it is none, what was found there and what was expected.
    """
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise DocumentError(f"{name}: no JSON ({error}); expected a report of `mockserver check`") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise DocumentError(f'{name}: no report; expected an object with "format": "{FORMAT}"')
    if data.get("version") != VERSION:
        raise DocumentError(f"{name}: version {data.get('version')!r:.40} of a report; expected {VERSION}")
    fault = next(_validator().iter_errors(data), None)
    if fault is not None:
        place = "/" + "/".join(str(step) for step in fault.instance_path)
        raise DocumentError(f"{name}: {place}: {fault.message[:300]}")
    coverage = data["coverage"]
    return Report(
        data["about"],
        tuple(_read_outcome(outcome) for outcome in data["outcomes"]),
        Coverage(coverage["operations"], coverage["states"], coverage["shown"]),
        tuple(
            {**timeline, "points": tuple(tuple(point) for point in timeline["points"])}
            for timeline in data["timelines"]
        ),
    )


def schema() -> dict[str, Any]:
    """The JSON Schema of what `write` writes."""
    read: dict[str, Any] = orjson.loads((Path(__file__).parent / "schema.json").read_bytes())
    return read


@cache
def _validator() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema())


def _timeline(timeline: Mapping[str, Any]) -> dict[str, Any]:
    """A timeline with the points that are some: an instant, a state (None: a word that is not known), a progress."""
    points = [
        (each[0], None if each[1] is None else str(each[1]), each[2])
        for each in timeline.get("points", ())
        if isinstance(each, (list, tuple))
        and len(each) == 3
        and isinstance(each[0], (int, float))
        and isfinite(each[0])
    ]
    return {**timeline, "id": str(timeline.get("id", "")), "kind": str(timeline.get("kind", "")), "points": points}


# -- outcomes ---------------------------------------------------------------------------------------


def _outcome(outcome: Outcome) -> dict[str, Any]:
    data = {
        "code": outcome.code,
        "title": outcome.title,
        "verdict": outcome.verdict.value,
        "reasons": outcome.reasons,
    }
    return {**plain(data, _MOST), "findings": [plain(_finding(finding), _MOST) for finding in outcome.findings]}


def _finding(finding: Finding) -> dict[str, Any]:
    clause = finding.clause
    return {
        "code": finding.code,
        "title": finding.title,
        "severity": finding.severity.value,
        "message": finding.message,
        "operation": finding.operation,
        "also": finding.also,
        "cause": finding.cause,
        "count": finding.count,
        "clause": clause
        and {"file": clause.file, "pointer": clause.pointer, "line": clause.line or None, "quote": clause.quote},
        "evidence": [
            {"number": each.number, "at": each.at, "request": each.request, "answer": each.answer}
            for each in finding.evidence
        ],
        "repeat": finding.repeat,
    }


def _read_outcome(data: Mapping[str, Any]) -> Outcome:
    findings = tuple(_read_finding(finding) for finding in data["findings"])
    return Outcome(data["code"], data["title"], Verdict(data["verdict"]), tuple(data["reasons"]), findings)


def _read_finding(data: Mapping[str, Any]) -> Finding:
    clause = data["clause"]
    return Finding(
        data["code"],
        data["title"],
        Severity(data["severity"]),
        data["message"],
        data["operation"],
        Clause(clause["file"], clause["pointer"], clause["line"], clause["quote"]) if clause else None,
        tuple(Evidence(each["number"], each["request"], each["answer"], each["at"]) for each in data["evidence"]),
        tuple(data["repeat"]),
        data["count"],
        data["cause"],
        tuple(data.get("also", ())),  # reports of the first days have none
    )
