"""What a job costs: by the prices that a user gives, else by those that the contract's `x-job` declares."""

import re
from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

from contract_tests.playing.calls import Calls, Way, creates_of
from mockserver.jobs.resource import STARTS, Action, JobOperation, JobResource
from mockserver.openapi.document import Operation
from mockserver.openapi.schema import union_of

ANY = "*"  # stands for all that has no price of its own
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*s?\s*")


class Prices:
    """The prices of one contract's jobs. `given` are those of a user: a job's, by operation (name or id) or model."""

    def __init__(self, calls: Calls, given: Mapping[str, float]) -> None:
        contract = calls.contract
        self._calls = calls
        self._contract = contract
        self._given = given
        self._sources: dict[str, Way | None] = {}
        self._declared = {resource.name: resource.prices for resource in contract.resources if resource.prices}

    @property
    def are_known(self) -> bool:
        """Whether anything has a price."""
        return bool(self._given or self._declared)

    @property
    def currency(self) -> str:
        """What declared prices are in, '' where a user gave them."""
        return "" if self._given else next((prices.currency for prices in self._declared.values()), "")

    def of(self, part: JobOperation, body: Any) -> float | None:
        """What the job of a request costs at the most; None where nobody says.

        A model or a length that cannot be told from the request (a broken one may be taken all the same) counts as the
        dearest that there is.
        """
        operation, resource = part.operation, next(r for r in self._contract.resources if part in r.operations)
        model = self._input(resource, part, body, "model")
        if self._given:
            names = (operation.name, operation.id, str(model), ANY)
            return next((self._given[name] for name in names if name in self._given), None)
        prices = self._declared.get(resource.name)
        if prices is None:
            return None
        dearest = max(prices.models.values())
        others = prices.models.get(ANY, dearest) if isinstance(model, str) else dearest
        price = prices.models.get(str(model), others)
        if not prices.per_second:
            return price
        told = _AMOUNT.fullmatch(str(self._input(resource, part, body, "length")))
        longest = self._longest(resource)
        asked = float(told[1]) if told else 0.0  # which some take for their usual length
        seconds = min(asked, longest or inf) if asked else longest  # nobody makes a film of 12,345 s
        return None if seconds is None else round(price * seconds, 6)

    def of_any(self, operation: Operation) -> float | None:
        """What a request of an operation costs that starts no job, if a user says so."""
        return next((self._given[name] for name in (operation.name, operation.id, ANY) if name in self._given), None)

    def _input(self, resource: JobResource, part: JobOperation, body: Any, role: str) -> Any:
        """What a request says for a role (model, length), or what stands for it where it says nothing."""
        vocabulary, fields = self._contract.vocabulary, body if isinstance(body, dict) else {}
        if name := vocabulary.best("inputs", role, list(fields)):
            return fields[name]
        for name, schema in self._fields(part):
            if vocabulary.rank("inputs", role, name) is not None:
                return union_of(self._contract.document, schema).get("default")
        source = self._source(resource) if part.action is Action.FOLLOW_UP else None
        return self._input(resource, source[0], source[2], role) if source else None

    def _source(self, resource: JobResource) -> Way | None:
        """How the job was created that a follow-up starts from; those that are created here are all alike."""
        if resource.name not in self._sources:
            self._sources[resource.name] = next(iter(creates_of(self._calls, resource)), None)
        return self._sources[resource.name]

    def _longest(self, resource: JobResource) -> float | None:
        """The longest job that can be asked for, in seconds."""
        found: list[float] = []
        for part in resource.operations:
            for name, schema in self._fields(part) if part.action in STARTS else ():
                if self._contract.vocabulary.rank("inputs", "length", name) is None:
                    continue
                shape = union_of(self._contract.document, schema)
                told = [_AMOUNT.fullmatch(str(value)) for value in shape.constants or ()]
                found += [float(each[1]) for each in told if each]
                most = shape.number("maximum")
                found += [] if most is None else [float(most)]
        return max(found, default=None)

    def _fields(self, part: JobOperation) -> Iterator[tuple[str, Any]]:
        for node in part.operation.body.values():
            yield from union_of(self._contract.document, node.get("schema") or {}).properties.items()
