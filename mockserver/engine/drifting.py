"""Answers that break the contract on purpose."""

from mockserver.jobs.resource import Contract
from mockserver.message import Response
from mockserver.plans.drift import Drift
from mockserver.sandbox.exchange import Exchange


class Drifter:
    """Applies drifts to the answers of one contract."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    def apply(self, drifts: list[Drift], response: Response, exchange: Exchange) -> Response:
        """The response with all departures that concern it."""
        return response
