"""Laws of keys: without a good one nothing is served, and nobody's jobs are anybody else's."""

from collections.abc import Collection, Iterator

from contract_tests.finding import Deviation, Severity, Unjudged
from contract_tests.history import Exchange, History, Purpose
from contract_tests.laws import law
from contract_tests.laws.lists import page_of
from contract_tests.laws.seen import (
    came_too_often,
    declared_status,
    each,
    is_good,
    operations,
    says_undeleted,
    shows,
    shows_job,
    status_of,
)
from contract_tests.playing.seeing import bare_id
from mockserver.jobs.resource import Action

_READS = (Action.RETRIEVE, Action.RESULT, "")  # '': what is no job
SHORTEST_SECRET = 12  # characters; a shorter one may stand in an answer by chance


@law("KEY001", "A request without a key is refused", Severity.SILENT, level="working", needs=(Purpose.NO_KEY,))
def missing_key_is_refused(history: History) -> Iterator[Deviation | Unjudged]:
    return _refused(history, Purpose.NO_KEY, "a request without a key")


@law("KEY002", "A request with a wrong key is refused", Severity.SILENT, level="working", needs=(Purpose.BAD_KEY,))
def wrong_key_is_refused(history: History) -> Iterator[Deviation | Unjudged]:
    return _refused(history, Purpose.BAD_KEY, "a request with a wrong key")


@law("KEY003", "A missing or wrong key is refused with the status that is declared for it", Severity.VIOLATION)
def refusal_is_declared(history: History) -> Iterator[Deviation | Unjudged]:
    def check(exchange: Exchange) -> Deviation | None:
        status, wanted = status_of(history, exchange), _wanted(history, exchange)
        if 400 <= status < 500 and status not in wanted:
            told = " or ".join(map(str, sorted(wanted)))
            return shows(
                history, exchange, f"{exchange.purpose} was answered {status}, declared is {told}", str(status)
            )
        return None

    known = [e for e in _asked(history, Purpose.NO_KEY, Purpose.BAD_KEY) if _wanted(history, e)]
    return each(known, check, "no status is declared for a missing key, or none was tried")


@law("KEY004", "Another key cannot read a job", Severity.SILENT, needs=(Purpose.SECOND_KEY,))
def others_cannot_read(history: History) -> Iterator[Deviation | Unjudged]:
    """Nor anything else that was made with the first one."""
    return _private(history, _READS, "another key was shown it")


@law("KEY005", "Another key cannot fetch a job's result", Severity.SILENT, needs=(Purpose.SECOND_KEY,))
def others_cannot_fetch(history: History) -> Iterator[Deviation | Unjudged]:
    return _private(history, {Action.CONTENT}, "another key was sent the result")


@law("KEY006", "Another key cannot change or delete a job", Severity.SILENT, needs=(Purpose.SECOND_KEY,))
def others_cannot_change(history: History) -> Iterator[Deviation | Unjudged]:
    changes = {Action.DELETE, Action.CANCEL, Action.FOLLOW_UP}
    return _private(history, changes, "another key's request was served")


@law("KEY007", "Another key does not find a job in its list", Severity.SILENT, needs=(Purpose.SECOND_KEY,))
def others_do_not_list(history: History) -> Iterator[Deviation | Unjudged]:
    def check(exchange: Exchange) -> Deviation | None:
        page = page_of(history, exchange)
        listed = {str(bare_id(story.resource, id)) for story in history.jobs for id in (page.ids if page else ())}
        if any(story.id in listed for story in history.jobs):
            return shows(history, exchange, "a job of the first key stands in the list of another", "list")
        return None

    lists = [e for e in _asked(history, Purpose.SECOND_KEY) if e.action == Action.LIST and is_good(history, e)]
    return each(lists if history.jobs else [], check, "no list was fetched with another key")


@law("KEY009", "The scheme of a key is read in any letters", Severity.WARNING, needs=(Purpose.SCHEME_SPELLED,))
def scheme_is_read_in_any_letters(history: History) -> Iterator[Deviation | Unjudged]:
    """RFC 9110, 11.1. Libraries differ in how they write it."""

    def check(exchange: Exchange) -> Deviation | None:
        if status_of(history, exchange) in (401, 403):
            message = f"the right key was answered {exchange.status} when its scheme was written in other letters"
            return shows(history, exchange, message, "letters")
        return None

    return each(_asked(history, Purpose.SCHEME_SPELLED), check, "no key is sent under a scheme")


@law("KEY008", "An answer does not show the key", Severity.WARNING)
def key_is_not_shown(history: History) -> Iterator[Deviation | Unjudged]:
    schemes = (history.contract.document.root.get("components") or {}).get("securitySchemes") or {}
    resolved = [history.contract.document.resolve(scheme) for scheme in schemes.values()]
    names = {"authorization"} | {str(s.get("name")).lower() for s in resolved if isinstance(s, dict) and "name" in s}

    def check(exchange: Exchange) -> Deviation | None:
        headers = [value for name, value in exchange.request_headers if name.lower() in names]
        secrets = [value.split()[-1] for value in headers if value.strip()]
        shown = any(len(s) >= SHORTEST_SECRET and s.encode() in exchange.body for s in secrets)
        return shows(history, exchange, "the answer holds the key that was sent", "key") if shown else None

    is_masked = any("***" in value for e in history.asked for name, value in e.request_headers if name.lower() in names)
    answered = [] if is_masked else [e for e in history.asked if e.status]
    return each(answered, check, "no request was answered, or the keys are masked in what was recorded")


def _asked(history: History, *purposes: str) -> list[Exchange]:
    return [e for e in history.of(*purposes) if not came_too_often(history, e)]


def _refused(history: History, purpose: str, what: str) -> Iterator[Deviation | Unjudged]:
    """Deviations of operations that declare security; an operation that declares none may be open to all."""

    def check(exchange: Exchange) -> Deviation | None:
        if status_of(history, exchange) < 300:
            how = f"{what} ({exchange.detail})" if exchange.detail else what
            return shows(history, exchange, f"{how} was answered {exchange.status}", exchange.detail)
        return None

    known = operations(history)
    asked = [e for e in _asked(history, purpose) if e.operation in known and _is_closed(known[e.operation].security)]
    return each(asked, check, f"{what} was not sent, or the contract declares no security")


def _is_closed(security: tuple[dict[str, object], ...]) -> bool:
    return bool(security) and all(security)


def _wanted(history: History, exchange: Exchange) -> set[int]:
    """The statuses that a contract declares for a missing or a wrong key; nothing where it declares none."""
    operation = operations(history).get(exchange.operation)
    if operation is None or not _is_closed(operation.security):
        return set()
    numbers = {int(a.status) for a in operation.answers if a.status in ("401", "403")}
    kind = "unauthenticated" if exchange.purpose == Purpose.NO_KEY else "refused_key"
    told = declared_status(history, kind)
    return numbers or ({told} if told else set())


def _private(history: History, actions: Collection[str], what: str) -> Iterator[Deviation | Unjudged]:
    def check(exchange: Exchange) -> Deviation | None:
        # 200 with nothing of the job in it is wrong, too; but its schema has a law, and nobody was shown anything.
        is_empty = exchange.action in _READS and not shows_job(history, exchange)
        if not is_good(history, exchange) or is_empty or says_undeleted(exchange):
            return None
        return shows(history, exchange, f"{what} ({exchange.status})", exchange.action)

    known = {story.id for story in history.jobs} | {e.job for e in history.of(Purpose.OTHER)}  # others are nobody's
    asked = [e for e in _asked(history, Purpose.SECOND_KEY) if e.action in actions and e.job in known]
    return each(asked, check, "no other key asked for a job that way")
