"""The report as SARIF 2.1.0, pointing at the lines of the contract (docs.oasis-open.org/sarif/sarif/v2.1.0)."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, Final
from urllib.parse import quote

from contract_tests.finding import Clause, Finding, Report, Severity, Verdict
from contract_tests.report.baseline import accepted_in, is_accepted, keys_of
from contract_tests.report.shown import line, shown
from mockserver import __version__

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MOST: Final = 5_000  # results; GitHub shows as many of a run
_LEVELS = {Severity.WARNING: "warning", Severity.NOTE: "note"}
_BRACED_NUMBER = re.compile(r"\{(\d+)\}")  # a placeholder of SARIF's messages
_LINK = re.compile(r"\](?=\()")  # `[text](target)` is a link in them
_LIVE = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def write(report: Report) -> str:
    """One run: a rule a law, a result a finding (the worst 5,000), a notification for each law that was not judged."""
    findings, accepted = report.findings, accepted_in(report)
    rules = {o.code: {"id": line(o.code, 100), "shortDescription": {"text": _plain(o.title)}} for o in report.outcomes}
    places = {code: index for index, code in enumerate(rules)}
    has_baseline = "baseline" in report.about
    results = [_result(each, places, accepted if has_baseline else None, report) for each in findings[:MOST]]
    run = {
        "tool": {"driver": {"name": "mockserver check", "version": __version__, "rules": list(rules.values())}},
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": list(_notes(report))}],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    data = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(data, indent=1).translate(_LIVE) + "\n"


def _result(
    finding: Finding, places: dict[str, int], accepted: set[tuple[str, ...]] | None, report: Report
) -> dict[str, Any]:
    operation = f"{finding.where}: " if finding.where else ""
    result: dict[str, Any] = {
        "ruleId": line(finding.code, 100),
        "level": _LEVELS.get(finding.severity, "error"),
        "message": {"text": _plain(f"{operation}{finding.message}")},
        "occurrenceCount": max(1, finding.count),
        "partialFingerprints": {"codeOperationCause/v1": _fingerprint(finding)},
        "properties": {
            "severity": finding.severity.value,
            "repeat": [shown(command, 4_000) for command in finding.repeat],
        },
    }
    if finding.code in places:
        result["ruleIndex"] = places[finding.code]
    if locations := list(_locations(finding, report)):
        result["locations"] = locations
    if accepted is not None:
        is_known = is_accepted(finding, accepted)
        result["baselineState"] = "unchanged" if is_known else "new"
        if is_known:
            result["suppressions"] = [{"kind": "external", "justification": "accepted by the baseline"}]
    return result


def _locations(finding: Finding, report: Report) -> Iterator[dict[str, Any]]:
    """Where the contract says it; without a clause the contract as a whole, where that is a file."""
    location: dict[str, Any] = {}
    clause = finding.clause or _whole(report)
    if clause and clause.file:
        location["physicalLocation"] = _physical(clause)
    names = [("function", line(each, 300)) for each in finding.operations if each]
    if finding.clause and finding.clause.pointer:
        names.append(("member", line(finding.clause.pointer, 1_000)))
    if names:
        location["logicalLocations"] = [{"kind": kind, "fullyQualifiedName": name} for kind, name in names]
    if location:
        yield location


def _whole(report: Report) -> Clause | None:
    spec = str(report.about.get("spec") or "")
    return Clause(spec, "") if spec.endswith((".yaml", ".yml", ".json")) else None


def _physical(clause: Clause) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(clause.file)}}
    if clause.line is not None and clause.line >= 1:
        snippet = {"snippet": {"text": shown(clause.quote)}} if clause.quote else {}
        physical["region"] = {"startLine": clause.line, **snippet}
    return physical


def _uri(file: str) -> str:
    """A file as a URI reference: relative as it is, absolute with `file:`."""
    name = line(file, 1_000)
    if PureWindowsPath(name).drive:
        return "file:///" + quote(PureWindowsPath(name).as_posix(), safe="/:")
    path = PurePosixPath(name).as_posix()
    return f"file://{quote(path)}" if path.startswith("/") else quote(path)


def _notes(report: Report) -> Iterator[dict[str, Any]]:
    for outcome in report.outcomes:
        if outcome.verdict is Verdict.UNJUDGED or outcome.reasons:
            part = "could not be judged" if outcome.verdict is Verdict.UNJUDGED else "was judged in part only"
            reasons = "; ".join(outcome.reasons) or "the reason is not known"
            text = _plain(f"{outcome.code} {part}: {reasons}")
            yield {"level": "note", "message": {"text": text}, "associatedRule": {"id": line(outcome.code, 100)}}
    if (left := len(report.findings) - MOST) > 0:
        yield {"level": "warning", "message": {"text": f"{left} more findings are not listed: {MOST} are the most."}}


def _plain(text: str) -> str:
    """A message in which nothing is a link or a placeholder."""
    return _LINK.sub("] ", _BRACED_NUMBER.sub(r"{{\1}}", shown(text, 1_000))) or "-"


def _fingerprint(finding: Finding) -> str:
    return hashlib.sha256("\0".join(keys_of(finding)[0]).encode()).hexdigest()[:32]
