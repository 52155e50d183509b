"""What several laws of jobs work out of a history, each in one place."""

from typing import Any

from contract_tests.history import History, JobStory, Sighting
from contract_tests.laws.instants import Instant
from contract_tests.laws.seen import (
    operations,
)
from mockserver.errors import MockserverError
from mockserver.jobs.lifecycle import State
from mockserver.jobs.resource import Action
from mockserver.openapi.schema import union_of

RANK = {State.QUEUED: 0, State.RUNNING: 1}  # all others are ends
TIMES = ("created", "started", "completed", "expires")
ROUNDING = 1.0  # second: services cut or round instants
NO_JOB = "no job was created or seen"
TOO_FEW = "no job was seen more than once"


def all_seen(history: History) -> list[Sighting]:
    """All sights of all jobs, in lists too."""
    return [s for story in history.jobs for s in story.sightings if s.part.view]


def instant_text(instant: Instant) -> str:
    """An instant as a message tells it: in the unit in which it was written."""
    return f"{instant.at:.0f}" if instant.unit != "ms" else f"{instant.at * 1000:.0f} (ms)"


def is_scalar(value: Any) -> bool:
    """Whether a value is a text or a number."""
    return isinstance(value, str) or is_number(value)


def is_number(value: Any) -> bool:
    """Whether a value is a number; a flag is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def same_input(sent: Any, told: Any) -> bool:
    """Whether an answer repeats an input. Its type is the schema's affair; a model's dated name is the model's."""
    if str(sent) == str(told) or sent == "auto":
        return True
    try:
        return float(sent) == float(told)
    except (TypeError, ValueError):
        return str(told).startswith(f"{sent}-20")


def input_names(history: History, story: JobStory) -> list[str]:
    """Names of a job's fields that hold inputs: those that were sent, and those that the request's schema has.

    Not those that tell of the job itself, for a resource may be both what is sent and what is told.
    """
    operation = operations(history).get(story.created_by.operation)
    declared: list[str] = []
    for node in operation.body.values() if operation else ():
        properties = properties_of(history, node.get("schema"))
        declared += properties
    views = [part.view for part in story.resource.operations if part.view]
    own = {pointer[0] for view in views for pointers in view.fields.values() for pointer in pointers if pointer}
    return [name for name in dict.fromkeys([*story.inputs, *declared]) if name not in own]


def properties_of(history: History, schema: Any) -> list[str]:
    """The names of a schema's properties; none of one that cannot be read."""
    try:
        return list(union_of(history.contract.document, schema or {}).properties)
    except MockserverError:
        return []


def number_of(value: Any) -> float | None:
    """Progress as a number, however it is written (`45`, `"45%"`)."""
    if isinstance(value, str) and value.strip().rstrip("%").replace(".", "", 1).lstrip("-").isdigit():
        return float(value.strip().rstrip("%"))
    return float(value) if is_number(value) else None


def in_list(sighting: Sighting) -> bool:
    """Whether a job was seen as an item of a list."""
    return sighting.part.action is Action.LIST
