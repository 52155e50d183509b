"""Drifts: named departures from the contract, read strictly from data. docs/drifts.md tells the format."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Drift:
    """One departure: `code` is stable, `change` says what is done to answers of some `actions`."""

    name: str
    code: str
    summary: str
    source: str
    actions: frozenset[str]
    change: Mapping[str, Any]


def read_drifts(data: Any, where: str) -> dict[str, Drift]:
    """The drifts of a data file, by name. Raises DeclarationError."""
    return {}
