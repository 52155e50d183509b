"""Profiles: how long the parts of a job's life take, read strictly from data."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mockserver.errors import DeclarationError

Range = tuple[float, float]
KEYS = {"queue", "run", "progress-steps", "expires-after", "tick", "failure-rate", "models"}


@dataclass(frozen=True, slots=True)
class Profile:
    """Durations in seconds; `queue` and `run` are ranges that are drawn from evenly.

    `expires_after` counts from success (None: never); `tick` is the grid on which changes show (0: none);
    `models` holds the profiles of single models.
    """

    queue: Range
    run: Range
    progress_steps: int = 10
    expires_after: float | None = None
    tick: float = 0.0
    failure_rate: float = 0.0
    models: Mapping[str, "Profile"] = field(default_factory=dict)

    def for_model(self, model: Any) -> "Profile":
        """The profile of a model, or this one."""
        return self.models.get(model, self) if isinstance(model, str) else self


def read_profiles(data: Any, where: str) -> dict[str, Profile]:
    """The named profiles of a data file. Raises DeclarationError."""
    if not isinstance(data, dict) or "default" not in data:
        raise DeclarationError(f"{where}: expected a map of profiles, one of them named `default`.")
    return {name: read_profile(entry, None, f"{where}: {name}") for name, entry in data.items()}


def read_profile(data: Any, parent: Profile | None, where: str) -> Profile:
    """One profile; what it leaves out comes from `parent`. Raises DeclarationError."""
    if not isinstance(data, dict):
        raise DeclarationError(f"{where}: expected a map with the keys {sorted(KEYS)}.")
    if unknown := set(data) - KEYS:
        raise DeclarationError(f"{where}: unknown keys {sorted(unknown)}; known are {sorted(KEYS)}.")
    profile = parent or Profile(_range(data, "queue", where), _range(data, "run", where))
    if "queue" in data:
        profile = replace(profile, queue=_range(data, "queue", where))
    if "run" in data:
        profile = replace(profile, run=_range(data, "run", where))
    if "progress-steps" in data:
        profile = replace(profile, progress_steps=int(_number(data, "progress-steps", where, 1)))
    if "expires-after" in data:
        never = data["expires-after"] is None
        profile = replace(profile, expires_after=None if never else _number(data, "expires-after", where, 0))
    if "tick" in data:
        profile = replace(profile, tick=_number(data, "tick", where, 0))
    if "failure-rate" in data:
        profile = replace(profile, failure_rate=_number(data, "failure-rate", where, 0, 1))
    single = replace(profile, models={})
    models = data.get("models") or {}
    if not isinstance(models, dict):
        raise DeclarationError(f"{where}: `models` is {models!r}, expected a map of model to profile.")
    by_model = {name: read_profile(entry, single, f"{where}.models.{name}") for name, entry in models.items()}
    return replace(profile, models=by_model or profile.models)


def _number(data: dict[str, Any], key: str, where: str, low: float, high: float = float("inf")) -> float:
    value = data[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        bounds = f"of {low} or more" if high == float("inf") else f"from {low} to {high}"
        raise DeclarationError(f"{where}: `{key}` is {value!r}, expected a number {bounds}.")
    return value


def _range(data: dict[str, Any], key: str, where: str) -> Range:
    value = data.get(key)
    numbers = isinstance(value, list) and len(value) == 2 and all(isinstance(v, (int, float)) for v in value)
    if not numbers or not value or not 0 <= value[0] <= value[1]:
        raise DeclarationError(f"{where}: `{key}` is {value!r}, expected [least, most] in seconds.")
    return float(value[0]), float(value[1])
