"""What was really seen: operations × declared statuses × states of a job."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from contract_tests.finding import Coverage
from contract_tests.history import History
from mockserver.jobs.lifecycle import State

UNKNOWN = "unknown word"  # stands for a state that the contract has no word for
UNDECLARED = "undeclared"  # the row's place for statuses that the contract does not declare


@dataclass(frozen=True, slots=True)
class Row:
    """One operation: its declared statuses with how often each was seen, and the states that its answers showed."""

    operation: str
    statuses: Mapping[str, int]
    states: Mapping[str, int]

    @property
    def seen(self) -> int:
        """How many of its declared statuses were seen."""
        return sum(bool(count) for status, count in self.statuses.items() if status != UNDECLARED)

    @property
    def declared(self) -> int:
        """How many statuses it declares."""
        return sum(status != UNDECLARED for status in self.statuses)


def cover(history: History) -> Coverage:
    """What a history has seen of its contract: every operation with every declared status, seen or not."""
    operations: dict[str, dict[str, int]] = {}
    for operation in history.contract.document.operations:
        operations[operation.name] = {answer.status: 0 for answer in operation.answers}
    for exchange in history.exchanges:
        declared = operations.get(exchange.operation)
        if declared is not None and exchange.status:
            place = _place(declared, exchange.status)
            declared[place] = declared.get(place, 0) + 1
    shown: dict[str, Counter[str]] = {}
    for job in history.jobs:
        for sighting in job.sightings:
            if sighting.state is None and sighting.word is None:
                continue  # the answer tells of a job, not of its state: that of a delete, say
            state = sighting.state.value if sighting.state else UNKNOWN
            shown.setdefault(sighting.exchange.operation, Counter())[state] += 1
    counted: Counter[str] = sum(shown.values(), Counter())
    states = {state: counted[state] for state in (*_expressible(history, counted), *counted)}
    return Coverage(operations, states, {name: dict(counts) for name, counts in shown.items()})


def _expressible(history: History, counted: Mapping[str, int]) -> list[str]:
    """The states that the contract has words for. Of those that share a word one can be told."""
    found: set[State] = set()
    for resource in history.contract.resources:
        by_word: dict[str, list[State]] = {}
        for state in State:
            if state in resource.words:
                by_word.setdefault(repr(resource.words[state]), []).append(state)
        for sharing in by_word.values():
            found.update([state for state in sharing if counted.get(state.value)] or sharing[:1])
    return [state.value for state in State if state in found]


def rows(coverage: Coverage) -> list[Row]:
    """The table, an operation a row."""
    names = [*coverage.operations, *(name for name in coverage.shown if name not in coverage.operations)]
    return [Row(name, coverage.operations.get(name, {}), coverage.shown.get(name, {})) for name in names]


def told(coverage: Coverage) -> str:
    """How much was seen, in one line."""
    table = rows(coverage)
    called = sum(any(row.statuses.values()) for row in table)
    seen, declared = sum(row.seen for row in table), sum(row.declared for row in table)
    states = [count for state, count in coverage.states.items() if state != UNKNOWN]
    return (
        f"{called} of {len(table)} operations were called; {seen} of {declared} declared statuses and "
        f"{sum(map(bool, states))} of {len(states)} states of a job were seen"
    )


def _place(declared: Mapping[str, int], status: int) -> str:
    """The declared status that an answer falls under: its own, its range, or the default."""
    for place in (str(status), f"{status // 100}XX", f"{status // 100}xx", "default"):
        if place in declared:
            return place
    return UNDECLARED
