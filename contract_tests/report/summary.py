"""What a report comes to: one of the three answers, a sentence, and a few numbers."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contract_tests.finding import Outcome, Report, Severity, Verdict
from contract_tests.report.levels import is_broken

# What was run and under which conditions, in the order in which it is told.
CONDITIONS = (
    "spec", "url", "mode", "reference", "started", "seconds", "requests", "jobs_created", "spent", "version",
)  # fmt: skip
_SHOWN_ELSEWHERE = {"phases", "baseline"}


@dataclass(frozen=True, slots=True)
class Summary:
    """The numbers of a report. Laws that conform in part are counted apart from those that were judged wholly."""

    verdict: Verdict
    conform: int
    in_part: int
    broken: int
    unjudged: int
    findings: Mapping[Severity, int]

    @property
    def laws(self) -> int:
        """How many laws the report tells of."""
        return self.conform + self.in_part + self.broken + self.unjudged

    @property
    def sentence(self) -> str:
        """The verdict and how far it goes."""
        aside = [
            f"{_laws(self.conform)} conform" if self.conform != 1 else "1 law conforms",
            f"{self.in_part} could be judged in part only" if self.in_part else "",
            f"{self.unjudged} could not be judged" if self.unjudged else "",
        ]
        rest = ", ".join(words for words in aside if words)
        match self.verdict:
            case Verdict.VIOLATES:
                return f"Violates its contract: {_laws(self.broken)} broken; {rest}."
            case Verdict.UNJUDGED:
                return "Could not be judged: " + (f"not one of {self.laws} laws." if self.laws else "no law was run.")
            case _ if self.in_part or self.unjudged:
                return f"No violation was seen: {rest}."
            case _:
                return f"Conforms: all {self.laws} laws were judged, and none is broken."


def summary(report: Report) -> Summary:
    """A report's numbers and verdict. Nothing judged is no conformance."""
    broken = sum(is_broken(outcome) for outcome in report.outcomes)
    unbroken = [outcome for outcome in report.outcomes if not is_broken(outcome)]
    unjudged = sum(outcome.verdict is Verdict.UNJUDGED for outcome in unbroken)
    in_part = sum(is_partly_judged(outcome) for outcome in unbroken)
    conform = len(unbroken) - unjudged - in_part
    verdict = Verdict.VIOLATES if broken else Verdict.CONFORMS if conform or in_part else Verdict.UNJUDGED
    severities = Counter(finding.severity for finding in report.findings)
    return Summary(verdict, conform, in_part, broken, unjudged, {each: severities[each] for each in Severity})


def is_partly_judged(outcome: Outcome) -> bool:
    """Whether a law was judged, but not wherever it holds."""
    return outcome.verdict is not Verdict.UNJUDGED and bool(outcome.reasons)


def word_of(outcome: Outcome) -> str:
    """The answer that a law got, in a few words."""
    if is_broken(outcome):
        return Verdict.VIOLATES.value
    if outcome.verdict is Verdict.UNJUDGED:
        return Verdict.UNJUDGED.value
    remark = "with remarks" if outcome.findings else ""
    part = "as far as it was judged" if outcome.reasons else ""
    return ", ".join(words for words in (Verdict.CONFORMS.value, remark, part) if words)


def sorted_outcomes(report: Report) -> list[Outcome]:
    """The laws, the worst first: broken ones by their worst finding, then with remarks, unjudged, conforming."""

    def rank(outcome: Outcome) -> tuple[int, str]:
        worst = min((finding.severity.rank for finding in outcome.findings), default=len(Severity))
        if is_broken(outcome) or outcome.findings:
            return (min(worst, Severity.VIOLATION.rank) if is_broken(outcome) else worst, outcome.code)
        return (len(Severity) + (outcome.verdict is not Verdict.UNJUDGED), outcome.code)

    return sorted(report.outcomes, key=rank)


def conditions(report: Report) -> list[tuple[str, Any]]:
    """What was run, and how: names and values, the usual ones first."""
    names = [name for name in CONDITIONS if name in report.about]
    names += [name for name in report.about if name not in CONDITIONS and name not in _SHOWN_ELSEWHERE]
    return [(str(name).replace("_", " "), _told(report.about[name])) for name in names]


def phases(report: Report) -> list[tuple[str, str]]:
    """The phases of the run, each with what it took."""
    found = report.about.get("phases")
    return [(str(name), _told(cost)) for name, cost in found.items()] if isinstance(found, Mapping) else []


def _told(value: Any) -> str:
    match value:
        case None:
            return "not known"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:,.2f}".rstrip("0").rstrip(".")
        case int():
            return f"{value:,}"
        case Mapping():
            return ", ".join(f"{name}: {_told(inner)}" for name, inner in list(value.items())[:40])
        case list() | tuple():
            return ", ".join(_told(inner) for inner in value[:40])
        case _:
            return str(value)


def _laws(count: int) -> str:
    return "1 law" if count == 1 else f"{count} laws"
