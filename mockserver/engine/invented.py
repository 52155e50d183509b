"""What ids stand for that nobody created: with `--lenient`, a finished job or a record of their kind.

Nothing of it is stored: it follows from the id and the seed, and is there again whatever was deleted before.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from mockserver.engine.inputs import keep, kept_inputs, usual_inputs
from mockserver.engine.sampling import Sampler
from mockserver.errors import DocumentError
from mockserver.jobs.job import Job
from mockserver.jobs.paths import path_parameters, path_to
from mockserver.jobs.resource import Action, Contract, IdPlace, JobResource
from mockserver.jobs.timeline import draw_timeline
from mockserver.jobs.vocabulary import plain
from mockserver.openapi.document import Operation, is_json

LONGEST_LIFE = 86_400.0  # seconds; a profile can have any
LONGEST_AGO = 60.0  # seconds between the end of such a job and the instant from which ends are counted


class InventedJobs:
    """The finished jobs of one kind that invented ids stand for.

    They ended shortly before `start`, an instant in seconds since the epoch; where results expire, before a later one
    as time goes on, so that theirs never do.
    """

    def __init__(self, contract: Contract, resource: JobResource, seed: str, start: float) -> None:
        self._resource = resource
        self._seed = f"{seed}/{resource.name}"
        self._start = start
        self._inputs = _inputs(contract, resource, self._seed)

    def job(self, id: str, owner: str, now: float) -> Job:
        """The job of an id, for whoever asks."""
        if "/" in self._resource.id_text:
            id = id.rpartition("/")[2]  # of a resource name: `operations/{id}`
        random = Random(f"{self._seed}/{id}")
        drawn = draw_timeline(self._resource.profile, random, 0.0, False)
        keeps = drawn.expires - drawn.ended if drawn.expires is not None else None
        ago = min(LONGEST_AGO, LONGEST_AGO if keeps is None else keeps / 4) * random.random()
        ended = self._start - ago
        if keeps:
            ended += (now - self._start) // (keeps / 2) * (keeps / 2)
        created = ended - min(drawn.ended, LONGEST_LIFE)
        timeline = drawn._replace(
            created=created,
            started=min(created + drawn.started, ended),
            ended=ended,
            due=ended,
            expires=ended + keeps if keeps else None,
        )
        return Job(id, self._resource.name, owner, self._inputs, timeline)


def _inputs(contract: Contract, resource: JobResource, seed: str) -> dict[str, Any]:
    """What a valid request would have said."""
    part = resource.first(Action.CREATE) or resource.first(Action.FOLLOW_UP)
    if part is None:
        return {}
    kept = kept_inputs(contract, resource)
    body = usual_request(contract, part.operation, seed)
    return {**usual_inputs(contract, resource, part, kept), **keep(body, kept, 0)}


def usual_request(contract: Contract, operation: Operation, seed: str) -> Any:
    """A valid body for an operation, its example if it has one; None where it takes none or nothing is valid."""
    for _, node in sorted(operation.body.items(), key=lambda item: not is_json(item[0])):
        document = contract.document
        sampler = Sampler(
            document,
            node.get("schema") or {},
            vocabulary=contract.vocabulary,
            seed=seed,
            hints=document.examples(node),
            direction="request",
        )
        try:
            return sampler.draw()
        except DocumentError:
            continue
    return None


def naming_parameters(contract: Contract) -> Callable[[Operation], frozenset[str]]:
    """A function that tells which path parameters of an operation name a job or a record."""
    places: list[tuple[Operation, IdPlace | None]] = []
    for resource in contract.resources:
        places += [(part.operation, part.id_place) for part in resource.operations]
    for collection in contract.collections:
        places += [(part.operation, part.id_place) for part in collection.operations]
    named = {place.pointer[0] for _, place in places if place is not None and place.place == "path"}
    named = {name for name in named if plain(name) not in contract.vocabulary.bare_ids}  # `process_id`, wherever it is
    ways = {path_to(operation.path, place) for operation, place in places} - {""}

    def naming(operation: Operation) -> frozenset[str]:
        path = operation.path
        return frozenset(
            name for name in path_parameters(path) if name in named or path_to(path, IdPlace("path", (name,))) in ways
        )

    return naming


def chosen_fields(body: Any) -> Mapping[str, Any]:
    """The fields of a body, none where it is no object."""
    return body if isinstance(body, dict) else {}
