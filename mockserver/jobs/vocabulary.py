"""The words of a contract, looked up: which state a status word means, which role a field's name suggests."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from mockserver.jobs.lifecycle import State

_SEPARATORS = re.compile(r"[^0-9a-zA-Z\u4e00-\u9fff]+")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_TABLES = ("roles", "error", "asset", "inputs", "paging", "envelope", "operations", "endings", "variants",
           "answer headers", "sample names", "faker", "streams", "callbacks")  # fmt: skip
# Of several states that a word's parts mean these say most; else its last part does (`processing_completed`).
_ENDS_BADLY = (State.FAILED, State.CANCELLED, State.EXPIRED)
MAX_PARTS = 8  # of one word


@lru_cache(maxsize=50_000)
def plain(word: str) -> str:
    """A word as it is compared: lower case, without separators (`In-Progress`, `in_progress` → `inprogress`)."""
    return _SEPARATORS.sub("", word).lower()


@lru_cache(maxsize=50_000)
def pieces(word: str) -> tuple[str, ...]:
    """The parts of a name in lower case (`JOB_STATE_RUNNING`, `jobStateRunning` → job, state, running)."""
    return tuple(piece.lower() for piece in _WORDS.findall(word))


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """Ranked words by section and role (`roles`, `paging`, …), the words of each state, and fixed names.

    Source: fixtures/vocabulary.yaml.
    """

    states: Mapping[str, State]
    other_words: Mapping[str, str]
    otherwise: Mapping[str, State]
    over: frozenset[str]
    usual_words: Mapping[State, str]
    usual_fields: Mapping[str, str]
    enum_names: tuple[str, ...]
    elsewhere: frozenset[str]
    bare_ids: frozenset[str]
    job_nouns: frozenset[str]
    filler: frozenset[str]
    ranks: Mapping[str, Mapping[str, Mapping[str, int]]]
    headers: Mapping[str, str]
    refused_keys: tuple[str, ...]
    samples: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)  # made-up values by kind (`email`, `price`, …)
    stream_ends: tuple[str, ...] = ()

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Vocabulary":
        """The vocabulary of a parsed data file."""
        return cls(
            states={plain(w): State(state) for state, words in data["states"].items() for w in words},
            other_words={plain(w): kind for kind, words in data["other words"].items() for w in words},
            otherwise={plain(w): State(state) for state, words in data["otherwise"].items() for w in words},
            over=frozenset(map(plain, data["over"])),
            usual_words={State(state): word for state, word in data["usual words"].items()},
            usual_fields=dict(data["usual fields"]),
            enum_names=tuple(data["enum names"]),
            elsewhere=frozenset(map(plain, data["elsewhere"])),
            bare_ids=frozenset(map(plain, data["bare ids"])),
            job_nouns=frozenset(map(plain, data["job nouns"])),
            filler=frozenset(map(plain, data["filler"])),
            ranks={
                section: {role: {plain(w): i for i, w in enumerate(words)} for role, words in data[section].items()}
                for section in _TABLES
            },
            headers=dict(data["headers"]),
            refused_keys=tuple(data["refused keys"]),
            samples={kind: tuple(values) for kind, values in data.get("sample values", {}).items()},
            stream_ends=tuple(data.get("stream ends", ())),
        )

    def state(self, word: str) -> State | None:
        """The state that a provider's word means, if it is known: as a whole, else by its parts."""
        whole = plain(word)
        if whole in self.other_words:
            return None
        if whole in self.states:
            return self.states[whole]
        if not whole.isascii():  # a phrase of another language: by the longest word in it
            known = [each for each in self.states if not each.isascii() and each in whole]
            return self.states[max(known, key=len)] if known else None
        parts = pieces(word)[:MAX_PARTS]
        spans = [(i, j) for i in range(len(parts)) for j in range(len(parts), i, -1)]
        joined = [("".join(parts[i:j]), j) for i, j in spans]
        if len(parts) < 2 or any(self.other_words.get(text, "unknown") != "unknown" for text, _ in joined):
            return None
        found = [(self.states[text], end) for text, end in joined if text in self.states]
        ends = [state for state, _ in found if state in _ENDS_BADLY]
        return ends[0] if ends else max(found, key=lambda each: each[1])[0] if found else None

    def rank(self, section: str, role: str, name: str) -> int | None:
        """How well a name suits a role: 0 is best, None is not at all."""
        return self.ranks[section][role].get(plain(name))

    def ends_like(self, role: str, name: str) -> bool:
        """Whether the last part of a name is one by which names of this role end (`transcription_status`)."""
        parts = pieces(name)
        endings = self.ranks["endings"][role]
        return bool(parts) and (parts[-1] in endings or plain(name).endswith(tuple(e for e in endings if len(e) > 4)))

    def is_elsewhere(self, name: str) -> bool:
        """Whether an object of this name inside a job is about something else (`new_asset_settings`)."""
        return plain(name) in self.elsewhere or (bool(parts := pieces(name)) and parts[-1] in self.elsewhere)

    def best(self, section: str, role: str, names: list[str]) -> str | None:
        """The name that suits a role best."""
        ranked = [(rank, name) for name in names if (rank := self.rank(section, role, name)) is not None]
        return min(ranked)[1] if ranked else None
