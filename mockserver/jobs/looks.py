"""What an object looks like as a job, whatever is round it: which of its fields could play a role, and what may tell
its state. Looked at once for each shape of a document, since most operations answer with the same few."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from mockserver.jobs.resource import Pointer
from mockserver.jobs.statuses import Words, own_words, told_words
from mockserver.jobs.vocabulary import Vocabulary, plain
from mockserver.openapi.document import Document
from mockserver.openapi.schema import Shape, shape_of, union_of

MAX_RIVALS = 2  # runners-up for a role that are told
MAX_INSIDE = 2  # levels inside a job at which its own fields may stand (`attributes.status`)
_TIMES = {"created", "started", "completed", "updated", "expires"}
_COUNTS = {"total", "count", "failed", "pending"}  # beside these a bare `completed` is a number of things
_SCALARS = {"string", "integer", "number"}
# The JSON types that a field of each role can have; what is not listed may be anything.
_TYPES: dict[str, set[str]] = {
    "id": {"string", "integer"},
    "done": {"boolean"},
    "progress": {"integer", "number", "string"},
    "source": {"string", "integer"},
    "thumbnail": {"string"},
    "poll url": {"string"},
    "cancel url": {"string"},
    "result link": {"string"},
    **dict.fromkeys(_TIMES, _SCALARS),
}
_Cast = tuple[Mapping[str, tuple[Pointer, ...]], Sequence[tuple[str, Pointer]]]  # fields by role, runners-up
_STATUS_TYPES = {"string", "integer", "boolean"}
_INSIDE = (
    "id",
    "outcome",
    "progress",
    "created",
    "started",
    "completed",
    "updated",
    "error",
    "result",
)  # what may stand deeper
_BY_ENDING = 1000  # the rank of an id that merely ends like one


@dataclass(slots=True, eq=False)
class StatusField:
    """A field that may tell the state.

    `known`, 0 to 1: how much its name sounds like it; `is_named`: at all. `is_free`: it may be any text. `own_words`
    is None where what is round the field may say more.
    """

    vocabulary: Vocabulary
    shape: Shape
    known: float
    is_named: bool
    is_free: bool
    own_words: Words | None

    def told_words(self, texts: Iterable[str], examples: Iterable[Any]) -> Words:
        """The words by what is round the field."""
        return told_words(self.vocabulary, self.shape, texts, examples)


@dataclass(slots=True, eq=False)
class _Own:
    """An object's own properties, as far as they could play a role; numbers are their places in the object."""

    shape: Shape
    roles: Mapping[str, Sequence[tuple[int, int, str]]]  # rank, number, name
    ids: Mapping[str, Sequence[tuple[int, str]]]  # by plain name: all whose type is right
    states: Sequence[tuple[str, StatusField]]
    objects: Sequence[str]
    has_id: bool
    links: Sequence[str] = ()
    inner: list[tuple[str, "_Own"]] | None = None  # the objects in it that are not about something else


@dataclass(slots=True, eq=False)
class Looks:
    """An object with what stands in the objects inside it."""

    vocabulary: Vocabulary
    parts: Sequence[tuple[Pointer, _Own]]
    states: Sequence[tuple[Pointer, StatusField]]
    links: Sequence[Pointer]  # lists and maps that hold links, whatever they are called
    _known: dict[Any, _Cast] = field(default_factory=dict)

    def fields(self, status: Pointer | None, ids: Sequence[str]) -> Mapping[str, tuple[Pointer, ...]]:
        """Which field plays which role; `ids` are the plain names that the id may have, the best first."""
        return self._cast(status, ids)[0]

    def rivals(self, status: Pointer | None, ids: Sequence[str]) -> Sequence[tuple[str, Pointer]]:
        """The fields that could play a role as well, but for the status."""
        return self._cast(status, ids)[1]

    def _cast(self, status: Pointer | None, ids: Sequence[str]) -> _Cast:
        wanted = tuple(name for name in ids if any(name in own.ids for _, own in self.parts))
        key = status, wanted
        if (known := self._known.get(key)) is None:
            known = self._known[key] = self._fields(status, wanted)
        return known

    def _fields(self, status: Pointer | None, wanted: Sequence[str]) -> _Cast:
        fields: dict[str, tuple[Pointer, ...]] = {"status": (status,)} if status else {}
        taken = {status} if status else set()
        rivals: list[tuple[str, Pointer]] = []
        roles = self.vocabulary.ranks["roles"]
        for role in roles:
            if role != "status" and (ranked := self._role(role, taken, wanted)):
                found = fields[role] = ranked if role == "result" else ranked[:1]
                rivals += [(role, pointer) for pointer in ranked[len(found) : len(found) + MAX_RIVALS]]
                taken.update(found)
        if "result" not in fields and (links := tuple(p for p in self.links if p not in taken)):
            fields["result"] = links
        return {role: fields[role] for role in roles if role in fields}, rivals

    def _role(self, role: str, taken: set[Pointer], wanted: Sequence[str]) -> tuple[Pointer, ...]:
        """Where the fields of a role may stand, by name and type, the best first: a result in all, all else in one."""
        for level in range(1, MAX_INSIDE + 2 if role in _INSIDE else 2):
            ranked = []
            for number, (above, own) in enumerate(self.parts):
                if len(above) != level - 1:
                    continue
                found: Iterable[tuple[int, int, str]] = own.roles.get(role, ())
                if role == "id":
                    found = _ids(own, found, wanted, level)
                for rank, place, name in found:
                    pointer = (*above, name)
                    if not any(pointer[:n] in taken for n in range(1, level + 1)):
                        ranked.append((rank, number, place, pointer))
            if ranked:
                ranked.sort()
                return tuple(each[3] for each in ranked)
        return ()


def _ids(
    own: _Own, found: Iterable[tuple[int, int, str]], wanted: Sequence[str], level: int
) -> Iterator[tuple[int, int, str]]:
    """What may be the id: as a parameter is called that leads to the job, by a known name, by its end."""
    for rank, name in enumerate(wanted):
        yield from ((rank - len(wanted), place, each) for place, each in own.ids.get(name, ()))
    for rank, place, name in found:
        if plain(name) not in wanted and (rank < _BY_ENDING or level == 1):
            yield rank, place, name


def looks_of(document: Document, vocabulary: Vocabulary, shape: Shape) -> Looks:
    """How an object looks. Made once for a shape."""
    key = "looks", id(shape)
    known: Looks | None = document.looks.get(key)
    if known is None:
        parts = list(_parts(document, vocabulary, _own(document, vocabulary, shape), ()))
        states = [((*above, name), state) for above, own in parts for name, state in own.states]
        links = [(name,) for name in parts[0][1].links]
        known = document.looks[key] = Looks(vocabulary, parts, states, links)
    return known


def _parts(document: Document, vocabulary: Vocabulary, own: _Own, above: Pointer) -> Iterator[tuple[Pointer, _Own]]:
    """An object, then those in it that are not about something else."""
    yield above, own
    if len(above) < MAX_INSIDE:
        for name, inner in _inner(document, vocabulary, own):
            yield from _parts(document, vocabulary, inner, (*above, name))


def _inner(document: Document, vocabulary: Vocabulary, own: _Own) -> list[tuple[str, _Own]]:
    if own.inner is None:
        inner = []
        for name in own.objects:
            shape = union_of(document, own.shape.properties[name])
            if own.has_id and "id" in shape.properties:
                continue  # another thing with a life of its own: an asset, a check
            if not shape.name or shape.name != own.shape.name:
                inner.append((name, _own(document, vocabulary, shape)))
        own.inner = inner
    return own.inner


def _own(document: Document, vocabulary: Vocabulary, shape: Shape) -> _Own:
    key = "own", id(shape)
    known: _Own | None = document.looks.get(key)
    if known is None:
        known = document.looks[key] = _looked_at(document, vocabulary, shape)
    return known


def _looked_at(document: Document, vocabulary: Vocabulary, shape: Shape) -> _Own:
    by_word = _roles_by_word(vocabulary)
    roles: dict[str, list[tuple[int, int, str]]] = {}
    ids: dict[str, list[tuple[int, str]]] = {}
    states: list[tuple[str, StatusField]] = []
    objects: list[str] = []
    links: list[str] = []
    has_id = False
    is_counting = any(plain(name) in _COUNTS for name in shape.properties)
    for number, (name, sub) in enumerate(shape.properties.items()):
        member = shape_of(document, sub)
        word = plain(name)
        has_id = has_id or word == "id"
        told = by_word.get(word, ())
        for role, rank in told:
            if role in _TIMES and is_counting and not ({"string"} & set(member.types)):
                continue  # `completed` beside `total` counts
            if _suits(member, role):
                roles.setdefault(role, []).append((rank, number, name))
        if _suits(member, "id"):
            ids.setdefault(word, []).append((number, name))
            if not any(role == "id" for role, _ in told) and vocabulary.ends_like("id", name):
                roles.setdefault("id", []).append((_BY_ENDING, number, name))
        if state := _status_field(document, vocabulary, name, member):
            states.append((name, state))
        if not vocabulary.is_elsewhere(name) and _holds_links(document, vocabulary, member):
            links.append(name)
        if member.is_object and member.properties and not vocabulary.is_elsewhere(name):
            objects.append(name)
    return _Own(shape, roles, ids, states, objects, has_id, links)


def _holds_links(document: Document, vocabulary: Vocabulary, shape: Shape) -> bool:
    """Whether a list or a map is one of links, or of objects with a link."""
    extra = shape.get("additionalProperties")
    inner = shape.items if shape.is_array else extra if not shape.properties and isinstance(extra, dict) else None
    if inner is None:
        return False
    item = shape_of(document, inner)
    leaves = [shape_of(document, sub) for sub in item.properties.values()] if item.is_object else [item]
    return any(leaf.get("format") in ("uri", "url") for leaf in leaves) or any(
        vocabulary.ends_like("link", name) or vocabulary.rank("asset", "url", name) is not None
        for name in item.properties
    )


def _suits(shape: Shape, role: str) -> bool:
    allowed = _TYPES.get(role)
    return allowed is None or not shape.types or not allowed.isdisjoint(shape.types)


@lru_cache(maxsize=8)
def _roles_by_word(vocabulary: Vocabulary) -> Mapping[str, Sequence[tuple[str, int]]]:
    """The roles that a plain word stands for, with how well."""
    found: dict[str, list[tuple[str, int]]] = {}
    for role, words in vocabulary.ranks["roles"].items():
        for word, rank in words.items():
            found.setdefault(word, []).append((role, rank))
    return found


def _status_field(document: Document, vocabulary: Vocabulary, name: str, shape: Shape) -> StatusField | None:
    """What a field tells of the state; None if it tells none."""
    if shape.is_object or shape.is_array:
        return None
    forms = (shape, *shape.branches)
    kinds = {kind for form in forms for kind in form.types} if shape.branches else set(shape.types)
    if kinds and kinds.isdisjoint(_STATUS_TYPES):
        return None
    known = _status_name(vocabulary, name, kinds)
    has_constants = any(form.constants for form in forms)
    if known is None and not has_constants:
        return None
    whole = shape_of(document, _whole(shape) if shape.branches else shape.node)
    own = own_words(vocabulary, name, whole)
    if known is None:
        is_clear = own is not None and own.evidence == "its enum" and own.sureness >= 0.8
        if not is_clear or vocabulary.rank("error", "type", name):
            return None
    is_free = not kinds or ("string" in kinds and not has_constants)
    return StatusField(vocabulary, whole, 0.2 if known is None else known, known is not None, is_free, own)


def _whole(shape: Shape) -> Any:
    """A schema that says what all branches of a shape say."""
    return {**shape.node, "anyOf": [branch.node for branch in shape.branches]}


def _status_name(vocabulary: Vocabulary, name: str, kinds: set[str]) -> float | None:
    """How much a name sounds like a status: 1 is best, None is not at all."""
    rank = vocabulary.rank("roles", "status", name)
    if rank is not None:
        return 1.0 - 0.02 * rank
    if kinds == {"boolean"}:
        return 0.5 if vocabulary.rank("roles", "done", name) is not None else None
    return 0.7 if vocabulary.ends_like("status", name) else None
