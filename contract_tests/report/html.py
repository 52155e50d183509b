"""The report as one HTML file: the verdict for a manager at the top, the evidence for an engineer below."""

from typing import Final

from contract_tests.finding import Report, Severity, Verdict
from contract_tests.report import coverage as seen
from contract_tests.report.baseline import accepted_in, is_accepted
from contract_tests.report.levels import claims
from contract_tests.report.page import page
from contract_tests.report.summary import conditions, is_partly_judged, phases, sorted_outcomes, summary, word_of
from contract_tests.report.timelines import HEIGHT, WIDTH, pictures

MOST: Final = 1_000  # findings that are told
LOOKS: Final = {Verdict.CONFORMS: "good", Verdict.VIOLATES: "bad", Verdict.UNJUDGED: "open"}


def write(report: Report) -> str:
    """The page. No scripts, no remote assets; more findings than fit are counted."""
    accepted, found = accepted_in(report), report.findings
    drawn, undrawn = pictures(report)
    baseline = report.about.get("baseline")
    counted = summary(report)
    return page(
        "report.html",
        report=report,
        summary=counted,
        look=LOOKS[counted.verdict],
        levels=[(level, LOOKS[level.verdict]) for level in claims(report)],
        severities=[(severity, f"s{severity.rank}") for severity in Severity],
        findings=[(each, f"s{each.severity.rank}", is_accepted(each, accepted)) for each in found[:MOST]],
        left=max(0, len(found) - MOST),
        outcomes=[
            (outcome, word_of(outcome), _look(word_of(outcome)), is_partly_judged(outcome))
            for outcome in sorted_outcomes(report)
        ],
        baseline=baseline if isinstance(baseline, dict) else None,
        conditions=conditions(report),
        phases=phases(report),
        rows=seen.rows(report.coverage),
        seen=seen.told(report.coverage),
        pictures=drawn,
        undrawn=undrawn,
        width=WIDTH,
        height=HEIGHT,
    )


def _look(word: str) -> str:
    return next((look for verdict, look in LOOKS.items() if word == verdict.value), "part")
