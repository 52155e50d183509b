"""What is said of a service: findings, each with its clause and its evidence, and what each law came to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

# How a reason begins where a law has nothing to judge in a contract (no webhook, no list): no level waits for it.
NOT_ASKED: Final = "the contract does not ask for it"
MOST_NAMED: Final = 4  # operations that are named before the others are counted


class Severity(StrEnum):
    """What a deviation does to a client, worst first."""

    SILENT = "breaks clients silently"
    BREAKS = "breaks clients"
    VIOLATION = "contract violation"
    WARNING = "warning"
    NOTE = "note"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


class Verdict(StrEnum):
    """The three answers, which are kept apart."""

    CONFORMS = "conforms"
    VIOLATES = "violates"
    UNJUDGED = "could not be judged"


@dataclass(frozen=True, slots=True)
class Clause:
    """Where a contract says it: the file, a JSON Pointer into the document, the line (None: unknown), the words."""

    file: str
    pointer: str
    line: int | None = None
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Deviation:
    """One sight of a service (or document) that does not keep a law; what a law yields.

    `message` says what was found and what was expected. `operation` is its name (`GET /videos/{id}`, '' for none),
    `exchanges` are the numbers of the exchanges that show it, `pointer` the place in the document that says otherwise
    ('' where none does), `cause` what tells causes apart: the same law and cause are reported once,
    with all operations. `severity` None: that of the law.
    """

    message: str
    operation: str = ""
    exchanges: tuple[int, ...] = ()
    pointer: str = ""
    cause: str = ""
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class Unjudged:
    """Why a law could not be judged; what a law yields where it saw too little."""

    reason: str
    operation: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One exchange as a report shows it: trimmed, and with secrets masked."""

    number: int
    request: str
    answer: str
    at: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A deviation as it is reported. `repeat` are commands that show it again; `count` is how often it was seen.

    `also` are the other operations on which the same cause was seen.
    """

    code: str
    title: str
    severity: Severity
    message: str
    operation: str = ""
    clause: Clause | None = None
    evidence: tuple[Evidence, ...] = ()
    repeat: tuple[str, ...] = ()
    count: int = 1
    cause: str = ""
    also: tuple[str, ...] = ()

    @property
    def operations(self) -> tuple[str, ...]:
        """All operations on which it was seen; a finding of none has one without a name."""
        return self.operation, *self.also

    @property
    def where(self) -> str:
        """The operations in a few words."""
        if len(self.operations) <= MOST_NAMED:
            return ", ".join(filter(None, self.operations))
        return f"{', '.join(self.operations[: MOST_NAMED - 1])} and {len(self.operations) - MOST_NAMED + 1} more"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one law came to: its verdict, why it could not be judged (all or in part), and its findings."""

    code: str
    title: str
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was really seen: operation → declared status → how often; and the states of jobs that were seen.

    `shown` is operation → state → how often an answer of that operation showed a job in it.
    """

    operations: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    states: Mapping[str, int] = field(default_factory=dict)
    shown: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """All of one run.

    `about` says of what and under which conditions: spec, url, version, started (RFC 3339), seconds, requests,
    jobs_created, spent, mode (`read-only`, `full`, `from-har`), phases (name → seconds and requests), options.
    `timelines` are the jobs that were watched: `id`, `kind`, and `points`, (seconds since create, state, progress) in
    order.
    """

    about: Mapping[str, Any]
    outcomes: tuple[Outcome, ...]
    coverage: Coverage = field(default_factory=Coverage)
    timelines: tuple[Mapping[str, Any], ...] = ()

    @property
    def findings(self) -> list[Finding]:
        """All findings, the worst first."""
        found = [finding for outcome in self.outcomes for finding in outcome.findings]
        return sorted(found, key=lambda finding: (finding.severity.rank, finding.code, finding.operation))

    @property
    def exit_code(self) -> int:
        """0: conforms, 1: violates; a note or a warning is no violation."""
        return int(any(finding.severity.rank <= Severity.VIOLATION.rank for finding in self.findings))
