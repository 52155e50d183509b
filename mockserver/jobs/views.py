"""Finding the job inside an answer: where it stands, which field plays which role, what its status words mean."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, NamedTuple

from mockserver.jobs.resource import Pointer, View
from mockserver.jobs.statuses import NO_WORDS, Words, read_words
from mockserver.jobs.vocabulary import Vocabulary, plain
from mockserver.openapi.document import Document
from mockserver.openapi.schema import Shape, reference_of, shape_of, union_of

MAX_LEVELS = 5  # an envelope or two, a list, an item, and one more
MAX_OBJECTS = 300  # of one answer that are looked at
MAX_INSIDE = 2  # levels inside a job at which its own fields may stand (`attributes.status`)
MAX_RIVALS = 2  # runners-up for a role that are told
RIVAL = 0.4  # how likely the second field is whose name suits a role
LIFELIKE = 0.5  # the least sureness at which a status is taken for that of a job
_TIMES = {"created", "started", "completed", "updated", "expires"}
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
_INSIDE = ("id", "progress", "created", "started", "completed", "updated", "error", "result")  # what may stand deeper


@dataclass(frozen=True, slots=True)
class Setting:
    """What is known round an answer: declared fields, descriptions, example bodies, and how the id may be called."""

    declared: Set[str] = frozenset()
    texts: Sequence[str] = ()
    examples: Sequence[Any] = ()
    ids: Sequence[str] = ()


class Member(NamedTuple):
    """A property of a job or of an object in it."""

    pointer: Pointer
    shape: Shape

    @property
    def name(self) -> str:
        return self.pointer[-1]


def find_view(
    document: Document, vocabulary: Vocabulary, schema: Any, in_list: bool = False, setting: Setting | None = None
) -> View | None:
    """The job in an answer of this schema, or None.

    Of several candidates the one with the most declared properties wins, then the one that looks most like a job
    (an id, a status that has known words), then the outermost. `in_list` asks for one that stands in an array.
    """
    setting = setting or Setting()
    best: tuple[float, int] | None = None
    found = None
    for pointer, place, shape in _objects(document, schema):
        if ("*" in pointer) is not in_list:
            continue
        view = view_of(document, vocabulary, pointer, place, shape, setting)
        declared = 10.0 * len(setting.declared & shape.properties.keys())
        inside = sum(len(p[0]) > 1 for role, p in view.fields.items() if role in ("id", "status"))
        score = (
            declared
            + _telling_id(vocabulary, view)
            + ("status" in view.fields) * (0.3 + 2 * view.sureness)
            - 0.4 * inside
        )
        score -= 0.02 * len(pointer) + (2.0 if pointer and vocabulary.is_elsewhere(pointer[-1]) else 0.0)
        if (
            score > 0
            and ("id" in view.fields or "status" in view.fields or declared)
            and (best is None or score > best[0])
        ):
            best, found = (score, -len(pointer)), view
    return found


def _telling_id(vocabulary: Vocabulary, view: View) -> float:
    """How much an object's id speaks for a job: that of an envelope's request alone speaks for little."""
    if "id" not in view.fields:
        return 0.0
    is_request = vocabulary.rank("envelope", "request id", view.fields["id"][0][-1]) is not None
    return 0.5 if is_request and "status" not in view.fields else 1.0


def view_of(
    document: Document, vocabulary: Vocabulary, pointer: Pointer, schema: Any, shape: Shape, setting: Setting
) -> View:
    """The view of an object that is taken for a job, with its roles and words."""
    members = list(_members(document, vocabulary, shape))
    status, words, others = _status(document, vocabulary, members, pointer, setting)
    fields: dict[str, tuple[Pointer, ...]] = {"status": (status.pointer,)} if status else {}
    taken = {status.pointer} if status else set()
    rivals = [("status", *other) for other in others]
    for role in vocabulary.ranks["roles"]:
        if role != "status" and (ranked := _role(vocabulary, role, members, taken, setting)):
            found = tuple(place for _, place in (ranked if role == "result" else ranked[:1]))
            rivals += [(role, place, RIVAL) for _, place in ranked[len(found) : len(found) + MAX_RIVALS]]
            fields[role] = found
            taken.update(found)
    ordered = {role: fields[role] for role in vocabulary.ranks["roles"] if role in fields}
    return View(
        pointer,
        schema,
        ordered,
        words.by_state,
        words.unclear,
        phases=words.phases,
        passive_words=words.passive,
        evidence=words.evidence,
        sureness=words.sureness,
        rivals=tuple(rivals),
    )


def _objects(document: Document, schema: Any) -> Iterator[tuple[Pointer, Any, Shape]]:
    """All objects of a schema from the outside in, with where they stand; each once in lists and once outside."""
    level: list[tuple[Pointer, Any]] = [((), schema)]
    seen: set[tuple[bool, str | int]] = set()
    for _ in range(MAX_LEVELS):
        inner: list[tuple[Pointer, Any]] = []
        for pointer, node in level:
            place = ("*" in pointer, reference_of(node) or id(node))
            if place in seen or len(seen) > MAX_OBJECTS:
                continue
            seen.add(place)
            shape = union_of(document, node)
            if shape.is_array and shape.items is not None and not shape.properties:
                inner.append(((*pointer, "*"), shape.items))
            elif shape.is_object:
                yield pointer, node, shape
                inner.extend(((*pointer, name), sub) for name, sub in shape.properties.items())
        level = inner


def _members(document: Document, vocabulary: Vocabulary, shape: Shape, above: Pointer = ()) -> Iterator[Member]:
    """The properties of a job, then those of the objects in it that are not about something else."""
    members = [Member((*above, name), shape_of(document, sub)) for name, sub in shape.properties.items()]
    yield from members
    if len(above) >= MAX_INSIDE:
        return
    has_id = any(plain(member.name) == "id" for member in members)
    for member in members:
        if member.shape.is_object and member.shape.properties and not vocabulary.is_elsewhere(member.name):
            inner = union_of(document, shape.properties[member.name])
            if has_id and "id" in inner.properties:
                continue  # another thing with a life of its own: an asset, a check
            if inner.name and inner.name == shape.name:
                continue
            yield from _members(document, vocabulary, inner, member.pointer)


def _status(
    document: Document, vocabulary: Vocabulary, members: list[Member], place: Pointer, setting: Setting
) -> tuple[Member | None, Words, list[tuple[Pointer, float]]]:
    """The member that tells the state: by its name, by how much its words look like a life, and how near it stands.

    With it the runners-up whose words look like a life too; one that is as good has 0.5.
    """
    found: list[tuple[float, Member, Words]] = []
    for member in members:
        shape = member.shape
        kinds = {kind for form in (shape, *shape.branches) for kind in form.types}
        if shape.is_object or shape.is_array or (kinds and not kinds & {"string", "integer", "boolean"}):
            continue
        known = _status_name(vocabulary, member.name, kinds)
        if known is None and not any(form.constants for form in (shape, *shape.branches)):
            continue
        examples = [v for body in setting.examples if (v := dig(body, (*place, *member.pointer))) is not None]
        words = read_words(document, vocabulary, member.name, shape.node if not shape.branches else _whole(shape),
                           setting.texts if known and len(member.pointer) == 1 else (), examples)  # fmt: skip
        if known is None:
            if words.evidence != "its enum" or words.sureness < 0.8 or vocabulary.rank("error", "type", member.name):
                continue
            known = 0.2
        elif not words.phases:
            is_free = not kinds or ("string" in kinds and not any(form.constants for form in (shape, *shape.branches)))
            if not (is_free and known > 0.7 and len(member.pointer) == 1):
                continue
        score = known + 2 * words.sureness - 0.35 * (len(member.pointer) - 1)
        found.append((score, member, words))
    if not found:
        return None, NO_WORDS, []
    found.sort(key=lambda each: -each[0])
    most, best, its_words = found[0]
    others = [
        (member.pointer, round(score / most / 2, 2)) for score, member, words in found[1:] if words.sureness >= LIFELIKE
    ]
    return best, its_words, others[:MAX_RIVALS]


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


def _role(
    vocabulary: Vocabulary, role: str, members: list[Member], taken: Set[Pointer], setting: Setting
) -> list[tuple[int, Pointer]]:
    """Where the fields of a role may stand, by name and type, the best first: a result in all, all else in one."""
    allowed = _TYPES.get(role)
    for level in range(1, MAX_INSIDE + 2 if role in _INSIDE else 2):
        ranked = []
        for member in members:
            if len(member.pointer) == level and member.pointer not in taken and _suits(member.shape, allowed):
                rank = vocabulary.rank("roles", role, member.name)
                if role == "id":
                    rank = _id_rank(vocabulary, member, rank, setting.ids)
                if rank is not None and not any(member.pointer[:n] in taken for n in range(1, level)):
                    ranked.append((rank, member.pointer))
        if ranked:
            return sorted(ranked, key=lambda each: each[0])
    return []


def _id_rank(vocabulary: Vocabulary, member: Member, rank: int | None, wanted: Sequence[str]) -> int | None:
    """How well a member suits as the id: by the name of a parameter that leads to the job, a known name, its end."""
    if plain(member.name) in wanted:
        return wanted.index(plain(member.name)) - len(wanted)
    if rank is None and len(member.pointer) == 1 and vocabulary.ends_like("id", member.name):
        return 1000
    return rank


def _suits(shape: Shape, allowed: set[str] | None) -> bool:
    return allowed is None or not shape.types or bool(allowed & set(shape.types))


def dig(value: Any, pointer: Pointer) -> Any:
    """The scalar at a place of an example; None if it is not there."""
    for token in pointer:
        if token == "*":
            value = value[0] if isinstance(value, list) and value else None
        else:
            value = value.get(token) if isinstance(value, Mapping) else None
    return value if isinstance(value, (str, int)) else None


def find_reference(document: Document, schema: Any, names: set[str], pointer: Pointer = ()) -> Pointer | None:
    """The field of a request that names a job: its path, joined, is one of `names` (`video_id`, or `id` in `video`)."""
    if len(pointer) > 2:
        return None
    shape = shape_of(document, schema)
    for option in shape.branches or (shape,):
        for name, sub in option.properties.items():
            here = (*pointer, name)
            joined = plain("".join(here))
            if joined in names:
                leaf = shape_of(document, sub)
                if (
                    any(t in b.types for b in (leaf, *leaf.branches) for t in ("string", "integer"))
                    and not leaf.properties
                ):
                    return here
            begun = any(name.startswith(joined) for name in names)
            if begun and (inner := find_reference(document, sub, names, here)):
                return inner
    return None
