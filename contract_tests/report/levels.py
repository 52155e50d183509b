"""Conformance levels: what a provider can claim, with the laws behind each claim."""

from collections.abc import Mapping
from dataclasses import dataclass

from contract_tests.finding import NOT_ASKED, Outcome, Report, Severity, Verdict
from contract_tests.laws import all_laws

# From the first to the last; each asks for what those before it ask for, too.
LEVELS: Mapping[str, str] = {
    "readable": "jobs can be retrieved and listed as the contract says",
    "working": "a job runs from its creation to its result",
    "strict": "all laws are kept, and every answer fits the schema",
    "compatible": "clients that were written for the reference work",
}
# Codes that are no laws of ours but count for a level: by their letters. The document's own lint counts for none.
LEVEL_OF_LETTERS: Mapping[str, str] = {"SCHEMA": "strict", "SCH": "strict", "REF": "compatible", "CMP": "compatible"}


@dataclass(frozen=True, slots=True)
class Level:
    """One level. `codes` are the laws behind it, those of the levels before it included.

    `conform`, `broken`, `unjudged` (in part, too), `missing` (not in the report) and `not_asked` (the contract has
    nothing that they could be judged by) are its codes by what they came to.
    """

    name: str
    meaning: str
    codes: tuple[str, ...]
    conform: tuple[str, ...]
    broken: tuple[str, ...]
    unjudged: tuple[str, ...]
    missing: tuple[str, ...]
    not_asked: tuple[str, ...]
    lacks: str = ""  # what the report has nothing of at all, without which the level says nothing

    @property
    def is_claimed(self) -> bool:
        """Whether each of its laws that the contract asks for was judged, wholly, and conforms."""
        return bool(self.conform) and not (self.broken or self.unjudged or self.missing or self.lacks)

    @property
    def verdict(self) -> Verdict:
        """The level as one of the three answers."""
        if self.is_claimed:
            return Verdict.CONFORMS
        return Verdict.VIOLATES if self.broken else Verdict.UNJUDGED

    @property
    def why(self) -> str:
        """Why it is claimed or not, in one line."""
        if self.is_claimed:
            aside = f"; not asked for by the contract: {_few(self.not_asked)}" if self.not_asked else ""
            return f"{len(self.conform)} of {len(self.codes)} laws behind it were judged and conform{aside}"
        reasons = [
            f"broken: {_few(self.broken)}" if self.broken else "",
            f"not judged, or in part only: {_few(self.unjudged)}" if self.unjudged else "",
            f"not run: {_few(self.missing)}" if self.missing else "",
            self.lacks,
        ]
        return "; ".join(reason for reason in reasons if reason) or "no law is behind it"


def levels(report: Report, laws: Mapping[str, str] | None = None) -> list[Level]:
    """The levels in order, as a report has them. `laws` maps codes to levels; by default those of all laws."""
    known = {code: law.level for code, law in all_laws().items()} if laws is None else dict(laws)
    known |= {o.code: level for o in report.outcomes if (level := _by_letters(o.code)) and o.code not in known}
    outcomes = {outcome.code: outcome for outcome in report.outcomes}
    found, codes = [], []
    for name, meaning in LEVELS.items():
        own = sorted(code for code, level in known.items() if level == name)
        codes += own
        lacks = _lack(name, own)
        found.append(_level(name, meaning, tuple(codes) if own else (), outcomes, lacks))
    return found


def claims(report: Report, laws: Mapping[str, str] | None = None) -> list[Level]:
    """The same, but none for a report that has no law of any level (a lint of the document, say)."""
    found = levels(report, laws)
    return found if any(set(level.codes) - set(level.missing) for level in found) else []


def highest(found: list[Level]) -> Level | None:
    """The last level that is claimed."""
    return next((level for level in reversed(found) if level.is_claimed), None)


def is_broken(outcome: Outcome) -> bool:
    """Whether an outcome breaks the contract: a warning or a note does not."""
    if outcome.findings:
        return any(finding.severity.rank <= Severity.VIOLATION.rank for finding in outcome.findings)
    return outcome.verdict is Verdict.VIOLATES


def _level(name: str, meaning: str, codes: tuple[str, ...], outcomes: Mapping[str, Outcome], lacks: str) -> Level:
    conform, broken, unjudged, missing, not_asked = [], [], [], [], []
    for code in codes:
        outcome = outcomes.get(code)
        if outcome is None:
            missing.append(code)
        elif is_broken(outcome):
            broken.append(code)
        elif outcome.reasons and all(reason.startswith(NOT_ASKED) for reason in outcome.reasons):
            not_asked.append(code)
        elif outcome.verdict is Verdict.UNJUDGED or outcome.reasons:
            unjudged.append(code)
        else:
            conform.append(code)
    return Level(
        name,
        meaning,
        codes,
        tuple(conform),
        tuple(broken),
        tuple(unjudged),
        tuple(missing),
        tuple(not_asked),
        lacks,
    )


def _lack(name: str, own: list[str]) -> str:
    """What is missing from a level that asks for more than our laws."""
    if name == "strict" and not any(_by_letters(code) == name for code in own):
        return "the schema was not checked"
    return "" if own else "no reference was given" if name == "compatible" else "no law is behind it"


def _by_letters(code: str) -> str:
    return LEVEL_OF_LETTERS.get(code.rstrip("0123456789").rstrip("-_"), "")


def _few(codes: tuple[str, ...]) -> str:
    return ", ".join(codes[:8]) + (f" and {len(codes) - 8} more" if len(codes) > 8 else "")
