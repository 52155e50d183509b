"""The report as Markdown for a CI job's summary: the worst first, under a megabyte, nothing live in it."""

import re
from collections.abc import Iterable, Iterator
from html import escape
from typing import Final

from contract_tests.finding import Finding, Report, Verdict
from contract_tests.report import coverage as seen
from contract_tests.report.baseline import accepted_in, is_accepted
from contract_tests.report.levels import Level, claims
from contract_tests.report.shown import line, shown
from contract_tests.report.summary import conditions, summary, word_of

MOST: Final = 900_000  # bytes; GitHub refuses a summary of more than 1,048,576
_MOST_ROWS = 1_000  # findings that are listed
_MOST_DETAILS = 50  # findings whose evidence is told
_MARKS = {Verdict.CONFORMS: "✅", Verdict.VIOLATES: "❌", Verdict.UNJUDGED: "❔"}
# Whatever opens a code span, emphasis, a link, a picture, a table cell, a tag, a mention, an issue, an address, maths.
# Written as entities, which make no structure.
_LIVE = re.compile(r"[&<>|`*_~\[\]\\@#$]|:(?=//|\w+:)|(?<=[Ww]{3})\.")


def write(report: Report) -> str:
    """The report, of at most so many bytes; what did not fit is counted at the end."""
    pieces, size, left = list[str](), 0, 0
    for piece in (*_head(report), *_findings(report), *_tail(report)):
        length = len(piece.encode())
        if left or size + length > MOST:
            left += 1
        else:
            pieces.append(piece)
            size += length
    if left:
        pieces.append(f"\n\n{left} more lines did not fit; the JSON report has them all.\n")
    return "".join(pieces)


def words(text: object, most: int = 500) -> str:
    """A text as words of one line, in which nothing is Markdown or HTML."""
    return _LIVE.sub(lambda found: f"&#{ord(found[0])};", line(text, most))


def _head(report: Report) -> Iterator[str]:
    counted = summary(report)
    yield f"## {_MARKS[counted.verdict]} {counted.sentence}\n\n"
    told = [f"{count} × {severity}" for severity, count in counted.findings.items() if count]
    yield f"Findings: {', '.join(told) or 'none'}.\n\n"
    if isinstance(baseline := report.about.get("baseline"), dict):
        counts = [f"{len(baseline.get(name) or [])} {name}" for name in ("known", "fixed")]
        unseen = f"{len(baseline.get('unseen') or [])} not looked for again"
        yield f"Against the baseline {words(baseline.get('file', ''))}: {baseline.get('new', 0)} new, "
        yield f"{', '.join(counts)}, {unseen}.\n\n"
    if claimed := claims(report):
        yield from _table(("level", "claim", "why"), _levels(claimed))


def _levels(found: list[Level]) -> Iterator[tuple[str, ...]]:
    for level in found:
        yield level.name, f"{_MARKS[level.verdict]} {'yes' if level.is_claimed else 'no'}", words(level.why)


def _findings(report: Report) -> Iterator[str]:
    findings, accepted = report.findings, accepted_in(report)
    if not findings:
        return
    yield "### Findings\n\n"
    rows = (_row(finding, is_accepted(finding, accepted)) for finding in findings[:_MOST_ROWS])
    yield from _table(("code", "severity", "operation", "what", "contract", "seen"), rows)
    if len(findings) > _MOST_ROWS:
        yield f"{len(findings) - _MOST_ROWS} more findings are in the JSON report.\n\n"
    for finding in findings[:_MOST_DETAILS]:
        yield _details(finding)


def _row(finding: Finding, is_known: bool) -> tuple[str, ...]:
    clause = finding.clause
    where = f"{clause.file}:{clause.line}" if clause and clause.line else clause.file if clause else ""
    known = " (known)" if is_known else ""
    return (
        words(finding.code, 40),
        finding.severity.value + known,
        words(finding.where, 300),
        words(finding.message),
        words(where, 200),
        str(finding.count),
    )


def _details(finding: Finding) -> str:
    """The evidence, folded. Inside `<pre>` nothing is Markdown, and what is HTML is escaped."""
    parts = [finding.message, *finding.repeat]
    for each in finding.evidence[:2]:
        parts += [f"exchange {each.number} {each.at}", each.request, each.answer]
    text = escape("\n\n".join(shown(part) for part in parts), quote=False)
    return (
        f"<details><summary>{words(finding.code, 40)} {words(finding.where, 300)}</summary>\n\n"
        f"<pre>{text}</pre>\n\n</details>\n\n"
    )


def _tail(report: Report) -> Iterator[str]:
    open_laws = [o for o in report.outcomes if o.verdict is Verdict.UNJUDGED or o.reasons]
    if open_laws:
        yield "### Could not be judged, or in part only\n\n"
        rows = (
            (words(o.code, 40), words(o.title, 200), word_of(o), words("; ".join(o.reasons) or "not known"))
            for o in open_laws
        )
        yield from _table(("code", "law", "answer", "why"), rows)
    if report.coverage.operations:
        yield f"### Seen\n\n{seen.told(report.coverage)}.\n\n"
        yield from _table(("operation", "declared statuses", "states that its answers showed"), _seen(report))
    yield "### Conditions\n\n"
    yield from _table(("", ""), ((words(name, 60), words(value, 300)) for name, value in conditions(report)))


def _seen(report: Report) -> Iterator[tuple[str, ...]]:
    for row in seen.rows(report.coverage):
        statuses = [f"{words(name, 40)} × {count}" if count else f"{words(name, 40)} not seen"
                    for name, count in row.statuses.items()]  # fmt: skip
        states = [f"{words(name, 40)} × {count}" for name, count in row.states.items()]
        yield words(row.operation, 200), ", ".join(statuses[:40]), ", ".join(states[:40])


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |\n|{' --- |' * len(head)}\n"
    for row in rows:
        yield f"| {' | '.join(row)} |\n"
    yield "\n"
