"""What moves a job on: time, polls, or nothing (it is done at once). The three progressions that moto's users know."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mockserver.errors import DeclarationError
from mockserver.plans.reading import as_choice, as_map, as_whole

MAX_POLLS = 1_000_000


class Mover(StrEnum):
    """The kinds of progression."""

    TIME = "time"
    POLLS = "polls"
    IMMEDIATE = "immediate"


@dataclass(frozen=True, slots=True)
class Progression:
    """`polls`: how many polls of a job it takes from each of its events to the next one."""

    by: Mover
    polls: int = 1

    @property
    def as_data(self) -> dict[str, Any]:
        return {"by": self.by.value, "polls": self.polls} if self.by is Mover.POLLS else {"by": self.by.value}


def read_progression(data: Any, where: str) -> Progression:
    """`{by: time | polls | immediate, polls: n}`. Raises DeclarationError."""
    entry = as_map(data, {"by", "polls"}, where)
    by = Mover(as_choice(entry.get("by"), list(Mover), f"{where}.by"))
    if "polls" in entry and by is not Mover.POLLS:
        raise DeclarationError(f"{where}: `polls` stands only beside `by: polls`.")
    return Progression(by, as_whole(entry.get("polls", 1), f"{where}.polls", 1, MAX_POLLS))
