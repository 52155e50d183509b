"""Finding the job inside an answer: where it stands, which field plays which role, what its status words mean."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, NamedTuple

from mockserver.jobs.looks import Looks, StatusField, looks_of
from mockserver.jobs.resource import Pointer, View, dig
from mockserver.jobs.statuses import NO_WORDS, Words
from mockserver.jobs.vocabulary import Vocabulary, plain
from mockserver.openapi.document import Document
from mockserver.openapi.schema import Shape, reference_of, shape_of, union_of

MAX_LEVELS = 5  # an envelope or two, a list, an item, and one more
MAX_OBJECTS = 300  # of one answer that are looked at
MAX_RIVALS = 2  # runners-up for a role that are told
RIVAL = 0.4  # how likely the second field is whose name suits a role
LIFELIKE = 0.5  # the least sureness at which a status is taken for that of a job


@dataclass(frozen=True, slots=True)
class Setting:
    """What is known round an answer: declared fields, descriptions, example bodies, and how the id may be called."""

    declared: Set[str] = frozenset()
    texts: Sequence[str] = ()
    examples: Sequence[Any] = ()
    ids: Sequence[str] = ()


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
        looks = looks_of(document, vocabulary, shape)
        status, words, others = _status(looks, pointer, setting)
        fields = looks.fields(status, setting.ids)
        declared = 10.0 * len(setting.declared & shape.properties.keys()) if setting.declared else 0.0
        if not declared and "id" not in fields and "status" not in fields:
            continue
        inside = sum(len(p[0]) > 1 for role, p in fields.items() if role in ("id", "status"))
        score = (
            declared
            + _telling_id(vocabulary, fields)
            + ("status" in fields) * (0.3 + 2 * words.sureness)
            - 0.4 * inside
        )
        score -= 0.02 * len(pointer) + _elsewhere(vocabulary, pointer)
        if score > 0 and (best is None or score > best[0]):
            best, found = (score, -len(pointer)), (pointer, place, looks, status, words, others)
    return _view(setting, *found) if found else None


def view_of(document: Document, vocabulary: Vocabulary, pointer: Pointer, schema: Any) -> View:
    """The view of an object that is taken for a job."""
    looks = looks_of(document, vocabulary, union_of(document, schema))
    setting = Setting()
    status, words, others = _status(looks, pointer, setting)
    return _view(setting, pointer, schema, looks, status, words, others)


def _elsewhere(vocabulary: Vocabulary, pointer: Pointer) -> float:
    """How much the place of an object speaks against its being a job: a config's is none, a result can hold one."""
    if not pointer or not vocabulary.is_elsewhere(pointer[-1]):
        return 0.0
    return 0.5 if vocabulary.rank("roles", "result", pointer[-1]) is not None else 2.0


def _telling_id(vocabulary: Vocabulary, fields: Mapping[str, tuple[Pointer, ...]]) -> float:
    """How much an object's id speaks for a job: that of an envelope's request alone speaks for little."""
    if "id" not in fields:
        return 0.0
    is_request = vocabulary.rank("envelope", "request id", fields["id"][0][-1]) is not None
    return 0.5 if is_request and "status" not in fields else 1.0


def _view(
    setting: Setting, pointer: Pointer, schema: Any, looks: Looks, status: Pointer | None, words: Words,
    others: Sequence[tuple[Pointer, float]],
) -> View:  # fmt: skip
    fields = looks.fields(status, setting.ids)
    rivals = [("status", *other) for other in others]
    rivals += [(role, place, RIVAL) for role, place in looks.rivals(status, setting.ids)]
    return View(
        pointer,
        schema,
        dict(fields),
        words.by_state,
        words.unclear,
        phases=words.phases,
        passive_words=words.passive,
        evidence=words.evidence,
        sureness=words.sureness,
        rivals=tuple(rivals),
    )


def _objects(document: Document, schema: Any) -> Sequence[tuple[Pointer, Any, Shape]]:
    """All objects of a schema from the outside in, with where they stand; each once in lists and once outside.

    They are looked for once for each schema of a document.
    """
    key = "objects", (reference_of(schema) if isinstance(schema, dict) and len(schema) == 1 else "") or id(schema)
    known: tuple[Any, list[tuple[Pointer, Any, Shape]]] | None = document.looks.get(key)
    if known is not None:
        return known[1]
    found: list[tuple[Pointer, Any, Shape]] = []
    level: list[tuple[Pointer, Sequence[_Inner]]] = [((), [_inner(document, "", schema)])]
    seen: set[tuple[bool, str | int]] = set()
    for number in range(MAX_LEVELS):
        deeper: list[tuple[Pointer, Sequence[_Inner]]] = []
        for above, children in level:
            in_list = "*" in above
            for name, node, place, shape, kind in children:
                if len(seen) > MAX_OBJECTS:
                    break
                is_listed = in_list or name == "*"
                if (is_listed, place) in seen:
                    continue
                seen.add((is_listed, place))
                if kind is None:
                    continue
                pointer = (*above, name) if number else ()
                if kind == "object":
                    found.append((pointer, node, shape))
                if number < MAX_LEVELS - 1:
                    deeper.append((pointer, _children(document, shape)))
        level = deeper
    document.looks[key] = schema, found  # with the schema: what is kept has an identity of its own
    return found


class _Inner(NamedTuple):
    """What stands in an object or a list: its name (`*` in a list), and whether it is an object, a list or neither."""

    name: str
    node: Any
    place: str | int  # by which it is known: its reference or identity
    shape: Shape
    kind: str | None


def _inner(document: Document, name: str, node: Any) -> _Inner:
    shape = union_of(document, node)
    kind = None
    if shape.is_array and shape.items is not None and not shape.properties:
        kind = "list"
    elif shape.is_object:
        kind = "object"
    return _Inner(name, node, reference_of(node) or id(node), shape, kind)


def _children(document: Document, shape: Shape) -> Sequence[_Inner]:
    """What stands right inside an object or a list, looked for once."""
    known: tuple[Shape, list[_Inner]] | None = document.looks.get(("children", id(shape)))
    if known is not None:
        return known[1]
    if shape.is_array and shape.items is not None and not shape.properties:
        found = [_inner(document, "*", shape.items)]
    else:
        found = [_inner(document, name, sub) for name, sub in shape.properties.items()]
    document.looks["children", id(shape)] = shape, found
    return found


def _status(
    looks: Looks, place: Pointer, setting: Setting
) -> tuple[Pointer | None, Words, Sequence[tuple[Pointer, float]]]:
    """Where the state is told: by its name, by how much its words look like a life, and how near it stands.

    With it the runners-up whose words look like a life too; one that is as good has 0.5.
    """
    found: list[tuple[float, Pointer, Words]] = []
    for pointer, member in looks.states:
        known, words = member.known, _words(looks, member, pointer, place, setting)
        if not words.phases and member.is_named and not (member.is_free and known > 0.7 and len(pointer) == 1):
            continue
        found.append((known + 2 * words.sureness - 0.35 * (len(pointer) - 1), pointer, words))
    if not found:
        return None, NO_WORDS, ()
    found.sort(key=lambda each: -each[0])
    most, best, its_words = found[0]
    if most <= 0:
        return None, NO_WORDS, ()
    others = [(p, round(score / most / 2, 2)) for score, p, words in found[1:] if words.sureness >= LIFELIKE]
    return best, its_words, others[:MAX_RIVALS]


def _words(looks: Looks, member: StatusField, pointer: Pointer, place: Pointer, setting: Setting) -> Words:
    if member.own_words is not None:
        return member.own_words
    whole = (*place, *pointer)
    examples = [v for body in setting.examples if isinstance(v := dig(body, whole), str)]
    own = looks.parts[0][1].shape.get("example")
    if isinstance(shown := dig(own, pointer), str):
        examples.append(shown)
    return member.told_words(setting.texts if len(pointer) == 1 and member.known > 0.75 else (), examples)


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
