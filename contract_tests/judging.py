"""From a recorded history to what each law came to."""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any

from contract_tests.finding import Clause, Deviation, Evidence, Finding, Outcome, Severity, Unjudged, Verdict
from contract_tests.history import Exchange, History
from contract_tests.laws import Law, all_laws
from contract_tests.laws.seen import memory

MAX_EVIDENCE = 3  # exchanges shown with one finding
FAILED = "the check itself failed"

ClauseOf = Callable[[str], Clause | None]


def judge(
    history: History,
    codes: Collection[str] | None = None,
    *,
    clause_of: ClauseOf | None = None,
    evidence: Callable[[Exchange], Evidence] | None = None,
    repeat: Callable[[Exchange, str], tuple[str, ...]] | None = None,
) -> list[Outcome]:
    """What each law (or each of some codes) came to over a history, by code. Raises nothing: a law that fails says so.

    `clause_of` finds the words of a contract at a JSON Pointer (without it those of its own files are looked up);
    `evidence` shows an exchange with its secrets masked, `repeat` tells the commands that show it again for a code.
    """
    memory.cache_clear()  # a history may have grown since it was last looked at
    chosen = [law for code, law in sorted(all_laws().items()) if codes is None or code in codes]
    show = _Showing(
        history, clause_of or partial(_looked_up, history, []), evidence or _numbered, repeat or _unrepeated
    )
    return [_outcome(history, law, show) for law in chosen]


class _Showing:
    """How deviations become findings."""

    def __init__(
        self,
        history: History,
        clause_of: ClauseOf,
        evidence: Callable[[Exchange], Evidence],
        repeat: Callable[[Exchange, str], tuple[str, ...]],
    ) -> None:
        self.exchanges = {exchange.number: exchange for exchange in history.exchanges}
        self.clause_of, self.evidence, self.repeat = clause_of, evidence, repeat

    def finding(self, law: Law, group: list[Deviation]) -> Finding:
        """One finding for deviations that have the same cause."""
        first = group[0]
        firsts = {each.operation: each for each in reversed(group)}
        others = [each.exchanges[-1] for each in firsts.values() if each is not first and each.exchanges]
        room = max(0, MAX_EVIDENCE - len(first.exchanges))
        numbers = dict.fromkeys((*others[:room], *first.exchanges))
        shown = [self.exchanges[n] for n in numbers if n in self.exchanges]
        asking = [e for e in shown if e.operation == first.operation] or shown
        return Finding(
            code=law.code,
            title=law.title,
            severity=first.severity or law.severity,
            message=first.message,
            operation=first.operation,
            clause=self._safely(lambda: self.clause_of(first.pointer), None) if first.pointer else None,
            evidence=tuple(
                e for each in shown[-MAX_EVIDENCE:] if (e := self._safely(partial(self.evidence, each), None))
            ),
            repeat=self._safely(lambda: self.repeat(asking[-1], law.code) if asking else (), ()),
            count=len(group),
            cause=first.cause,
            also=tuple(dict.fromkeys(each.operation for each in group if each.operation != first.operation)),
        )

    @staticmethod
    def _safely(make: Callable[[], Any], otherwise: Any) -> Any:
        """What is shown beside a finding must not cost the finding."""
        try:
            return make()
        except Exception:
            return otherwise


def _outcome(history: History, law: Law, show: _Showing) -> Outcome:
    missing = [purpose for purpose in law.needs if not history.of(purpose)]
    if missing:
        reasons = tuple(_why_missing(history, purpose) for purpose in missing)
        return Outcome(law.code, law.title, Verdict.UNJUDGED, reasons)
    groups: dict[tuple[str, str], list[Deviation]] = {}
    reasons_found: list[str] = []
    is_whole = False
    try:
        for found in law.judge(history):
            if isinstance(found, Unjudged):
                is_whole = is_whole or not found.operation
                reasons_found.append(f"{found.operation}: {found.reason}" if found.operation else found.reason)
            else:
                groups.setdefault((found.operation, found.cause), []).append(found)
    except Exception as error:  # a law that fails must not cost what the others say
        is_whole = True
        reasons_found.append(f"{FAILED} ({law.code}: {type(error).__name__}: {error})")
    findings = tuple(show.finding(law, group) for group in _by_cause(law, groups.values()))
    verdict = _verdict(findings, is_whole)
    return Outcome(law.code, law.title, verdict, tuple(dict.fromkeys(reasons_found)), findings)


def _by_cause(law: Law, groups: Iterable[list[Deviation]]) -> Iterable[list[Deviation]]:
    """Groups of one operation and cause, put together where the cause is the same; the worst of each group first."""
    merged: dict[tuple[str, Severity], list[Deviation]] = {}
    for group in groups:
        worst = min(group, key=lambda each: (each.severity or law.severity).rank)
        found = merged.setdefault((worst.cause, worst.severity or law.severity), [])
        found += [worst, *(each for each in group if each is not worst)]
    return merged.values()


def _verdict(findings: Iterable[Finding], is_unjudged: bool) -> Verdict:
    if any(finding.severity.rank <= Severity.VIOLATION.rank for finding in findings):
        return Verdict.VIOLATES
    return Verdict.UNJUDGED if is_unjudged else Verdict.CONFORMS


def _why_missing(history: History, purpose: str) -> str:
    told: Mapping[str, str] = history.skipped
    if purpose in told:
        return f"{purpose}: {told[purpose]}"
    return (
        f"{purpose}: nothing was created (read-only)" if history.read_only else f"{purpose}: no such request was sent"
    )


# -- what others show -------------------------------------------------------------------------------


def _looked_up(history: History, found: list[ClauseOf], pointer: str) -> Clause | None:
    """A clause; the files are read when the first one is wanted, which most runs never do."""
    if not found:
        found.append(_clauses(history))
    return found[0](pointer)


def _clauses(history: History) -> ClauseOf:
    """The words of the contract's own files, if it was read from files."""
    from contract_tests.clauses import read_published
    from mockserver.errors import MockserverError

    for spec in (history.contract.name, history.contract.document.origin):
        try:
            return read_published(spec).clause
        except (MockserverError, OSError):
            continue
    origin = history.contract.document.origin
    return lambda pointer: Clause(origin, pointer)


def _numbered(exchange: Exchange) -> Evidence:
    """An exchange by its number and status alone: no secret can be in that."""
    return Evidence(exchange.number, f"{exchange.method} {exchange.operation}", str(exchange.status))


def _unrepeated(exchange: Exchange, code: str) -> tuple[str, ...]:
    return (f"mockserver check --only {code}",)
