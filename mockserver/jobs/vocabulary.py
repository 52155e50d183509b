"""The words of a contract, looked up: which state a status word means, which role a field's name suggests."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mockserver.jobs.lifecycle import State

_NOT_RANKED = {"states", "headers", "refused keys", "sample values", "stream ends"}
_SEPARATORS = re.compile(r"[^0-9a-zA-Z]+")


def plain(word: str) -> str:
    """A word as it is compared: lower case, without separators (`In-Progress`, `in_progress` → `inprogress`)."""
    return _SEPARATORS.sub("", word).lower()


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Ranked words by section and role (`roles`, `paging`, …), the words of each state, and fixed names.

    Source: fixtures/vocabulary.yaml.
    """

    states: Mapping[str, State]
    ranks: Mapping[str, Mapping[str, Mapping[str, int]]]
    headers: Mapping[str, str]
    refused_keys: tuple[str, ...]
    samples: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)  # made-up values by kind (`email`, `price`, …)
    stream_ends: tuple[str, ...] = ()

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Vocabulary":
        """The vocabulary of a parsed data file."""
        states = {plain(w): State(state) for state, words in data["states"].items() for w in words}
        sections = [name for name in data if name not in _NOT_RANKED]
        ranks = {
            section: {role: {plain(w): i for i, w in enumerate(words)} for role, words in data[section].items()}
            for section in sections
        }
        samples = {kind: tuple(values) for kind, values in data.get("sample values", {}).items()}
        ends = tuple(data.get("stream ends", ()))
        return cls(states, ranks, dict(data["headers"]), tuple(data["refused keys"]), samples, ends)

    def state(self, word: str) -> State | None:
        """The state that a provider's word means, if it is known."""
        return self.states.get(plain(word))

    def rank(self, section: str, role: str, name: str) -> int | None:
        """How well a name suits a role: 0 is best, None is not at all."""
        return self.ranks[section][role].get(plain(name))

    def best(self, section: str, role: str, names: list[str]) -> str | None:
        """The name that suits a role best."""
        ranked = [(rank, name) for name in names if (rank := self.rank(section, role, name)) is not None]
        return min(ranked)[1] if ranked else None
