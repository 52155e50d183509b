"""Scenarios and drifts from files: the bundled ones, and the user's own."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from mockserver.errors import DeclarationError
from mockserver.jobs.declaration import REFUSALS
from mockserver.loading.providers import bundled
from mockserver.loading.trees import read_tree
from mockserver.plans.drift import Drift, read_drifts
from mockserver.plans.scenario import Scenario, read_scenarios


def load_scenarios(files: Sequence[str] = ()) -> Mapping[str, Scenario]:
    """All scenarios by name: the bundled ones, then those of `files`, which may replace them."""
    found = dict(_bundled_scenarios())
    for file in files:
        found.update(read_scenarios(_read(Path(file)), frozenset(REFUSALS), file))
    return found


def load_drifts(files: Sequence[str] = ()) -> Mapping[str, Drift]:
    """All drifts by name: the bundled ones, what is odd and legal, then those of `files`, which may replace them.

    Raises MockserverError.
    """
    found = {**_bundled_drifts(), **_bundled_oddities()}
    for file in files:
        found.update(read_drifts(_read(Path(file)), file))
    return found


@cache
def pytest_defaults() -> Mapping[str, Any]:
    """What the pytest plugin does where nothing else is said: spec, clock, and the variables `url` and `key`."""
    found: Mapping[str, Any] = read_tree(bundled("fixtures") / "pytest.yaml")
    return found


@cache
def _bundled_scenarios() -> Mapping[str, Scenario]:
    found: dict[str, Scenario] = {}
    for path in sorted((bundled("fixtures") / "scenarios").glob("*.yaml")):
        for name, scenario in read_scenarios(_read(path), frozenset(REFUSALS), path.name).items():
            if name in found:
                raise DeclarationError(f"{path.name}: {name}: another file has a scenario of this name.")
            found[name] = scenario
    return found


@cache
def _bundled_drifts() -> Mapping[str, Drift]:
    return read_drifts(_read(bundled("fixtures") / "drifts.yaml"), "drifts.yaml")


@cache
def _bundled_oddities() -> Mapping[str, Drift]:
    return read_drifts(_read(bundled("fixtures") / "oddities.yaml"), "oddities.yaml")


def _read(path: Path) -> Any:
    return read_tree(path)
