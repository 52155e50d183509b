"""A verdict on the client, from what it asked: findings with their evidence, and the facts that tests ask for.

Pure: `verdict` judges entries that it is given, `verdict_on` takes them from sandboxes. docs/verdict.md tells of each
code.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mockserver.jobs.declaration import REFUSALS
from mockserver.jobs.resource import STARTS, Action, Contract
from mockserver.masking import masking
from mockserver.provider import Provider
from mockserver.sandbox.conduct import (
    CUT,
    FETCHES,
    Case,
    Client,
    JobFacts,
    KnownOperation,
    LeftJob,
    Life,
    has_token,
    makes,
    same_token,
    sameness,
    status_of,
)
from mockserver.sandbox.findings import Finding, Severity, finding
from mockserver.sandbox.journal import Entry
from mockserver.sandbox.sandbox import Sandbox

SHORTLY = 10.0  # seconds of the machine within which the same create again is looked at twice
MANY_AFTER_END = 3  # polls of an ended job from which a client does not know the end when it sees it
MANY_POLLS = 30  # of one job, from which it is asked whether they were needed
MANY_SAME = 10  # polls for each thing that they told
_MAY_RETRY = frozenset({408, 409, 425, 429})  # of the statuses from 400 to 499
_ODD_KINDS = frozenset({"malformed_body", "unsupported_media_type", "too_large", "too_many_headers"})
_PASSING = re.compile(rb"\d{9,}(\.\d+)?|\d{4}-\d\d-\d\dT[\d:.]+")  # instants: they differ though nothing has changed


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is found. `passed` is None where nothing was asked, so that nothing can be judged.

    `requests` were made; `creates` are those that made a job. `paid_twice` are creates that would have been paid for
    once more: the same again after an answer that was lost, broken or a 5xx, without the same Idempotency-Key.
    """

    findings: tuple[Finding, ...]
    jobs: tuple[JobFacts, ...]
    requests: int
    creates: int
    paid_twice: int
    journal_complete: bool

    @property
    def passed(self) -> bool | None:
        return None if not self.requests else not self._has(Severity.ERROR)

    def exit_code(self, strict: bool = False) -> int:
        """0: passed, 1: not, 2: nothing was asked. `strict`: warnings count as errors."""
        if self.passed is None:
            return 2
        return int(not self.passed or (strict and self._has(Severity.WARNING)))

    def as_data(self, strict: bool = False) -> dict[str, Any]:
        """All of it as JSON data; with `strict` warnings keep it from passing."""
        code = self.exit_code(strict)
        return {
            "passed": None if code == 2 else code == 0,
            "exit_code": code,
            "strict": strict,
            "journal_complete": self.journal_complete,
            "requests": self.requests,
            "creates": self.creates,
            "paid_twice": self.paid_twice,
            "findings": [finding.as_data for finding in self.findings],
            "jobs": [job.as_data for job in self.jobs],
        }

    def _has(self, severity: Severity) -> bool:
        return any(finding.severity is severity for finding in self.findings)


def lines_of(data: Mapping[str, Any]) -> Iterator[str]:
    """What `Verdict.as_data` holds, for a terminal."""
    for found in data["findings"]:
        times = f" ({found['count']} times)" if found["count"] > 1 else ""
        numbers = ", ".join(map(str, found["evidence"]))
        where = f" in {found['sandbox']}" if found["sandbox"] else ""
        told = f" [exchange{'s' if len(found['evidence']) > 1 else ''} {numbers}{where}]" if numbers else ""
        yield f"{found['severity']:<7} {found['code']} {found['title']}{times}{told}"
        for detail in found["details"]:
            yield f"          {detail}"
        yield f"          → {found['advice']}"
    for job in data["jobs"]:
        often = job["fastest_poll_ms"] is not None
        pace = f", every {job['median_poll_ms']:g} ms, the fastest after {job['fastest_poll_ms']:g} ms" if often else ""
        yield (
            f"job {job['id']}: {job['state']}, {job['polls']} poll{'' if job['polls'] == 1 else 's'}"
            f"{pace}; end {_not(job['end_seen'])}seen, result {_not(job['result_fetched'])}fetched"
        )
    if not data["journal_complete"]:
        yield "The journal is not complete: older exchanges had to make room, so that some findings may be missing."
    yield f"requests: {data['requests']}, jobs created: {data['creates']}, paid for twice: {data['paid_twice']}"
    counts = [sum(f["severity"] == s.value for f in data["findings"]) for s in Severity]
    summary = f"errors: {counts[0]}, warnings: {counts[1]}, notes: {counts[2]}"
    word = {None: "NOTHING TO JUDGE: no request was made", True: "PASSED", False: "FAILED"}[data["passed"]]
    yield word if data["passed"] is None else f"{word} ({summary})"


def _not(done: bool) -> str:
    return "" if done else "not "


# -- what is judged ---------------------------------------------------------------------------------


def verdict_on(sandboxes: Iterable[Sandbox], providers: Mapping[str, Provider]) -> Verdict:
    """A verdict on what the clients of some sandboxes did. `providers` are those that are served, by name."""
    kept = list(sandboxes)
    judge = judge_of(kept, providers)
    for each in kept:
        judge.look_at(case_of(each))
    return judge.verdict()


def judge_of(sandboxes: Iterable[Sandbox], providers: Mapping[str, Provider]) -> "Judge":
    """What gives a verdict on some sandboxes, once it has looked at each of them."""
    contracts = {name: provider.contract for name, provider in providers.items()}
    known = [each for name, contract in contracts.items() for each in known_operations(name, contract)]
    told = {contract.headers.get("poll-after", "").lower().encode() for contract in contracts.values()}
    return Judge(known, told - {b""}, frozenset(each.key for each in sandboxes))


def case_of(sandbox: Sandbox) -> Case:
    """What is judged about one sandbox."""
    now, journal = sandbox.now(), sandbox.journal
    left = []
    for provider, account in sandbox.accounts.items():
        for job in account.store:
            kind, timeline = job.kind.partition("\n")[0], job.timeline
            left.append(LeftJob(job.id, provider, kind, timeline.state_at(now).value, timeline.ended_at(now)))
    told = [each["job"] for each in sandbox.outbox.deliveries() if each["state"] == "delivered"]
    return Case(sandbox.id, tuple(journal), left, journal.dropped, sandbox.clock.rate, frozenset(told))


def known_operations(provider: str, contract: Contract) -> Iterator[KnownOperation]:
    """The operations of a contract."""
    for operation in contract.document.operations:
        resource, part = contract.parts.get(operation.name, (None, None))
        kind, action = (resource.name, part.action.value) if resource and part else ("", "")
        yield KnownOperation(provider, operation.name, action, kind, bool(part and part.ended is not None))


def verdict(
    cases: Iterable[Case],
    known: Iterable[KnownOperation] = (),
    poll_headers: Collection[bytes] = (),
    keys: frozenset[str] = frozenset(),
) -> Verdict:
    """A verdict on some cases, each judged by itself.

    `known` are the operations that could have been used, `poll_headers` the names, in lower case, of headers that say
    in milliseconds when to poll again. `keys` are masked in what is told.
    """
    judge = Judge(known, poll_headers, keys)
    for case in cases:
        judge.look_at(case)
    return judge.verdict()


class Judge:
    """Looks at one case after the other, then gives a verdict on all; see `verdict`."""

    def __init__(self, known: Iterable[KnownOperation], poll_headers: Collection[bytes], keys: frozenset[str]) -> None:
        self._known = list(known)
        self._poll_headers = frozenset(poll_headers)
        self._keys = keys
        self._findings: list[Finding] = []
        self._jobs: list[JobFacts] = []
        self._used: set[tuple[str, str]] = set()  # provider and operation
        self._complete = True
        self._requests = self._creates = self._paid_twice = 0

    def look_at(self, case: Case) -> None:
        """Judge one case."""
        client = Client(case, self._known, self._poll_headers)
        self._jobs += client.facts()
        self._requests += len(case.entries) + case.dropped
        self._creates += len(client.created)
        self._paid_twice += len(client.paid_twice)
        self._complete = self._complete and not case.dropped
        self._used.update((entry.provider, entry.operation) for entry in case.entries)
        for judge in _JUDGES:
            self._findings += (f for f in judge(client) if f.count)

    def verdict(self) -> Verdict:
        """The verdict on all cases that were looked at."""
        findings = list(self._findings)
        if self._complete:
            findings += (f for f in [_unused(self._used, self._known)] if f.count)
        masked = masking(frozenset(), self._keys)
        order = list(Severity)
        return Verdict(
            tuple(
                replace(f, details=tuple(map(masked.text, f.details)))
                for f in sorted(findings, key=lambda f: (order.index(f.severity), f.code, f.sandbox))
            ),
            tuple(self._jobs),
            self._requests,
            self._creates,
            self._paid_twice,
            self._complete,
        )


def _unused(used: Collection[tuple[str, str]], known: Sequence[KnownOperation]) -> Finding:
    """The operations that nobody used, of providers that somebody did."""
    providers = {provider for provider, _ in used}
    lines = []
    for each in known:
        if each.provider in providers and (each.provider, each.name) not in used:
            lines.append(f"{each.provider}: {each.name}" if len(providers) > 1 else each.name)
    return finding("V19", [], lines, count=len(lines))


def _named(entry: Entry) -> str:
    return entry.operation or f"{entry.method} {entry.path[:100]}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


# -- the rules --------------------------------------------------------------------------------------


def _polled_too_soon(client: Client) -> Iterator[Finding]:
    found, lines = [], []
    for life in client.lives.values():
        for earlier, later in zip(life.polls, life.polls[1:], strict=False):
            asked = client.asked(earlier) if status_of(earlier) < 400 else 0.0
            if asked and client.is_too_soon(earlier, later, asked):
                found.append(later)
                lines.append(f"{life.id}: asked {_ms(asked)}, waited {_ms(later.real - earlier.real)}")
    yield finding("V01", found, lines, client.case.sandbox)


def _polled_after_end(client: Client) -> Iterator[Finding]:
    found, lines, most = [], [], 0
    for life in client.lives.values():
        if life.told_end is None:
            continue
        gone = life.gone.number if life.gone else None
        after = [p for p in life.polls if p.number > life.told_end.number and not (gone and p.number > gone)]
        if after:
            found += after
            most = max(most, len(after))
            lines.append(f"{life.id}: {len(after)} more after exchange {life.told_end.number} told `{life.state}`")
    severity = Severity.ERROR if most >= MANY_AFTER_END else Severity.WARNING
    yield finding("V02", found, lines, client.case.sandbox, severity=severity)


def _used_too_early(client: Client) -> Iterator[Finding]:
    found = [e for e in client.entries if e.refusal == "not_ready" and e.action in FETCHES | STARTS and _own(e)]
    lines = [f"{entry.operation or entry.path}: {entry.job} was {entry.state}" for entry in found if entry.job]
    yield finding("V03", found, lines, client.case.sandbox)


def _own(entry: Entry) -> bool:
    """Whether a refusal is the client's doing, not a scenario's."""
    return not entry.planned


def _used_failed(client: Client) -> Iterator[Finding]:
    found = [e for e in client.entries if e.refusal == "failed_content" and e.action in FETCHES and _own(e)]
    lines = [f"{entry.operation or entry.path}: {entry.job} was {entry.state}" for entry in found if entry.job]
    yield finding("V10", found, lines, client.case.sandbox)


def _sent_again(client: Client) -> Iterator[Finding]:
    """The same request again: after a refusal that will not change (V04), or sooner than Retry-After says (V05)."""
    before: dict[Any, Entry] = {}
    refused, hasty, why, how = [], [], [], []
    for entry in client.entries:
        same = sameness(entry)
        earlier, before[same] = before.get(same), entry
        if earlier is None or earlier.fault in CUT:
            continue
        status = status_of(earlier)
        if _is_final(earlier) and same_token(earlier, entry):
            refused.append(entry)
            why.append(f"{_named(entry)} after {status} {earlier.refusal}".rstrip())
        asked = client.asked(earlier, retry_only=True) if status >= 400 else 0.0
        if asked and client.is_too_soon(earlier, entry, asked):
            hasty.append(entry)
            waited = _ms(entry.real - earlier.real)
            how.append(f"{_named(entry)}: sent again {waited} after a {status} that asked for {_ms(asked)}")
    yield finding("V04", refused, why, client.case.sandbox)
    yield finding("V05", hasty, how, client.case.sandbox)


def _is_final(entry: Entry) -> bool:
    """Whether a request was refused in a way that will not change; a job that is not ready will be."""
    status = status_of(entry)
    return 400 <= status < 500 and not _MAY_RETRY & {status, REFUSALS.get(entry.refusal)}


def _made_twice(client: Client) -> Iterator[Finding]:
    lines, quick = [], []
    for earlier, later in client.copies:
        if later in client.paid_twice:
            broken = earlier.fault or ("bent by a drift" if earlier.drifts else "")
            why = f"its answer was {broken}" if broken else f"after a {status_of(earlier)}"
            lines.append(f"{_named(later)}: exchange {later.number} repeats {earlier.number} ({why})")
        elif makes(earlier) and makes(later) and later.real - earlier.real <= SHORTLY:
            quick.append(later)
    yield finding("V06", client.paid_twice, lines, client.case.sandbox)
    yield finding("V07", quick, (f"{_named(e)}: {e.job}" for e in quick), client.case.sandbox)


def _whole(client: Client) -> Iterator[Life]:
    """The jobs of which all is known that was asked about them."""
    return (life for life in client.lives.values() if not client.case.dropped or life.created is not None)


def _left_behind(client: Client) -> Iterator[Finding]:
    """What was not done about jobs: one job earns one finding."""
    evidence: dict[str, list[Entry]] = defaultdict(list)
    lines: dict[str, list[str]] = defaultdict(list)
    for life in _whole(client):
        code, line = _neglect(client, life)
        if code:
            last = life.polls[-1] if life.polls else life.created
            evidence[code] += [last] if last else []
            lines[code].append(line)
    for code in ("V08", "V09", "V11", "V12"):
        yield finding(code, evidence[code], lines[code], client.case.sandbox, count=len(lines[code]))


def _neglect(client: Client, life: Life) -> tuple[str, str]:
    asked = f"{len(life.polls)} poll{'' if len(life.polls) == 1 else 's'}"
    if not life.end_seen and life.polls and life.touched is not None:
        last = life.polls[-1]
        status = status_of(last)
        if last.fault in CUT or status == 429 or status >= 500:
            how = last.fault if last.fault in CUT else str(status)
            return "V08", f"{life.id}: never asked about again after exchange {last.number} ({how})"
    if not life.end_seen and life.is_left and life.ended is None:
        return "V12", f"{life.id}: {life.state} after {asked}"
    if not life.end_seen and life.is_left and life.state == "failed":
        return "V09", f"{life.id}: it has failed, which none of {asked} told"
    fetchable = client.can(life, Action.CONTENT) or client.can(life, Action.RESULT)
    if life.state == "succeeded" and fetchable and not life.fetches:
        return "V11", f"{life.id}: {asked}, the end was {'' if life.end_seen else 'never '}seen"
    if life.state == "succeeded" and life.is_left and not life.end_seen:
        return "V11", f"{life.id}: {asked}, the end was never seen, and so no result was found"
    return "", ""


def _left_undeleted(client: Client) -> Iterator[Finding]:
    left = [life for life in client.lives.values() if life.is_left and life.ended is not None]
    left = [life for life in left if client.can(life, Action.DELETE)]
    made = [life.created for life in left if life.created]
    lines = [f"{life.id}: {life.state}" for life in left]
    yield finding("V13", made, lines, client.case.sandbox, count=len(left))


def _invalid(client: Client) -> Iterator[Finding]:
    wrong = [e for e in client.entries if e.violations or (e.refusal in _ODD_KINDS and _own(e))]
    groups: dict[str, int] = defaultdict(int)
    for entry in wrong:
        for place, name, kind, _, expected in entry.violations or [("", "", entry.refusal, "", "")]:
            what = f"{place} {name}".strip()
            told = f": expected {expected}" if expected else ""
            groups[f"{_named(entry)}: {what}{' ' if what else ''}({kind}){told}"] += 1
    lines = [f"{line}{f', {count} times' if count > 1 else ''}" for line, count in groups.items()]
    yield finding("V14", wrong, lines, client.case.sandbox)


def _unknown(client: Client) -> Iterator[Finding]:
    found = [e for e in client.entries if e.refusal in ("unknown_path", "method_not_allowed") and _own(e)]
    lines = (f"{entry.method} {entry.path[:100]}" for entry in found)
    yield finding("V15", found, lines, client.case.sandbox)


def _refused_keys(client: Client) -> Iterator[Finding]:
    found = [e for e in client.entries if e.refusal in ("refused_key", "unauthenticated") and _own(e)]
    lines = (f"{_named(e)}: {'the key is refused' if e.refusal == 'refused_key' else 'no usable key'}" for e in found)
    yield finding("V16", found, lines, client.case.sandbox)


def _polled_too_often(client: Client) -> Iterator[Finding]:
    found, lines = [], []
    for life in client.lives.values():
        if len(life.polls) < MANY_POLLS:
            continue
        advised = [(a, b) for a, b in zip(life.polls, life.polls[1:], strict=False) if client.asked(a)]
        kept = sum(not client.is_too_soon(a, b, client.asked(a)) for a, b in advised)
        told = {_PASSING.sub(b"", poll.answer) for poll in life.polls}
        if len(life.polls) > MANY_SAME * len(told) and kept <= len(life.polls) / 2:
            found.append(life.polls[-1])
            lines.append(f"{life.id}: {len(life.polls)} polls told {len(told)} different things")
    yield finding("V17", found, lines, client.case.sandbox)


def _without_token(client: Client) -> Iterator[Finding]:
    found = [entry for entry in client.created if not has_token(entry)]
    yield finding("V18", found, (), client.case.sandbox)


_JUDGES: tuple[Callable[[Client], Iterator[Finding]], ...] = (
    _polled_too_soon,
    _polled_after_end,
    _used_too_early,
    _used_failed,
    _sent_again,
    _made_twice,
    _left_behind,
    _left_undeleted,
    _invalid,
    _unknown,
    _refused_keys,
    _polled_too_often,
    _without_token,
)
