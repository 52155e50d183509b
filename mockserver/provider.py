"""A provider: a contract under a name."""

from dataclasses import dataclass

from mockserver.jobs.resource import Contract


@dataclass(frozen=True, slots=True)
class Provider:
    """A contract, ready to be served; `name` is its folder or file and the first part of its paths."""

    name: str
    contract: Contract
