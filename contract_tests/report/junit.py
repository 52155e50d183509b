"""The report as JUnit XML: a testcase a law; what could not be judged is skipped, with the reason."""

from xml.etree import ElementTree as ET

from contract_tests.finding import Finding, Outcome, Report, Verdict
from contract_tests.report.baseline import accepted_in, is_accepted
from contract_tests.report.levels import is_broken
from contract_tests.report.shown import line, shown
from contract_tests.report.summary import conditions

_MOST = 50  # findings of a law that are told at length


def write(report: Report) -> str:
    """One testsuite. A warning or a note is no failure; what a baseline accepts is skipped, not passed."""
    suite = ET.Element("testsuite", name=line(f"mockserver check {report.about.get('spec', '')}".strip(), 200))
    properties = ET.SubElement(suite, "properties")
    for name, value in conditions(report):
        ET.SubElement(properties, "property", name=line(name, 100), value=line(value, 400))
    accepted = accepted_in(report)
    for outcome in report.outcomes:
        _add_case(suite, outcome, accepted)
    for tag, name in (("failure", "failures"), ("skipped", "skipped")):
        suite.set(name, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("tests", str(len(report.outcomes)))
    suite.set("errors", "0")
    seconds = report.about.get("seconds")
    if isinstance(seconds, (int, float)):
        suite.set("time", f"{seconds:.3f}")
    suites = ET.Element("testsuites")
    suites.append(suite)
    ET.indent(suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(suites, encoding="unicode")}\n'


def _add_case(suite: ET.Element, outcome: Outcome, accepted: set[tuple[str, ...]]) -> None:
    group = outcome.code.rstrip("0123456789") or "laws"
    case = ET.SubElement(
        suite, "testcase", classname=line(f"contract.{group}", 100), name=line(f"{outcome.code} {outcome.title}", 300)
    )
    new = [finding for finding in outcome.findings if not is_accepted(finding, accepted)]
    if is_broken(outcome) and (not outcome.findings or _is_failure(new)):
        first = new[0] if new else None
        message = line(f"{first.where}: {first.message}" if first else "the law is broken", 400)
        failure = ET.SubElement(case, "failure", type=line(first.severity if first else "violation"), message=message)
        failure.text = _told(new)
    elif is_broken(outcome):
        count = len(outcome.findings)
        ET.SubElement(case, "skipped", message=f"violates; accepted by the baseline: {count} known")
    elif outcome.verdict is Verdict.UNJUDGED:
        reasons = "; ".join(outcome.reasons) or "the reason is not known"
        ET.SubElement(case, "skipped", message=line(f"could not be judged: {reasons}", 1_000))
    remarks = [_told(list(outcome.findings))] if outcome.findings and case.find("failure") is None else []
    if outcome.reasons and outcome.verdict is not Verdict.UNJUDGED:
        remarks.append("judged in part only: " + shown("; ".join(outcome.reasons)))
    if remarks:
        ET.SubElement(case, "system-out").text = "\n\n".join(remarks)


def _is_failure(findings: list[Finding]) -> bool:
    return bool(findings) and is_broken(Outcome("", "", Verdict.VIOLATES, (), tuple(findings)))


def _told(findings: list[Finding]) -> str:
    parts = []
    for finding in findings[:_MOST]:
        clause = finding.clause
        place = f"{clause.file}:{clause.line or '?'} {clause.pointer}" if clause else ""
        lines = [
            f"[{finding.severity}] {line(finding.where, 300)}: {line(finding.message)}",
            f"seen: {finding.count} times",
            *([f"contract: {line(place, 400)}"] if place else []),
            *(f"repeat: {line(command, 4_000)}" for command in finding.repeat),
        ]
        parts.append("\n".join(lines))
    if len(findings) > _MOST:
        parts.append(f"and {len(findings) - _MOST} more")
    return "\n\n".join(parts)
