"""A whole check: what was asked for, from the first request to the report."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import orjson

from contract_tests.clauses import Published, clause_of, read_published
from contract_tests.contract import ContractUnderTest, load_contract
from contract_tests.finding import Finding, Outcome, Report, Severity, Verdict
from contract_tests.history import History
from contract_tests.judging import judge
from contract_tests.lint import lint
from contract_tests.playing.budget import budget_for
from contract_tests.playing.har import from_har, to_har
from contract_tests.playing.listening import Hearing
from contract_tests.playing.stories import Options, Plan, plan, play
from contract_tests.playing.target import Service, is_loopback
from contract_tests.reference import judge_by_reference
from contract_tests.report.coverage import cover
from contract_tests.report.evidence import evidence, quoted, repeat
from contract_tests.report.timelines import watched
from mockserver import __version__
from mockserver.errors import MockserverError
from mockserver.instants import write_instant
from mockserver.masking import Masking

SCHEMA_CODES = {
    "not_a_server_error": "SCH001",
    "status_code_conformance": "SCH002",
    "content_type_conformance": "SCH003",
    "response_headers_conformance": "SCH004",
    "response_schema_conformance": "SCH005",
    "negative_data_rejection": "SCH006",
    "positive_data_acceptance": "SCH007",
    "missing_required_header": "SCH008",
    "unsupported_method": "SCH009",
    "allow_header_conformance": "SCH010",
    "use_after_free": "SCH011",
    "ensure_resource_availability": "SCH012",
    "ignored_auth": "SCH013",
}
_OTHER = "SCH099"
_SERIOUS = {"not_a_server_error": Severity.BREAKS, "ignored_auth": Severity.BREAKS}
Progress = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is to be checked, and how far. Money by `prices`; None: no limit of that kind.

    `only` are codes; empty: all. `schema`: whether schemathesis fuzzes too, which creates as many jobs as it likes and
    so never happens where jobs are limited.
    """

    url: str
    spec: str
    key: str = ""
    second_key: str = ""
    max_jobs: int | None = None
    max_spend: float | None = None
    prices: Mapping[str, float] = field(default_factory=dict)
    max_requests: int | None = None
    seconds: float = 3600.0
    patience: float = 900.0
    interval: float | None = None
    only: Collection[str] = ()
    schema: bool = True
    examples: int = 20
    with_lint: bool = True
    reference: str = ""  # a contract that clients of this endpoint were written for
    hearing: Hearing = field(default_factory=Hearing)  # how webhooks are listened for

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must stand in no report."""
        return tuple(secret for secret in (self.key, self.second_key, self.hearing.secret) if secret)


class CheckError(MockserverError):
    """A check that cannot be made."""


def plan_of(wishes: Wishes) -> Plan:
    """What a check would send at the worst, without sending anything. Raises MockserverError."""
    contract = load_contract(wishes.spec)
    return plan(contract, _options(wishes), _budget(wishes))


def check(wishes: Wishes, progress: Progress | None = None) -> tuple[Report, History]:
    """Judge a live endpoint. Raises MockserverError for a spec that cannot be read."""
    contract = load_contract(wishes.spec)
    _refuse_unreadable(wishes.reference)
    budget = _budget(wishes)
    with Service(wishes.url) as service:
        history = play(contract, service, budget, _options(wishes), progress)
    outcomes = _judged(history, wishes)
    phases = dict(history.phases)
    if _may_fuzz(wishes):
        if progress:
            progress("schema", "schemathesis")
        found, seconds, requests = _fuzzed(contract, wishes)
        outcomes += found
        phases["schema"] = (seconds, requests)
    elif not wishes.only:
        outcomes.append(_unfuzzed(wishes))
    about = {
        "url": wishes.url,
        "mode": "read-only" if history.read_only else "full",
        "jobs_created": budget.created,
        "spent": budget.spent if budget.prices else None,
        "max_jobs": budget.max_jobs,
        **_compared(wishes),
    }
    return _report(history, outcomes, wishes.spec, about, phases), history


def check_har(har: Any, spec: str, only: Collection[str] = (), reference: str = "") -> tuple[Report, History]:
    """Judge what was recorded, without a network. Raises MockserverError."""
    _refuse_unreadable(reference)
    history = from_har(load_contract(spec), har)
    wishes = Wishes("", spec, only=only, reference=reference)
    outcomes = _judged(history, wishes)
    about = {"url": "", "mode": "from-har", **_compared(wishes)}
    return _report(history, outcomes, spec, about, dict(history.phases)), history


def recorded(history: History, wishes: Wishes) -> bytes:
    """The HAR of a check, with secrets masked."""
    return orjson.dumps(to_har(history, wishes.secrets, __version__), option=orjson.OPT_INDENT_2)


def report_of_lint(spec: str, raw: bool = False, only: Collection[str] = ()) -> Report:
    """What a document says against itself, as a report. Raises MockserverError."""
    outcomes = lint(spec, raw, frozenset(only) or None)
    return Report({"spec": spec, "mode": "lint", "version": __version__}, tuple(outcomes))


# -- parts ------------------------------------------------------------------------------------------


def _options(wishes: Wishes) -> Options:
    return Options(
        key=wishes.key,
        second_key=wishes.second_key,
        interval=wishes.interval,
        patience=wishes.patience,
        hearing=wishes.hearing,
    )


def _budget(wishes: Wishes) -> Any:
    return budget_for(wishes.url, wishes.max_jobs, wishes.max_spend, wishes.prices, wishes.max_requests, wishes.seconds)


def _judged(history: History, wishes: Wishes) -> list[Outcome]:
    published = read_published(wishes.spec)
    masking = Masking((), wishes.secrets)
    outcomes = judge(
        history,
        wishes.only or None,
        clause_of=partial(clause_of, published),
        evidence=lambda exchange: evidence(exchange, masking),
        repeat=lambda exchange, code: repeat(exchange, code, wishes.url, wishes.spec, masking),
    )
    outcomes += _by_reference(history, wishes, masking) if wishes.reference else []
    return outcomes + (_linted(published, wishes) if wishes.with_lint else [])


def _refuse_unreadable(reference: str) -> None:
    """A reference that cannot be read is said before a request is sent."""
    if reference:
        load_contract(reference)


def _compared(wishes: Wishes) -> dict[str, Any]:
    return {"reference": wishes.reference} if wishes.reference else {}


def _by_reference(history: History, wishes: Wishes, masking: Masking) -> list[Outcome]:
    """Where a client of the reference breaks; what is quoted of answers has secrets masked."""
    outcomes = judge_by_reference(
        history,
        wishes.reference,
        wishes.spec,
        codes=frozenset(wishes.only) or None,
        evidence=lambda exchange: evidence(exchange, masking),
        repeat=lambda exchange, code: _with_reference(
            repeat(exchange, code, wishes.url, wishes.spec, masking), wishes.reference
        ),
    )
    return [
        replace(
            outcome,
            findings=tuple(replace(finding, message=masking.text(finding.message)) for finding in outcome.findings),
        )
        for outcome in outcomes
    ]


def _with_reference(lines: tuple[str, ...], reference: str) -> tuple[str, ...]:
    """The commands that show a finding again; the check among them needs the reference, too."""
    *others, check_line = lines
    return (*others, f"{check_line} --reference {quoted(reference)}")


def _linted(published: Published, wishes: Wishes) -> list[Outcome]:
    """What the document says against itself: no fault of the endpoint, so none of it is more than a note here."""
    found = lint(published, codes=frozenset(wishes.only) or None)
    return [
        replace(
            outcome,
            verdict=Verdict.CONFORMS if outcome.verdict is Verdict.VIOLATES else outcome.verdict,
            findings=tuple(replace(finding, severity=Severity.NOTE) for finding in outcome.findings),
        )
        for outcome in found
    ]


def _may_fuzz(wishes: Wishes) -> bool:
    limited = wishes.max_jobs is not None or wishes.max_spend is not None or wishes.max_requests is not None
    return wishes.schema and not wishes.only and not limited and is_loopback(wishes.url)


def _unfuzzed(wishes: Wishes) -> Outcome:
    why = "it was left out" if not wishes.schema else "jobs are limited here, and fuzzing creates hundreds"
    return Outcome("SCH000", "Fuzzed requests are answered as the document says", Verdict.UNJUDGED, (why,))


def _fuzzed(contract: ContractUnderTest, wishes: Wishes) -> tuple[list[Outcome], float, int]:
    """What schemathesis finds: its checks as outcomes, its seconds and its requests."""
    try:
        from contract_tests.run import run
        from contract_tests.schema import build_schema
    except ImportError:
        raise CheckError(
            "schemathesis is not installed: `pip install 'mockserver[contract]'`, or leave it out with --no-schema."
        ) from None
    result = run(build_schema(contract, wishes.url, wishes.key, wishes.examples))
    masked = Masking((), wishes.secrets)
    findings: dict[str, list[Finding]] = {check: [] for check in SCHEMA_CODES}
    for seen in result.findings.values():
        findings.setdefault(seen.check, []).append(
            Finding(
                code=SCHEMA_CODES.get(seen.check, _OTHER),
                title=seen.title,
                severity=_SERIOUS.get(seen.check, Severity.VIOLATION),
                message=masked.text(f"{seen.message}\n{seen.answer}")[:2000],
                operation=seen.operation,
                repeat=(masked.text(seen.request),),
                count=seen.count,
                cause=f"{seen.check}: {seen.title}",
            )
        )
    outcomes = [
        Outcome(
            SCHEMA_CODES.get(name, _OTHER),
            f"schemathesis: {name.replace('_', ' ')}",
            Verdict.VIOLATES if found else Verdict.CONFORMS,
            tuple(result.errors[:3]),
            tuple(found),
        )
        for name, found in findings.items()
    ]
    return outcomes, result.seconds, result.sent


def _report(
    history: History, outcomes: list[Outcome], spec: str, about: Mapping[str, Any], phases: Mapping[str, Any]
) -> Report:
    exchanges = history.exchanges
    first, last = (exchanges[0], exchanges[-1]) if exchanges else (None, None)
    whole: dict[str, Any] = {
        "spec": spec,
        "version": __version__,
        "started": write_instant(first.started) if first else None,
        "seconds": round(sum(spent[0] for spent in phases.values()), 3),
        "requests": sum(spent[1] for spent in phases.values()) or len(exchanges),
        "phases": {name: {"seconds": round(spent[0], 3), "requests": spent[1]} for name, spent in phases.items()},
        "skipped": dict(history.skipped),
        **about,
    }
    if last is not None and not whole["seconds"]:
        whole["seconds"] = round(last.started + last.seconds - (first.started if first else 0.0), 3)
    return Report(whole, tuple(outcomes), cover(history), watched(history))
