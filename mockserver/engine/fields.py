"""Fields of an answer: small functions of a scene, and objects made of them that know what is settled beforehand."""

from collections.abc import Callable, Mapping, Set
from typing import Any, Final

import orjson

from mockserver.engine.paging import Page
from mockserver.jobs.job import Job
from mockserver.jobs.lifecycle import State

MISSING: Final = object()  # a field that does not appear in the answer


class Scene:
    """What an answer is rendered from: one job (or a page of jobs) at one instant, as seen from one site."""

    __slots__ = ("job", "now", "page", "progress", "request_id", "site", "state")

    def __init__(self, job: Job | None, now: float, site: str, request_id: bytes, page: Page | None = None) -> None:
        self.now = now
        self.site = site
        self.request_id = request_id
        self.page = page
        if job is None:
            self.state, self.progress = State.QUEUED, 0
        else:
            self.job = job
            self.state, self.progress = job.timeline.at(now)

    def show(self, job: Job) -> None:
        """Turn to another job."""
        self.job = job
        self.state, self.progress = job.timeline.at(self.now)


Field = Callable[[Scene], Any]


def object_field(entries: list[tuple[str, Field]]) -> Field:
    """An object of fields. For each state, what is known in it is laid out beforehand; the rest is filled in."""
    if all(isinstance(field, Constant) for _, field in entries):
        return Constant({name: field.constant for name, field in entries if isinstance(field, Constant)})
    plans = {state: _plan(entries, state) for state in State}

    def build(scene: Scene) -> dict[str, Any]:
        template, moving = plans[scene.state]
        body = template.copy()
        for name, field in moving:
            value = field(scene)
            if value is MISSING:
                del body[name]
            else:
                body[name] = value
        return body

    return build


def _plan(entries: list[tuple[str, Field]], state: State) -> tuple[dict[str, Any], list[tuple[str, Field]]]:
    """What an object holds in a state for certain, in order, and the fields that have to be asked."""
    template: dict[str, Any] = {}
    moving = []
    for name, field in entries:
        if isinstance(field, Constant):
            template[name] = field.constant
        elif isinstance(field, Settled) and state in field.values:
            if field.values[state] is not MISSING:
                template[name] = field.values[state]
        else:
            template[name] = None
            moving.append((name, field.field if isinstance(field, Settled) else field))
    return template, moving


MAX_KEPT = 4096  # rendered jobs that an operation keeps, about 2 MB
MAX_KEPT_BYTES = 4096  # of one job: prompts can be long, and then the memory is worth more than the time


def kept(build: Field) -> Field:
    """The same, keeping what was rendered: a job's fields follow from its state, its progress and the site alone."""
    rendered: dict[tuple[str, State, int, str], tuple[Job, orjson.Fragment]] = {}

    def keep(scene: Scene) -> Any:
        job = scene.job
        key = (job.id, scene.state, scene.progress, scene.site)
        found = rendered.get(key)
        if found is None or found[0] is not job:  # an id may come back after a delete; a record never changes
            text = orjson.dumps(build(scene))
            if len(text) > MAX_KEPT_BYTES:
                return orjson.Fragment(text)
            if len(rendered) >= MAX_KEPT:
                rendered.clear()
            found = rendered[key] = job, orjson.Fragment(text)
        return found[1]

    return keep


class Constant:
    """A field that is always the same; known as such, so that objects can lay it out beforehand."""

    __slots__ = ("constant",)

    def __init__(self, value: Any) -> None:
        self.constant = value

    def __call__(self, scene: Scene) -> Any:
        return self.constant


class Settled:
    """A field that is the same for every job in some states: `values` by state."""

    __slots__ = ("field", "values")

    def __init__(self, field: Field, values: Mapping[State, Any]) -> None:
        self.field = field
        self.values = values

    def __call__(self, scene: Scene) -> Any:
        return self.field(scene)


def constant(value: Any) -> Field:
    return Constant(value)


def by_state(fields: Mapping[State, Field]) -> Field:
    """Another field in each state."""
    return lambda scene: fields[scene.state](scene)


def only_in(states: Set[State], field: Field) -> Field:
    """The field in these states, null in all others."""
    return Settled(lambda scene: field(scene) if scene.state in states else None, dict.fromkeys(set(State) - states))


def or_absent(field: Field, null_allowed: bool, stand_in: Field | None = None) -> Field:
    """The field, with null where that is allowed, else the stand-in, else nothing."""
    if null_allowed:
        return field

    def shown(scene: Scene) -> Any:
        value = field(scene)
        if value is not None:
            return value
        return MISSING if stand_in is None else stand_in(scene)

    if isinstance(field, Settled) and (stand_in is None or isinstance(stand_in, Constant)):
        other = MISSING if stand_in is None else stand_in.constant
        return Settled(shown, {state: other if value is None else value for state, value in field.values.items()})
    return shown
