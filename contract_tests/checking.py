"""A whole check: what was asked for, from the first request to the report."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import orjson

from contract_tests.clauses import Published, clause_of, read_published
from contract_tests.contract import ContractUnderTest, load_contract
from contract_tests.finding import Outcome, Report, Severity, Verdict
from contract_tests.fuzzing import FAMILY, Fuzzing, fuzz, unfuzzed
from contract_tests.history import ALL_THAT_FOLLOWS, INTERRUPTED, Exchange, History, Purpose
from contract_tests.judging import judge
from contract_tests.laws.seen import status_of
from contract_tests.lint import lint
from contract_tests.playing.budget import Budget, budget_for
from contract_tests.playing.calls import Calls
from contract_tests.playing.har import from_har, to_har
from contract_tests.playing.listening import Hearing
from contract_tests.playing.planning import Plan, plan
from contract_tests.playing.player import Options, Tell
from contract_tests.playing.prices import Prices
from contract_tests.playing.stories import play
from contract_tests.playing.target import Service, is_loopback
from contract_tests.reference import judge_by_reference
from contract_tests.report.coverage import cover
from contract_tests.report.evidence import check_line, curl, evidence
from contract_tests.report.timelines import watched
from mockserver import __version__
from mockserver.errors import MockserverError
from mockserver.instants import write_instant
from mockserver.masking import Masking

FEW_EXAMPLES = 5  # fuzzed for each operation of an endpoint that is not on this machine


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is to be checked, and how far. Money by `prices`; None: no limit of that kind.

    `only` are codes; empty: all. `schema`: whether schemathesis fuzzes too, which creates as many jobs as it likes;
    where jobs are limited, or the endpoint is elsewhere, it sends only what reads. `rate_limit` (`5/s`, `90/m`) is of
    all that is sent. `key_env` and `second_key_env` are the variables that hold the keys, for commands that are shown.
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
    rate_limit: str = ""
    key_env: str = ""
    second_key_env: str = ""
    deadline: float = 0.0  # seconds within which a job has to end; 0: nobody says
    options: tuple[tuple[str, str], ...] = ()  # of the command line that limit it, for commands that are shown
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
    _refuse_unpriced(contract, wishes)
    return plan(contract, _options(wishes), _budget(wishes))


def check(wishes: Wishes, progress: Tell | None = None) -> tuple[Report, History]:
    """Judge a live endpoint. Raises MockserverError for a spec that cannot be read."""
    contract = load_contract(wishes.spec)
    _refuse_unreadable(wishes.reference)
    _refuse_unpriced(contract, wishes)
    budget = _budget(wishes)
    masking = _masking(wishes)

    def tell(phase: str, message: str, share: float | None = None) -> None:
        if progress:
            progress(phase, masking.text(message), share)

    with Service(wishes.url, rate_limit=wishes.rate_limit) as service:
        history = play(contract, service, budget, _options(wishes), tell)
    _refuse_refused(history, wishes)
    outcomes = _judged(history, wishes)
    phases = dict(history.phases)
    if why := history.ended_early or _why_unfuzzed(wishes):
        outcomes.append(unfuzzed(why))
    elif history.is_reached:
        found, seconds, requests = fuzz(contract, _fuzzing(wishes, budget), _masking(wishes), progress)
        outcomes += found
        phases["schema"] = (seconds, requests)
        if any(INTERRUPTED in each.reasons for each in found):
            history.skipped[ALL_THAT_FOLLOWS] = INTERRUPTED
    outcomes = [each for each in outcomes if not wishes.only or each.code in wishes.only]
    prices = Prices(Calls(contract), wishes.prices)
    about = {
        "url": wishes.url,
        "mode": "read-only" if history.read_only else "full",
        "jobs_created": budget.created,
        "spent": round(budget.spent, 6) if prices.are_known else None,
        "currency": prices.currency or None,
        "max_jobs": budget.max_jobs,
        **_compared(wishes),
    }
    return _report(history, outcomes, wishes, about, phases), history


def check_har(har: Any, spec: str, only: Collection[str] = (), reference: str = "") -> tuple[Report, History]:
    """Judge what was recorded, without a network. Raises MockserverError."""
    _refuse_unreadable(reference)
    history = from_har(load_contract(spec), har)
    wishes = Wishes("", spec, only=only, reference=reference)
    outcomes = _judged(history, wishes)
    about = {"url": "", "mode": "from-har", **_compared(wishes)}
    return _report(history, outcomes, wishes, about, dict(history.phases)), history


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
        deadline=wishes.deadline,
        hearing=wishes.hearing,
    )


def _budget(wishes: Wishes) -> Budget:
    return budget_for(wishes.url, wishes.max_jobs, wishes.max_spend, wishes.prices, wishes.max_requests, wishes.seconds)


def _refuse_unpriced(contract: ContractUnderTest, wishes: Wishes) -> None:
    if wishes.max_spend is not None and not Prices(Calls(contract), wishes.prices).are_known:
        raise CheckError(
            "--max-spend needs to know what a job costs: add --price NAME=AMOUNT, "
            f"or declare `prices` in the `x-job` of {wishes.spec} (docs/x-job.md)."
        )


def _judged(history: History, wishes: Wishes) -> list[Outcome]:
    published = read_published(wishes.spec)
    masking = _masking(wishes)
    outcomes = judge(
        history,
        wishes.only or None,
        clause_of=partial(clause_of, published),
        evidence=lambda exchange: evidence(exchange, masking),
        repeat=partial(_repeat, wishes),
    )
    outcomes += _by_reference(history, wishes, masking) if wishes.reference else []
    return outcomes + (_linted(published, wishes) if wishes.with_lint else [])


def _refuse_unreadable(reference: str) -> None:
    """A reference that cannot be read is said before a request is sent."""
    if reference:
        load_contract(reference)


def _refuse_refused(history: History, wishes: Wishes) -> None:
    """Without a key that is taken, whatever is refused is refused for the key, which says nothing of anything else."""
    asked = [e for e in history.of(Purpose.LIST, Purpose.CREATE, Purpose.POLL) if e.status]
    statuses = {status_of(history, exchange) for exchange in asked}
    if statuses and statuses <= {401, 403}:
        named = f"the key in {wishes.key_env}" if wishes.key_env else "this key"
        told = named if wishes.key else "requests without a key; name the variable that holds one by --key-env"
        status = " and ".join(map(str, sorted(statuses)))
        raise CheckError(f"{wishes.url} could not be checked: it answers {status} to {told}.")


def _compared(wishes: Wishes) -> dict[str, Any]:
    return {"reference": wishes.reference} if wishes.reference else {}


def _by_reference(history: History, wishes: Wishes, masking: Masking) -> list[Outcome]:
    """Where a client of the reference breaks; what is quoted of answers has secrets masked."""
    return judge_by_reference(
        history,
        wishes.reference,
        wishes.spec,
        codes=frozenset(wishes.only) or None,
        evidence=lambda exchange: evidence(exchange, masking),
        repeat=partial(_repeat, wishes),
    )


def _repeat(wishes: Wishes, exchange: Exchange, code: str) -> tuple[str, ...]:
    """The commands that show a finding again. What the service sent by itself nobody can send again."""
    line = curl(exchange, _masking(wishes), wishes.key_env, wishes.second_key_env)
    return *([line] if exchange.purpose != Purpose.WEBHOOK else []), f"{_command(wishes)} --only {code}"


def _command(wishes: Wishes) -> str:
    options = list(wishes.options)
    if wishes.reference and not any(name == "--reference" for name, _ in options):
        options.append(("--reference", wishes.reference))
    return check_line(wishes.url, wishes.spec, options, _masking(wishes))


def _masking(wishes: Wishes) -> Masking:
    return Masking((), wishes.secrets)


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


def _why_unfuzzed(wishes: Wishes) -> str:
    """Why nothing is fuzzed; '' if it is."""
    if not wishes.schema or (wishes.only and not any(code.startswith(FAMILY) for code in wishes.only)):
        return "it was left out"
    return "requests are limited here, and fuzzing takes hundreds" if wishes.max_requests is not None else ""


def _fuzzing(wishes: Wishes, budget: Budget) -> Fuzzing:
    """How the endpoint is fuzzed: by what reads alone where a job may cost something."""
    is_near = is_loopback(wishes.url)
    return Fuzzing(
        wishes.url,
        wishes.key,
        wishes.examples if is_near else min(wishes.examples, FEW_EXAMPLES),
        only_reads=budget.max_jobs is not None or budget.max_spend is not None or not is_near,
        covers=is_near,
        rate_limit=wishes.rate_limit,
        check=_command(wishes),
    )


def _masked(outcome: Outcome, masking: Masking) -> Outcome:
    """An outcome whose texts quote what a service answered, which may be the key."""
    findings = tuple(
        replace(f, message=masking.text(f.message), cause=masking.text(f.cause), evidence=f.evidence)
        for f in outcome.findings
    )
    return replace(outcome, findings=findings, reasons=tuple(map(masking.text, outcome.reasons)))


def _report(
    history: History, outcomes: list[Outcome], wishes: Wishes, about: Mapping[str, Any], phases: Mapping[str, Any]
) -> Report:
    spec, masking = wishes.spec, _masking(wishes)
    exchanges = history.exchanges
    first, last = (exchanges[0], exchanges[-1]) if exchanges else (None, None)
    whole: dict[str, Any] = {
        "spec": spec,
        "version": __version__,
        "started": write_instant(first.started) if first else None,
        "seconds": round(sum(spent[0] for spent in phases.values()), 3),
        "requests": sum(spent[1] for spent in phases.values()) or len(exchanges),
        "phases": {name: {"seconds": round(spent[0], 3), "requests": spent[1]} for name, spent in phases.items()},
        "skipped": {masking.text(what): masking.text(why) for what, why in history.skipped.items()},
        **about,
    }
    if last is not None and not whole["seconds"]:
        whole["seconds"] = round(last.started + last.seconds - (first.started if first else 0.0), 3)
    lives = tuple({**life, "id": masking.text(str(life["id"]))} for life in watched(history))
    return Report(whole, tuple(_masked(outcome, masking) for outcome in outcomes), cover(history), lives)
