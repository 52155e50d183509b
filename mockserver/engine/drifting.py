"""Answers that break the contract on purpose."""

from collections.abc import Callable, Iterable

from mockserver.engine.departures import Departures, tells_more
from mockserver.engine.drafts import NO_JSON, Draft, is_list
from mockserver.engine.oddities import is_declared
from mockserver.engine.pardoning import pardoned
from mockserver.engine.refusal import Refuser
from mockserver.jobs.resource import STARTS, Contract
from mockserver.message import Request, Response
from mockserver.openapi.schema import Validator
from mockserver.plans.drift import ANY, ERRORS, Change, Drift
from mockserver.sandbox.exchange import Exchange

Again = Callable[[Exchange, Request], tuple[Response, Exchange] | None]


class Drifter:
    """Applies drifts to the answers of one contract."""

    def __init__(self, contract: Contract, again: Again = lambda exchange, request: None) -> None:
        """`again` gives the answer that another request would get, counted nowhere; None for a refusal."""
        self._contract = contract
        self._again = again
        self._departures = Departures(Refuser(contract))
        self._validators: dict[str, Validator | None] = {}

    def apply(self, drifts: Iterable[Drift], response: Response, exchange: Exchange) -> Response:
        """The response with all departures that concern it; the same response if there are none."""
        marks = exchange.marks
        if marks is not None and marks.fault is not None and marks.fault.kind == "reset":
            return response
        is_error = bool(marks and marks.refusal) or response.status >= 400
        known = {drift.name: drift for drift in drifts}.values()  # one can be on for the key and for the server
        concerned = [drift for drift in known if self._is_about(drift, exchange, is_error)]
        if not concerned:
            return response
        draft = Draft(self._contract, response, exchange, is_error)
        applied = []
        for drift in concerned:
            if self._applied(drift, draft) if not drift.is_legal else self._legally_applied(drift, draft):
                applied.append(drift.name)
        if not applied:
            return response
        exchange.marked.drifts = tuple(applied)
        return draft.response(response)

    def _is_about(self, drift: Drift, exchange: Exchange, is_error: bool) -> bool:
        """Whether a drift touches answers such as this one."""
        when = drift.when
        kind = exchange.marks.refusal if exchange.marks else ""
        if is_error:
            is_told = ERRORS in drift.actions or (when.refusals is not None and exchange.action in drift.actions)
            if not is_told or not (when.refusals is None or ANY in when.refusals or kind in when.refusals):
                return False
        elif when.refusals is not None or exchange.action not in drift.actions:
            return False
        if when.methods is not None and exchange.request.method not in when.methods:
            return False
        return not (when.keyless and self._has_key(exchange.request))

    def _has_key(self, request: Request) -> bool:
        """Whether a request brought anything that could be a key."""
        schemes = (self._contract.document.root.get("components") or {}).get("securitySchemes") or {}
        declared = [scheme for scheme in schemes.values() if isinstance(scheme, dict)]
        names = {str(scheme.get("name", "")).lower().encode() for scheme in declared if scheme.get("in") == "header"}
        return any(name in request.headers for name in {b"authorization", *names})

    def _applied(self, drift: Drift, draft: Draft) -> bool:
        """Let a drift change an answer; whether it did."""
        when, exchange = drift.when, draft.exchange
        state = exchange.job.timeline.state_at(exchange.now) if exchange.job else None
        if when.states is not None and not is_list(draft) and state not in when.states:
            return False
        number = 1
        if when.counts or _is_numbered(drift):
            number = _count(drift, exchange)
            if not when.is_due(number):
                return False
        changed = False
        for change in drift.changes:
            if change.kind == "ask":
                changed |= self._ask(change, draft)
            else:
                changed |= self._departures.make(change, draft, when, number)
        return changed

    def _legally_applied(self, drift: Drift, draft: Draft) -> bool:
        """The same for an oddity: where it would make an answer invalid, the answer stays as it was."""
        first = Response(draft.status, draft.headers, draft.body)
        before = draft.response(first)
        was_declared = is_declared(draft, self._validators)
        if not self._applied(drift, draft):
            return False
        if was_declared and not draft.is_error and draft.value is not NO_JSON and not self._is_declared(draft):
            draft.take(before)
            return False
        return True

    def _is_declared(self, draft: Draft) -> bool:
        return is_declared(draft, self._validators)

    def _ask(self, change: Change, draft: Draft) -> bool:
        """The answer that the same request would get if it were written otherwise."""
        exchange = draft.exchange
        request = pardoned(exchange, self._contract, change.options)
        found = self._again(exchange, request) if request is not None else None
        if found is None:
            return False
        response, other = found
        if (response.status, response.body) == (draft.status, draft.body):
            return False
        if change.options["limit"] and not tells_more(Draft(self._contract, response, exchange, False)):
            return False  # who reads it could not know that there is more
        if change.options["mend"]:
            exchange.marked.refusal = ""
        exchange.job = other.job or exchange.job
        draft.is_error = False
        draft.replace(response)
        return True


def _is_numbered(drift: Drift) -> bool:
    """Whether what it writes tells the number of the answer."""
    return any("{count}" in str(change.options) for change in drift.changes)


def _count(drift: Drift, exchange: Exchange) -> int:
    """The number of this answer among those about one job that the drift is about."""
    starts = {action.value for action in STARTS}
    is_about_one = exchange.job is not None and not drift.actions <= starts  # of creates each is about another job
    subject = exchange.job.id if exchange.job is not None and is_about_one else exchange.request.path
    return exchange.sandbox.count(("drift", drift.name, subject))
