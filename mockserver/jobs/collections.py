"""Finding the plain collections of a document: what is created on one path and read by its id below it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mockserver.errors import DocumentError
from mockserver.jobs.identity import format_of
from mockserver.jobs.paths import bare, free_name, path_parameters, singular
from mockserver.jobs.resource import Collection, Conclusion, IdPlace, Pointer, RecordAction, RecordOperation, dig
from mockserver.jobs.vocabulary import Vocabulary, plain
from mockserver.openapi.document import Document, Operation
from mockserver.openapi.schema import Shape, reference_of, shape_of

MAX_LEVELS = 3  # an envelope, a list, a record
_WRITING = {"PUT": RecordAction.UPDATE, "PATCH": RecordAction.UPDATE, "POST": RecordAction.UPDATE,
            "DELETE": RecordAction.DELETE}  # fmt: skip


def find_collections(
    document: Document, vocabulary: Vocabulary, placed: Mapping[str, str]
) -> tuple[tuple[Collection, ...], tuple[Conclusion, ...]]:
    """The collections among the operations that are no part of a job, and what was concluded of all of these.

    `placed` maps operations that have a part already to whose it is. A collection is at least created and read.
    """
    free = [operation for operation in document.operations if operation.name not in placed]
    by_path: dict[str, list[Operation]] = {}
    for operation in free:
        by_path.setdefault(bare(operation.path), []).append(operation)
    taken = set(placed.values())
    found: list[Collection] = []
    notes: list[Conclusion] = []
    used: set[str] = set()
    for place, operations in sorted(by_path.items(), key=lambda item: item[0].count("/")):  # the outer have short names
        if not place.endswith("/{}"):
            continue
        reading = _Reading(document, vocabulary, operations[0].path)
        parts = reading.parts(operations, by_path.get(place.removesuffix("/{}"), []))
        if not {RecordAction.CREATE, RecordAction.READ} <= {part.action for part in parts}:
            continue
        name = _free_name(operations[0].path, taken)
        taken.add(name)
        id_format, evidence = reading.id_format(parts)
        found.append(Collection(name, tuple(parts), id_format))
        used.update(part.operation.name for part in parts)
        notes += [Conclusion(f"{name}: {p.action}", p.operation.name, _evidence(p)) for p in parts]
        notes.append(Conclusion(f"{name}: id", id_format, evidence))
    for operation in free:
        if operation.name not in used:
            notes.append(
                Conclusion("operation", f"{operation.name}: no part of a job", "answers with its example or a sample")
            )
    return tuple(found), tuple(notes)


class _Reading:
    """One path that may lead to a record, while the operations on it and on its collection are looked at."""

    def __init__(self, document: Document, vocabulary: Vocabulary, path: str) -> None:
        self._document = document
        self._parameter = path_parameters(path)[-1]
        self._noun = _noun(path)
        usual = vocabulary.ranks.get("sample names", {}).get("id", {"id": 0})
        names = [plain(self._parameter), plain(self._noun) + "id", *usual]
        self._ids = {name: rank for rank, name in reversed(list(enumerate(names)))}

    def parts(self, below: list[Operation], above: list[Operation]) -> list[RecordOperation]:
        """What each operation on the record's path and on the collection's does, if it does anything."""
        out = []
        for operation in above:
            if operation.method == "POST" and (place := self._record(operation)):
                out.append(RecordOperation(operation, RecordAction.CREATE, *place))
            elif operation.method == "GET" and (place := self._record(operation, in_list=True)):
                out.append(RecordOperation(operation, RecordAction.LIST, *place))
            elif operation.method in ("PUT", "PATCH") and (name := self._id_in_body(operation)):
                pointer, id_field = self._record(operation) or (None, "")
                at = IdPlace("body", (name,))
                out.append(RecordOperation(operation, RecordAction.UPDATE, pointer, id_field, at))
        for operation in below:
            at = IdPlace("path", path_parameters(operation.path)[-1:])
            if operation.method == "GET" and (place := self._record(operation)):
                out.append(RecordOperation(operation, RecordAction.READ, *place, at))
            elif action := _WRITING.get(operation.method):
                pointer, id_field = self._record(operation) or (None, "")
                out.append(RecordOperation(operation, action, pointer, id_field, at))
        return out

    def _record(self, operation: Operation, in_list: bool = False) -> tuple[Pointer, str] | None:
        """Where a record stands in an answer and which of its fields is its id: the best name, then the outermost."""
        answer = operation.success()
        media = answer.json_media() if answer else None
        if not media or "schema" not in media[1]:
            return None
        best: tuple[tuple[int, int], Pointer, str] | None = None
        try:
            for pointer, shape in self._objects(media[1]["schema"]):
                if ("*" in pointer) is in_list and (name := self._id_name(shape)):
                    score = (self._ids[plain(name)], len(pointer))
                    if best is None or score < best[0]:
                        best = score, pointer, name
        except DocumentError as error:
            origin = self._document.origin
            reason = str(error).removeprefix(f"{origin}: ")
            raise DocumentError(f"{origin}: {operation.name}: {reason}") from None
        return best[1:] if best else None

    def _objects(self, schema: Any) -> Iterator[tuple[Pointer, Shape]]:
        level: list[tuple[Pointer, Any]] = [((), schema)]
        seen: set[tuple[bool, str | int]] = set()
        for _ in range(MAX_LEVELS + 1):
            inner: list[tuple[Pointer, Any]] = []
            for pointer, node in level:
                key = ("*" in pointer, reference_of(node) or id(node))
                if key in seen:
                    continue
                seen.add(key)
                shape = shape_of(self._document, node)
                if shape.is_object:
                    yield pointer, shape
                    if "*" not in pointer:  # what stands inside a record is none
                        inner.extend(((*pointer, name), sub) for name, sub in shape.properties.items())
                elif shape.is_array and shape.items is not None and "*" not in pointer:
                    inner.append(((*pointer, "*"), shape.items))
            level = inner

    def _id_name(self, shape: Shape) -> str | None:
        fit = [
            name
            for name, sub in shape.properties.items()
            if plain(name) in self._ids and not (shape_of(self._document, sub).is_object)
        ]
        return min(fit, key=lambda name: self._ids[plain(name)], default=None)

    def _id_in_body(self, operation: Operation) -> str | None:
        for media in operation.body.values():
            if "schema" in media and (name := self._id_name(shape_of(self._document, media["schema"]))):
                return name
        return None

    def id_format(self, parts: list[RecordOperation]) -> tuple[str, str]:
        """The format of the ids, and from what it is concluded."""
        examples: list[str] = []
        for part in parts:
            for parameter in part.operation.parameters:
                if parameter.place == "path" and plain(parameter.name) == plain(self._parameter):
                    examples += [str(e) for e in (parameter.raw.get("example"), parameter.schema.get("example")) if e]
            if part.pointer is None:
                continue
            answer = part.operation.success()
            media = answer.json_media() if answer else None
            assert media is not None
            shape = shape_of(self._document, media[1]["schema"])
            for token in part.pointer:
                shape = shape_of(self._document, shape.items if token == "*" else shape.properties[token])
            inner = shape_of(self._document, shape.properties[part.id_field])
            if inner.get("format") == "uuid":
                return "{uuid}", "its format"
            if "string" not in inner.types and {"integer", "number"} & set(inner.types):
                return "{digits:9}", "its type"
            if example := inner.get("example"):
                examples.append(str(example))
            found = (dig(example, (*part.pointer, part.id_field)) for example in self._document.examples(media[1]))
            examples += [str(value) for value in found if isinstance(value, (str, int))]
        seen = max(examples, key=len, default="")
        usable = [example for example in examples if "{" not in example and len(example) <= 64]
        return format_of(usable, self._noun), f"the example {seen!r}" if seen else "no example; a default"


def _evidence(part: RecordOperation) -> str:
    where = "on the collection's path" if part.id_place is None else "on the record's path"
    if part.id_place and part.id_place.place == "body":
        where = "on the collection's path, with the id in its body"
    return f"{part.operation.method} {where}" + (f", answers with {part.id_field!r}" if part.id_field else "")


def _noun(path: str) -> str:
    """What one record is called: the last word of the path that is no parameter, in the singular."""
    words = [piece for piece in path.split("/") if piece and "{" not in piece]
    return singular(re.sub(r"[^0-9A-Za-z]+", "_", words[-1]).strip("_") if words else "") or "record"


def _free_name(path: str, taken: set[str]) -> str:
    noun = _noun(path)
    words = [piece for piece in path.split("/") if piece and "{" not in piece]
    return free_name(noun, _noun("/".join(words[:-1])) if len(words) > 1 else "", taken)
