"""The report for a terminal, with rich; every colour stands beside a word that says the same."""

import os
import re
from io import StringIO

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from contract_tests.finding import Finding, Outcome, Report, Severity, Verdict
from contract_tests.report import coverage as seen
from contract_tests.report.baseline import accepted_in, is_accepted
from contract_tests.report.levels import claims, is_broken
from contract_tests.report.shown import line, shown
from contract_tests.report.summary import conditions, is_partly_judged, phases, summary

_STYLES = {
    Severity.SILENT: "bold red",
    Severity.BREAKS: "red",
    Severity.VIOLATION: "magenta",
    Severity.WARNING: "yellow",
    Severity.NOTE: "cyan",
}
_VERDICTS = {Verdict.CONFORMS: "green", Verdict.VIOLATES: "bold red", Verdict.UNJUDGED: "yellow"}
_COLONS = re.compile(r"^((?:\x1b\[[\d;]*m|\s)*)::")
_HASHES = re.compile(r"##(?=\w*\[)")
_MOST = 200  # findings that are told
_MOST_LINES = 12  # of a request or an answer
_MOST_WIDTH = 400  # characters of such a line
_MOST_REASONS = 100  # laws that were not judged


def write(report: Report, *, colours: bool = False, width: int = 100) -> str:
    """The report as text; with `colours` as ANSI, unless NO_COLOR is set (no-color.org)."""
    is_coloured = colours and not os.environ.get("NO_COLOR")
    console = Console(
        file=StringIO(),
        width=max(40, width),
        force_terminal=is_coloured,
        color_system="standard" if is_coloured else None,
        no_color=not is_coloured,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    with console.capture() as captured:
        _tell(report, console)
    return "\n".join(_harmless(row.rstrip()) for row in captured.get().splitlines()) + "\n"


def _harmless(row: str) -> str:
    """A row that no CI service takes for a command: `::error`, `##vso[…]`, `##teamcity[…]`."""
    return _HASHES.sub("# #", _COLONS.sub(r"\1·::", row))


def _tell(report: Report, console: Console) -> None:
    accepted = accepted_in(report)
    for finding in report.findings[:_MOST]:
        _tell_finding(finding, is_accepted(finding, accepted), console)
    if len(report.findings) > _MOST:
        console.print(Text(f"… and {len(report.findings) - _MOST} more findings; the JSON report has them all\n"))
    _tell_unjudged(report, console)
    _tell_coverage(report, console)
    console.print(Rule(style="dim", characters="-"))
    _tell_baseline(report, console)
    for name, value in conditions(report):
        console.print(Text.assemble((f"{line(name, 40)}: ", "dim"), line(value, 300)))
    if spent := phases(report):
        told = "; ".join(f"{line(name, 40)}: {line(cost, 80)}" for name, cost in spent)
        console.print(Text.assemble(("phases: ", "dim"), told))
    for level in claims(report):
        word = "can be claimed" if level.is_claimed else "not claimed"
        console.print(Text.assemble(f"level {level.name}: ", (word, _VERDICTS[level.verdict]), f" ({level.why})"))
    counted = summary(report)
    counts = ", ".join(f"{count} × {severity}" for severity, count in counted.findings.items() if count)
    console.print(Text(f"findings: {counts or 'none'}"))
    console.print(Text(counted.sentence, style=_VERDICTS[counted.verdict]))


def _tell_finding(finding: Finding, is_known: bool, console: Console) -> None:
    known = " (known: accepted by the baseline)" if is_known else ""
    head = Text.assemble(
        (line(finding.code, 40), "bold"), " ", (finding.severity.value, _STYLES[finding.severity]), known,
        f": {line(finding.title, 200)}",
    )  # fmt: skip
    console.print(head)
    times = f" (seen {finding.count:,} times)" if finding.count != 1 else ""
    operation = f"{line(finding.where, 300)}: " if finding.where else ""
    console.print(_indented(Text(f"{operation}{line(finding.message)}{times}"), 2))
    if clause := finding.clause:
        where = f":{clause.line}" if clause.line else ""
        console.print(Text.assemble(("  contract: ", "dim"), line(f"{clause.file}{where} {clause.pointer}", 500)))
        if clause.quote:
            console.print(_indented(Text(line(clause.quote, 300), style="italic"), 4))
    for evidence in finding.evidence[:1]:
        at = f" at {line(evidence.at, 40)}" if evidence.at else ""
        console.print(Text(f"  exchange {evidence.number}{at}:", style="dim"))
        for mark, text in (("> ", evidence.request), ("< ", evidence.answer)):
            for row in _rows(text):
                console.print(_indented(Text(f"{mark}{row}", style="dim"), 4))
    if len(finding.evidence) > 1:
        console.print(Text(f"  and {len(finding.evidence) - 1} more exchanges", style="dim"))
    for command in finding.repeat:  # in one piece, so that it can be copied
        console.print(Text.assemble(("  repeat: ", "dim"), line(command, 8_000)), soft_wrap=True)
    console.print()


def _indented(text: Text, depth: int) -> Padding:
    """A text of which each row is indented, however many it takes."""
    return Padding(text, (0, 0, 0, depth))


def _rows(text: str) -> list[str]:
    rows = [line(row, _MOST_WIDTH) for row in shown(text, 8_000).split("\n")]
    return rows[:_MOST_LINES] + ([f"… {len(rows) - _MOST_LINES} more lines"] if len(rows) > _MOST_LINES else [])


def _tell_unjudged(report: Report, console: Console) -> None:
    def is_open(outcome: Outcome) -> bool:
        return not is_broken(outcome) and (outcome.verdict is Verdict.UNJUDGED or is_partly_judged(outcome))

    found = [outcome for outcome in report.outcomes if is_open(outcome)]
    if not found:
        return
    console.print(Text("Could not be judged, or in part only:", style="bold"))
    for outcome in found[:_MOST_REASONS]:
        part = "in part: " if outcome.verdict is not Verdict.UNJUDGED else ""
        reasons = line("; ".join(outcome.reasons) or "the reason is not known", 400)
        told = Text(f"{line(outcome.code, 40)} {line(outcome.title, 120)}: {part}{reasons}")
        console.print(_indented(told, 2))
    if len(found) > _MOST_REASONS:
        console.print(Text(f"  … and {len(found) - _MOST_REASONS} more"))
    console.print()


def _tell_coverage(report: Report, console: Console) -> None:
    if not report.coverage.operations:
        return
    table = Table("operation", "declared statuses", "states that its answers showed", box=None, padding=(0, 2, 0, 0))
    for row in seen.rows(report.coverage)[:_MOST]:
        statuses = ", ".join(_times(status, count) for status, count in row.statuses.items())
        states = ", ".join(_times(state, count) for state, count in row.states.items())
        table.add_row(Text(line(row.operation, 200)), Text(line(statuses, 300)), Text(line(states or "-", 300)))
    console.print(Text("Seen:", style="bold"), Text(seen.told(report.coverage)))
    console.print(table)
    unseen = [state for state, count in report.coverage.states.items() if not count]
    if unseen:
        console.print(Text(f"states that were never seen: {line(', '.join(unseen), 300)}"))


def _times(name: str, count: int) -> str:
    return f"{name} × {count}" if count else f"{name} not seen"


def _tell_baseline(report: Report, console: Console) -> None:
    baseline = report.about.get("baseline")
    if not isinstance(baseline, dict):
        return
    fixed, unseen = baseline.get("fixed") or [], baseline.get("unseen") or []
    known = f"{baseline.get('new', 0)} new, {len(baseline.get('known') or [])} known, {len(fixed)} fixed"
    console.print(Text(line(f"baseline {baseline.get('file', '')}: {known}, {len(unseen)} not looked for again", 300)))
    for word, rows in (("fixed", fixed), ("not looked for again", unseen)):
        for row in rows[:_MOST]:
            told = " ".join(str(row.get(key, "")) for key in ("code", "operation", "title"))
            console.print(Text(f"  {word}: {line(told, 300)}"))
