"""What a run would send at the worst, and what that may cost, without sending anything."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from contract_tests.contract import ContractUnderTest
from contract_tests.history import (
    Purpose,
)
from contract_tests.playing.budget import Budget
from contract_tests.playing.calls import Calls, creates_of, media_types
from contract_tests.playing.others import others_of, pairs_of
from contract_tests.playing.player import Options
from contract_tests.playing.prices import Prices
from contract_tests.playing.probes import MOST_BOUNDS, MOST_WRONG
from mockserver.jobs.resource import STARTS, Action, JobOperation
from mockserver.openapi.document import is_json


@dataclass(frozen=True, slots=True)
class Planned:
    """Requests of one operation for one purpose. `may_cost`: each could create a job; `price` of one, if known."""

    purpose: str
    operation: str
    times: int
    may_cost: bool
    price: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would send. `jobs` is how many would be created at the worst, `spend` what they cost, if known."""

    requests: tuple[Planned, ...]
    jobs: int
    spend: float | None
    currency: str = ""


def plan(contract: ContractUnderTest, options: Options, budget: Budget) -> Plan:
    """The requests that may cost money, and what stands for all others, without sending any.

    The numbers are upper bounds: what is refused costs nothing, and the budget ends what it does not cover.
    """
    calls = Calls(contract)
    prices = Prices(calls, budget.prices)
    found: list[Planned] = []
    for resource in contract.resources[: options.kinds]:
        ways = creates_of(calls, resource)
        wanted = max(options.several, min(len(ways), 2 * options.several)) if ways else 0
        for number in range(wanted):
            part, media_type, body = ways[number % len(ways)]
            if number == 2 and media_type:
                schema = part.operation.body[media_type].get("schema") or {}
                body = calls.bodies.varied(schema, body) or body
            found.append(_planned(prices, Purpose.CREATE, part, body, 1))
        for part in resource.operations:
            if part.action in STARTS:
                body, _ = calls.body_for(part.operation, part)
                if part.action is Action.FOLLOW_UP:
                    found.append(_planned(prices, Purpose.FOLLOW_UP, part, body, 1))
                found += _planned_probes(calls, prices, options, part, body)
            else:
                found.append(Planned(str(part.action), part.operation.name, 1, may_cost=False))
    for operation in others_of(contract):
        if operation.method != "GET" and not calls.is_open(operation):
            found.append(Planned(Purpose.NO_KEY, operation.name, 1, True, prices.of_any(operation)))
            found.append(Planned(Purpose.BAD_KEY, operation.name, 1, True, prices.of_any(operation)))
    for operation, _ in pairs_of(contract):
        found.append(Planned(Purpose.OTHER, operation.name, 1, True, prices.of_any(operation)))
    merged: dict[Planned, int] = {}
    for each in found:
        if not (each.may_cost and budget.is_read_only):
            alike = replace(each, times=0)
            merged[alike] = merged.get(alike, 0) + each.times
    requests = tuple(replace(each, times=times) for each, times in merged.items())
    costly = [each for each in requests if each.may_cost]
    jobs = sum(each.times for each in costly)
    amounts = [each.price for each in costly for _ in range(each.times)]
    spend = None
    if budget.max_jobs is not None:
        jobs = min(jobs, budget.max_jobs)
    if all(price is not None for price in amounts):
        spend = sum(sorted((price or 0.0 for price in amounts), reverse=True)[:jobs])
    if budget.max_spend is not None:
        spend = budget.max_spend if spend is None else min(spend, budget.max_spend)
    return Plan(requests, jobs, spend, prices.currency)


def _planned_probes(
    calls: Calls, prices: Prices, options: Options, part: JobOperation, usual: Any
) -> Iterator[Planned]:
    operation = part.operation

    def planned(purpose: str, times: int) -> Planned:
        return _planned(prices, purpose, part, usual, times)

    if not calls.is_open(operation):
        yield planned(Purpose.NO_KEY, 1)
        yield planned(Purpose.BAD_KEY, 2)
        if options.second_key and part.id_place:
            yield planned(Purpose.SECOND_KEY, 1)
    yield planned(Purpose.WRONG_METHOD, 1)
    if part.id_place:
        yield planned(Purpose.UNKNOWN_ID, 1)
        yield planned(Purpose.AFTER_DELETE, 1)
    if any(is_json(name) for name in operation.body):
        yield planned(Purpose.BROKEN_JSON, 3)
    if operation.body:
        yield planned(Purpose.WRONG_TYPE, 2)
    for name in media_types(operation)[: 2 if part.action is Action.CREATE else 1]:
        body, media_type = calls.body_for(operation, part, name)
        if media_type:
            schema, is_form = operation.body[name].get("schema") or {}, not is_json(name)
            made_by = calls.bodies
            ways = [(Purpose.INVALID, made_by.broken, MOST_WRONG), (Purpose.ODD_INPUT, made_by.odd, MOST_WRONG),
                    (Purpose.BOUND, made_by.at_bounds, MOST_BOUNDS)]  # fmt: skip
            for purpose, made, most in ways if part.action is Action.CREATE else ways[:1]:
                for each in made(schema, body, is_form)[:most]:
                    yield _planned(prices, purpose, part, each.body, 1)


def _planned(prices: Prices, purpose: str, part: JobOperation, body: Any, times: int) -> Planned:
    return Planned(purpose, part.operation.name, times, True, prices.of(part, body))
