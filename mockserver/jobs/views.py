"""Finding the job inside an answer: where it stands, which field plays which role, what its status words mean."""

import re
from collections.abc import Iterator, Mapping, Set
from typing import Any

from mockserver.jobs.lifecycle import State
from mockserver.jobs.resource import Pointer, View
from mockserver.jobs.vocabulary import Vocabulary, plain
from mockserver.openapi.document import Document
from mockserver.openapi.schema import Shape, reference_of, shape_of

MAX_LEVELS = 4  # an envelope, a list, an item, and one more
_TIMES = {"created", "started", "completed", "updated", "expires"}
_SCALARS = {"string", "integer", "number"}
# The JSON types that a field of each role can have; what is not listed may be anything.
_TYPES: dict[str, set[str]] = {
    "id": {"string", "integer"},
    "status": {"string"},
    "progress": {"integer", "number", "string"},
    "source": {"string", "integer"},
    "thumbnail": {"string"},
    **dict.fromkeys(_TIMES, _SCALARS),
}
_WORD = re.compile(r"[A-Za-z][A-Za-z_\-]*")


def find_view(
    document: Document, vocabulary: Vocabulary, schema: Any, in_list: bool = False, declared: Set[str] = frozenset()
) -> View | None:
    """The job in an answer of this schema, or None.

    Of several candidates the one with the most `declared` properties wins, then one with an id and a status that has
    known words, then the outermost. `in_list` asks for one that stands in an array.
    """
    best: tuple[int, int] | None = None
    found = None
    for pointer, place, shape in _objects(document, schema):
        if ("*" in pointer) is not in_list:
            continue
        view = view_of(document, vocabulary, pointer, place, shape)
        score = ("id" in view.fields) + 2 * bool(view.words) + 4 * len(declared & shape.properties.keys())
        if score and (best is None or (score, -len(pointer)) > best):
            best, found = (score, -len(pointer)), view
    return found


def view_of(document: Document, vocabulary: Vocabulary, pointer: Pointer, schema: Any, shape: Shape) -> View:
    """The view of an object that is taken for a job, with its roles and words."""
    fields = roles_of(document, vocabulary, shape)
    words: dict[State, str] = {}
    unclear: tuple[str, ...] = ()
    if "status" in fields:
        words, unclear = words_of(document, vocabulary, shape.properties[fields["status"][0][0]])
    return View(pointer, schema, fields, words, unclear)


def _objects(document: Document, schema: Any) -> Iterator[tuple[Pointer, Any, Shape]]:
    """All objects of a schema from the outside in, with where they stand; each once in lists and once outside."""
    level: list[tuple[Pointer, Any]] = [((), schema)]
    seen: set[tuple[bool, str | int]] = set()
    for _ in range(MAX_LEVELS):
        inner: list[tuple[Pointer, Any]] = []
        for pointer, node in level:
            place = ("*" in pointer, reference_of(node) or id(node))
            if place in seen:
                continue
            seen.add(place)
            shape = shape_of(document, node)
            if shape.is_array and shape.items is not None:
                inner.append(((*pointer, "*"), shape.items))
            elif shape.is_object:
                yield pointer, node, shape
                inner.extend(((*pointer, name), sub) for name, sub in shape.properties.items())
        level = inner


def roles_of(document: Document, vocabulary: Vocabulary, shape: Shape) -> Mapping[str, tuple[Pointer, ...]]:
    """Which property plays which role, by name and type. A result may stand in several fields, all else in one."""
    shapes = {name: shape_of(document, sub) for name, sub in shape.properties.items()}
    roles: dict[str, tuple[Pointer, ...]] = {}
    taken: set[str] = set()
    for role in vocabulary.ranks["roles"]:
        allowed = _TYPES.get(role)
        fit = [n for n, s in shapes.items() if n not in taken and _suits(s, allowed)]
        ranked = sorted((rank, name) for name in fit if (rank := vocabulary.rank("roles", role, name)) is not None)
        names = [name for _, name in (ranked if role == "result" else ranked[:1])]
        if names:
            roles[role] = tuple((name,) for name in names)
            taken.update(names)
    return roles


def _suits(shape: Shape, allowed: set[str] | None) -> bool:
    return allowed is None or not shape.types or bool(allowed & set(shape.types))


def words_of(document: Document, vocabulary: Vocabulary, schema: Any) -> tuple[dict[State, str], tuple[str, ...]]:
    """The provider's word for each state, and the words that no state is known for.

    Taken from the enum, else from the description, else from the example. The first word of a state wins.
    """
    shape = shape_of(document, schema)
    constants = [str(c) for b in (shape, *shape.branches) for c in (b.constants or [])]
    declared = bool(constants)
    if not declared:
        text = f"{shape.get('description') or ''} {shape.get('example') or ''}"
        constants = [w for w in _WORD.findall(text) if vocabulary.state(w)]
    words: dict[State, str] = {}
    unclear = []
    for word in constants:
        state = vocabulary.state(word)
        if state is None:
            unclear.append(word)
        else:
            words.setdefault(state, word)
    return words, tuple(unclear) if declared else ()


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
