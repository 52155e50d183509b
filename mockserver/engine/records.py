"""Records of plain collections: what was created can be read, listed, changed and deleted.

An answer about a record is a sample of its schema with the record's own fields put in, each only if it stays valid.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, NamedTuple

import orjson

from mockserver.clock import MOST
from mockserver.engine.conversion import as_type, converter, instant_writer
from mockserver.engine.invented import chosen_fields, usual_request
from mockserver.engine.paging import Page, Paging, wants_url
from mockserver.engine.refusal import Refusal
from mockserver.engine.sampling import Sampler
from mockserver.engine.stateless import Stateless
from mockserver.engine.validation import Inputs
from mockserver.engine.wording import Wording
from mockserver.errors import DeclarationError, DocumentError
from mockserver.form import UploadedFile
from mockserver.jobs.identity import id_maker
from mockserver.jobs.paths import path_parameters
from mockserver.jobs.resource import Collection, Contract, Pointer, RecordAction, RecordOperation, dig
from mockserver.jobs.vocabulary import plain
from mockserver.openapi.schema import Shape, Validator, shape_of
from mockserver.sandbox.exchange import Exchange
from mockserver.sandbox.sandbox import ANYONE

MAX_RECORDS = 10_000  # of one provider; the oldest goes first
MAX_BYTES = 256 << 20  # of all of them together
MAX_RECORD = 1 << 20  # bytes of one; a field beyond it is not kept
MAX_DRAWS = 100  # of an id
Place = tuple[str, tuple[str, ...]]  # a collection, and the values of the path's parameters above it


@dataclass(slots=True)
class Record:
    """One thing that was created. `fields` are as its answers show them; instants in seconds since the epoch."""

    id: str
    owner: str
    kind: str
    created: float
    updated: float
    fields: dict[str, Any]
    size: int


class Records:
    """All records of one provider, by collection, owner and id, up to a maximum."""

    def __init__(self, most: int = MAX_RECORDS, most_bytes: int = MAX_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._all: dict[tuple[Place, str, str], Record] = {}  # oldest first
        self._shelves: dict[tuple[Place, str], dict[str, Record]] = {}
        self._places: dict[str, dict[Place, None]] = {}  # by owner: where it has records

    def blank(self) -> "Records":
        """Others of the same size, that hold nothing."""
        return Records(self._most, self._most_bytes)

    def add(self, place: Place, record: Record) -> None:
        """Keep a new record; the oldest make room."""
        self._all[place, record.owner, record.id] = record
        self._shelves.setdefault((place, record.owner), {})[record.id] = record
        self._places.setdefault(record.owner, {})[place] = None
        self._bytes += record.size
        while len(self._all) > self._most or (self._bytes > self._most_bytes and len(self._all) > 1):
            oldest_place, _, _ = next(iter(self._all))
            self.remove(oldest_place, next(iter(self._all.values())))

    def change(self, record: Record, fields: dict[str, Any], now: float) -> None:
        """Give a record other fields."""
        size = len(orjson.dumps(fields))
        self._bytes += size - record.size
        record.fields, record.updated, record.size = fields, now, size

    def remove(self, place: Place, record: Record) -> None:
        """Forget a record."""
        del self._all[place, record.owner, record.id]
        shelf = self._shelves[place, record.owner]
        del shelf[record.id]
        if not shelf:
            del self._shelves[place, record.owner]
            places = self._places[record.owner]
            del places[place]
            if not places:
                del self._places[record.owner]
        self._bytes -= record.size

    def forget(self, owner: str) -> None:
        """Forget all records of one owner."""
        for place in tuple(self._places.get(owner, ())):
            for record in tuple(self._shelves[place, owner].values()):
                self.remove(place, record)

    def exported(self, owner: str) -> list[Any]:
        """The records of one owner as plain data, those of each place oldest first."""
        return [
            {
                "place": [place[0], list(place[1])],
                **{name: getattr(record, name) for name in ("id", "kind", "created", "updated", "fields")},
            }
            for place in self._places.get(owner, ())
            for record in self._shelves[place, owner].values()
        ]

    def take_in(self, owner: str, data: list[Any], where: str) -> None:
        """Keep exported records again. Raises DeclarationError."""
        for number, entry in enumerate(data):
            try:
                (collection, above), fields = entry["place"], entry["fields"]
                record = Record(
                    str(entry["id"]), owner, str(entry["kind"]), float(entry["created"]), float(entry["updated"]),
                    dict(fields), len(orjson.dumps(fields)),
                )  # fmt: skip
                place = (str(collection), tuple(map(str, above)))
                if not (0 <= record.created <= MOST and 0 <= record.updated <= MOST) or self._has(place, record):
                    raise ValueError
                self.add(place, record)
            except (KeyError, TypeError, ValueError, OverflowError):
                raise DeclarationError(f"{where}[{number}]: this is no record; leave it as it was exported.") from None

    def _has(self, place: Place, record: Record) -> bool:
        return (place, record.owner, record.id) in self._all

    def find(self, place: Place, owner: str, id: str) -> Record | None:
        """The record of an id, if the owner has it; what nobody's key was asked for belongs to all."""
        for whose in dict.fromkeys((owner, ANYONE)):
            if found := self._shelves.get((place, whose), {}).get(id):
                return found
        if owner == ANYONE:
            shelves = (shelf for (where, _), shelf in self._shelves.items() if where == place)
            return next((shelf[id] for shelf in shelves if id in shelf), None)
        return None

    def shelf(self, place: Place, owner: str) -> Mapping[str, Record]:
        """The records of one owner, oldest first."""
        return self._shelves.get((place, owner), {})


class _Listed:
    """The records of one owner as pages are cut from them."""

    def __init__(self, shelf: Mapping[str, Record]) -> None:
        self._shelf = shelf

    def get(self, id: str) -> Record | None:
        return self._shelf.get(id)

    def count(self, owner: str, kind: str) -> int:
        return len(self._shelf)

    def page(
        self, owner: str, kind: str, descending: bool, after: Record | None, skip: int, size: int
    ) -> Sequence[Record]:
        records = list(self._shelf.values())
        if descending:
            records.reverse()
        start = records.index(after) + 1 if after is not None else 0
        return records[start + skip : start + skip + size]


class InventedRecords:
    """Records that invented ids stand for: with the fields of a valid request, and as old as the server."""

    def __init__(self, seed: str, start: float) -> None:
        self._seed = seed
        self._start = start
        self._fields: dict[str, dict[str, Any]] = {}

    def record(self, contract: Contract, collection: Collection, id: str, owner: str) -> Record:
        """The record of an id, for whoever asks."""
        kind = collection.name
        if kind not in self._fields:
            part = collection.first(RecordAction.CREATE)
            body = usual_request(contract, part.operation, f"{self._seed}/{kind}") if part else None
            self._fields[kind] = _kept(chosen_fields(body))
        return Record(id, owner, kind, self._start, self._start, dict(self._fields[kind]), 0)


class RecordAnswer:
    """The answer of one operation about records."""

    def __init__(
        self,
        contract: Contract,
        collection: Collection,
        part: RecordOperation,
        stateless: Stateless,
        any_ids: bool = False,
    ) -> None:
        """`any_ids`: the id may be one that the schema does not allow, since a client made it up."""
        self._vocabulary = contract.vocabulary
        self._document = contract.document
        self._part = part
        self._pointer = part.pointer
        self._schema: Any = {}
        self._whole = stateless.base()
        self._accepts: Callable[[Any], bool] = lambda value: True
        self._is_valid: Callable[[Any], bool] = self._accepts
        self._record: dict[str, Any] = {}
        self._shape = shape_of(contract.document, {})
        self.id_shape = self._shape
        answer = part.operation.success()
        media = answer.json_media() if answer else None
        if media is None or "schema" not in media[1] or part.pointer is None:
            self._pointer = None
        else:
            self._schema = media[1]["schema"]
            validator = Validator(contract.document, self._schema, "response")
            self._is_valid = validator.is_valid
            self._accepts = partial(_but_for, part.id_field, validator) if any_ids else validator.is_valid
            self._shape = self._shape_at(media[1]["schema"], part.pointer)
            self.id_shape = shape_of(contract.document, self._shape.properties.get(part.id_field, {}))
            found = dig(self._whole, part.pointer)
            if not isinstance(found, dict):  # the example's list is empty, or it has null there
                found = self._sampled(part.pointer)
            self._record = found
        self._names = {plain(name): name for name in reversed(list(self._shape.properties))}
        self._askable = _request_fields(contract, collection)
        wording = Wording(contract.vocabulary)
        self._kinds = {name: wording.kind(name) for name in self._shape.properties}
        shapes = {name: shape_of(contract.document, sub) for name, sub in self._shape.properties.items()}
        self._instants = {
            name: (kind, instant_writer(shapes[name]))
            for name, kind in self._kinds.items()
            if kind in ("created", "updated") and not shapes[name].is_object
        }

        # What is worked out of the record each time and not kept with it.
        self.own = {part.id_field, *self._instants}

    @property
    def holds_record(self) -> bool:
        """Whether the answer shows a record at all."""
        return self._pointer is not None

    @property
    def is_full(self) -> bool:
        """Whether it shows all of a record, not just that it was deleted."""
        said = (self._vocabulary.rank("envelope", "deleted", name) is not None for name in self._shape.properties)
        return self.holds_record and not any(said)

    def _onward(self, pointer: Pointer, value: str | None, url: str | None) -> str | int | None:
        """What a field that leads to another page says: its URL, or a text or a number to ask for it."""
        shape = self._shape_at(self._schema, pointer)
        kinds = {kind for form in (shape, *shape.branches) for kind in form.types}
        if "string" not in kinds and "integer" in kinds:
            return int(value) if value is not None and value.isdecimal() else None
        return url if wants_url(self._vocabulary, pointer[-1], shape) else value

    def _shape_at(self, schema: Any, pointer: Pointer) -> Shape:
        shape = shape_of(self._document, schema)
        for token in pointer:
            shape = shape_of(self._document, shape.items if token == "*" else shape.properties.get(token, {}))
        return shape

    def _sampled(self, pointer: Pointer) -> dict[str, Any]:
        try:
            made = Sampler(self._document, self._shape.node, vocabulary=self._vocabulary, seed="/".join(pointer)).draw()
        except DocumentError:
            return {}
        return made if isinstance(made, dict) else {}

    def is_valid(self, record: dict[str, Any]) -> bool:
        """Whether the answer may hold this record."""
        assert self._pointer is not None
        return self._accepts(_put(self._whole, self._pointer, record))

    def shows_id(self, id: str) -> bool:
        """Whether the answer may hold a record of this id."""
        assert self._pointer is not None
        record = {**self._record, self._part.id_field: as_type(id, self.id_shape)}
        return self._is_valid(_put(self._whole, self._pointer, record))

    def record(self, record: Record, parents: Mapping[str, Any], file: UploadedFile | None = None) -> dict[str, Any]:
        """The record as this answer shows it; `file` is what was uploaded with it."""
        values: dict[str, Any] = {}
        for name, value in record.fields.items():
            target = name if name in self._shape.properties else self._names.get(plain(name))
            if target is None and not self._shape.properties:
                target = name
            if target is not None:
                values[target] = value
        for name, value in parents.items():
            if target := self._names.get(plain(name)):
                values[target] = as_type(str(value), shape_of(self._document, self._shape.properties[target]))
        if file is not None:
            about = {"file name": file.filename, "bytes": file.size, "media type": file.content_type}
            values.update((n, about[k]) for n, k in self._kinds.items() if k in about and n not in record.fields)
        for name, (kind, write) in self._instants.items():
            values[name] = write(record.created if kind == "created" else record.updated)
        if self._part.id_field:
            values[self._part.id_field] = as_type(record.id, self.id_shape)
        return self._fitted(values)

    def _fitted(self, values: dict[str, Any]) -> dict[str, Any]:
        """The sample with these values in it, as far as they are valid there.

        What a request could have said and did not is not made up: it is left out, or null, where it may be.
        """
        silent = [name for name in self._record if plain(name) in self._askable and name not in values]
        bare = {name: value for name, value in self._record.items() if name not in silent}
        for name in silent:
            if (default := self._askable[plain(name)]) is not None:
                bare[name] = default
        whole = {**bare, **values}
        if self.is_valid(whole):
            return whole
        out = dict(self._record)
        for name in reversed(values):  # what was put in last matters most: the id, then the times
            out = next((each for each in self._with(out, name, values[name]) if self.is_valid(each)), out)
        for name in silent:
            without = {key: value for key, value in out.items() if key != name}
            for candidate in (without, {**out, name: None}):
                if self.is_valid(candidate):
                    out = candidate
                    break
        return out

    def _with(self, record: dict[str, Any], name: str, value: Any) -> Iterator[dict[str, Any]]:
        """A record with a field of this value, as near to it as may be: whole, completed, converted, or without it."""
        yield {**record, name: value}
        known = record.get(name)
        if isinstance(value, dict) and isinstance(known, dict):
            yield {**record, name: {**known, **value}}
        if name in self._shape.properties and value is not None:
            convert, _ = converter(shape_of(self._document, self._shape.properties[name]))
            yield {**record, name: convert(value)}
        yield {key: inner for key, inner in record.items() if key != name}

    def about(self, shown: dict[str, Any]) -> Any:
        """The whole answer about one record."""
        assert self._pointer is not None
        out = _put(self._whole, self._pointer, shown)
        return out if self._accepts(out) else self._whole

    def deleted(self, id: str) -> Any:
        """The whole answer about a record that is gone."""
        if not isinstance(self._whole, dict):
            return self._whole
        out = dict(self._whole)
        said: dict[str, Any] = {}
        answer = self._part.operation.success()
        media = answer.json_media() if answer else None
        shape = self._shape_at(media[1].get("schema") if media else None, ())
        for name, sub in shape.properties.items():
            inner = shape_of(self._document, sub)
            if name == self._part.id_field:
                said[name] = as_type(id, inner)
            elif self._vocabulary.rank("envelope", "deleted", name) is not None and "boolean" in inner.types:
                said[name] = True
        for name, value in said.items():
            if self._accepts({**out, name: value}):
                out[name] = value
        return out

    def page(self, page: Page, parents: Mapping[str, Any]) -> Any:
        """The whole answer about a page of records."""
        assert self._pointer is not None
        items = [self.record(record, parents) for record in page.jobs]
        way = self._pointer[: self._pointer.index("*")]
        out = _put(self._whole, way, items)
        facts: dict[str, Any] = {
            "first id": page.first_id,
            "last id": page.last_id,
            "has more": page.has_more,
            "next": page.next,
            "previous": page.previous,
            "total": page.total,
            "pages": page.pages,
            "page number": page.number,
            "page size": page.size,
        }
        urls = {"next": page.next_url, "previous": page.previous_url}
        for depth in range(len(way) + 1):  # round the list, level by level
            holder = dig(out, way[:depth])
            if not isinstance(holder, dict):
                break
            declared = self._shape_at(self._schema, way[:depth]).properties
            for name in dict.fromkeys((*holder, *declared)):
                if depth < len(way) and name == way[depth]:
                    continue
                role = next((r for r in facts if self._vocabulary.rank("paging", r, name) is not None), None)
                if role is None:
                    continue
                fact = facts[role]
                if role in urls:
                    fact = self._onward((*way[:depth], name), fact, urls[role])
                changed = _put(out, way[:depth], {**dig(out, way[:depth]), name: fact})
                less = {key: value for key, value in dig(out, way[:depth]).items() if key != name}
                for candidate in (changed, _put(out, way[:depth], less)) if fact is None else (changed,):
                    if self._accepts(candidate):
                        out = candidate
                        break
        return out if self._accepts(out) else self._whole


class PageOfRecords(NamedTuple):
    """The answer of a list with the page that it shows."""

    body: Any
    page: Page


def compile_record_act(
    contract: Contract,
    collection: Collection,
    part: RecordOperation,
    stateless: Stateless,
    records: Records,
    invented: InventedRecords | None = None,
) -> Callable[[Exchange, Inputs, str], Any]:
    """What an operation does to records: a function of exchange, inputs and address that gives the answer's JSON value.

    It gives None where the answer holds no JSON. Raises Refusal.
    """
    answer = RecordAnswer(contract, collection, part, stateless, invented is not None)
    own = part.id_place.pointer[0] if part.id_place and part.id_place.place == "path" else ""
    above = [name for name in path_parameters(part.operation.path) if name != own]
    kind = collection.name

    def place_of(given: Inputs) -> Place:
        return kind, tuple(str(given.path.get(name)) for name in above)

    def parents_of(given: Inputs) -> dict[str, Any]:
        return {name: given.path.get(name) for name in above}

    def owned(owner: str, given: Inputs) -> Record:
        assert part.id_place is not None
        holder = given.path if part.id_place.place == "path" else given.body if isinstance(given.body, dict) else {}
        id = str(holder.get(part.id_place.pointer[0]))
        found = records.find(place_of(given), owner, id)
        if found is None and invented is not None:
            return invented.record(contract, collection, id, owner)
        if found is None:
            message = (
                f"No {kind} with the id '{id[:100]}' was found: none was created with this key, or it was deleted."
            )
            raise Refusal("not_found", message, id=id)
        return found

    def shown(record: Record, given: Inputs) -> Any:
        return answer.about(answer.record(record, parents_of(given))) if answer.holds_record else None

    if part.action is RecordAction.CREATE:
        make_id = _ids(contract, collection, answer)
        id_names = _settable_ids(contract, part)

        def create(exchange: Exchange, given: Inputs, address: str) -> Any:
            owner, random, at = exchange.owner, exchange.account.random, exchange.now
            place = place_of(given)
            fields = _kept(given.body)
            chosen = next((fields[name] for name in id_names if isinstance(fields.get(name), (str, int))), None)
            if chosen is not None:
                id = str(chosen)
                known = records.find(place, owner, id)
                if known is not None and invented is not None:
                    records.remove(place, known)  # where any id is known, none is taken
                elif known is not None:
                    raise Refusal("conflict", f"There is a {kind} with the id '{id[:100]}' already.", id=id)
            else:
                draws = (make_id(random) for _ in range(MAX_DRAWS))
                free = next((drawn for drawn in draws if records.find(place, owner, drawn) is None), None)
                if free is None:
                    raise Refusal("too_many_jobs", "No id of the contract's format is free.")
                id = free
            record = Record(id, owner, kind, at, at, fields, 0)
            body = given.body if isinstance(given.body, dict) else {}
            file = next((value for value in body.values() if isinstance(value, UploadedFile)), None)
            made = answer.record(record, parents_of(given), file)
            record.fields = {**{name: value for name, value in made.items() if name not in answer.own}, **fields}
            record.size = len(orjson.dumps(record.fields))
            records.add(place, record)
            return answer.about(made)

        return create

    if part.action is RecordAction.LIST:
        paging = Paging(contract.document, contract.vocabulary, part.operation, invented is not None)

        def listed(exchange: Exchange, given: Inputs, address: str) -> Any:
            owner = exchange.owner
            shelf = _Listed(records.shelf(place_of(given), owner))
            page = paging.page(shelf, owner, kind, given.query, address)
            body = answer.page(page, parents_of(given))
            return None if body is None else PageOfRecords(body, page)

        return listed

    if part.action is RecordAction.UPDATE:
        replaced = _body_fields(contract, part) if part.operation.method == "PUT" else frozenset()

        def update(exchange: Exchange, given: Inputs, address: str) -> Any:
            owner = exchange.owner
            record = owned(owner, given)
            ids = {plain(part.id_field), *(plain(n) for n in (part.id_place.pointer if part.id_place else ()))}
            changes = {name: value for name, value in _kept(given.body).items() if plain(name) not in ids}
            fields = {n: v for n, v in record.fields.items() if plain(n) not in replaced or n in changes}
            if records.find(place_of(given), owner, record.id) is not record:  # from now on it is one
                records.add(place_of(given), record)
            records.change(record, {**fields, **changes}, exchange.now)
            return shown(record, given)

        return update

    if part.action is RecordAction.DELETE:

        def delete(exchange: Exchange, given: Inputs, address: str) -> Any:
            owner = exchange.owner
            record = owned(owner, given)
            value = shown(record, given) if answer.is_full else answer.deleted(record.id)
            if records.find(place_of(given), owner, record.id) is record:
                records.remove(place_of(given), record)
            return value

        return delete
    return lambda exchange, given, address: shown(owned(exchange.owner, given), given)


def _but_for(field: str, validator: Validator, value: Any) -> bool:
    """Whether a value is valid, or wrong in nothing but fields of this name."""
    return validator.is_valid(value) or all(
        error.instance_path and error.instance_path[-1] == field for error in validator.iter_errors(value)
    )


def _ids(contract: Contract, collection: Collection, answer: RecordAnswer) -> Callable[[Random], str]:
    """A function that draws ids: of the concluded format, or of a schema, whichever every schema allows."""
    document = contract.document
    schemas = []
    for part in collection.operations:
        if part.id_place and part.id_place.place == "path":
            name = part.id_place.pointer[0]
            schemas += [p.schema for p in part.operation.parameters if p.place == "path" and p.name == name]
    checks = [(shape_of(document, schema), Validator(document, schema, "request")) for schema in schemas]

    def suits(id: str) -> bool:
        return answer.shows_id(id) and all(check.is_valid(as_type(id, shape)) for shape, check in checks)

    def drawn(schema: Any) -> Callable[[Random], str]:
        sampler = Sampler(document, schema, vocabulary=contract.vocabulary, name="id")
        return lambda random: str(sampler.draw(f"{random.getrandbits(64)}"))

    usual = id_maker(collection.id_format)
    for make in (usual, drawn(answer.id_shape.node), *map(drawn, schemas)):
        try:
            if all(suits(make(Random(f"{collection.name}/{number}"))) for number in range(3)):
                return make
        except DocumentError:
            continue
    return usual


def _settable_ids(contract: Contract, part: RecordOperation) -> list[str]:
    """Fields of a create's request by which a client may choose the id."""
    found = []
    for media in part.operation.body.values():
        for name, sub in shape_of(contract.document, media.get("schema")).properties.items():
            inner = shape_of(contract.document, sub)
            if plain(name) == plain(part.id_field) and inner.get("readOnly") is not True:
                found.append(name)
    return found


def _request_fields(contract: Contract, collection: Collection) -> dict[str, Any]:
    """What requests can say of a record, by plain name, with the default that the contract gives."""
    out: dict[str, Any] = {}
    for part in collection.operations:
        if part.action in (RecordAction.CREATE, RecordAction.UPDATE):
            for media in part.operation.body.values():
                shape = shape_of(contract.document, media.get("schema"))
                for name, sub in (pair for form in (shape, *shape.branches) for pair in form.properties.items()):
                    inner = shape_of(contract.document, sub)
                    if inner.get("readOnly") is not True:
                        out.setdefault(plain(name), inner.get("default"))
    return out


def _body_fields(contract: Contract, part: RecordOperation) -> frozenset[str]:
    bodies = part.operation.body.values()
    return frozenset(plain(n) for m in bodies for n in shape_of(contract.document, m.get("schema")).properties)


def _kept(body: Any) -> dict[str, Any]:
    """The fields of a request that are kept: no files, and not more than a record may have."""
    out: dict[str, Any] = {}
    room = MAX_RECORD
    for name, value in body.items() if isinstance(body, dict) else ():
        value = _without_files(value)
        if value is _FILE or (isinstance(value, str) and len(value) > room):
            continue
        room -= len(orjson.dumps(value))
        if room >= 0:
            out[str(name)] = value
    return out


_FILE: Any = object()


def _without_files(value: Any) -> Any:
    if isinstance(value, UploadedFile):
        return _FILE
    if isinstance(value, list):
        return [inner for item in value if (inner := _without_files(item)) is not _FILE] or ([] if not value else _FILE)
    if isinstance(value, dict):
        return {key: inner for key, item in value.items() if (inner := _without_files(item)) is not _FILE}
    return value


def _put(value: Any, pointer: Pointer, inner: Any) -> Any:
    """A copy of a value with another one at a place; `*` is a list of just that one."""
    if not pointer:
        return inner
    token, *rest = pointer
    if token == "*":
        return [_put(value[0] if isinstance(value, list) and value else {}, tuple(rest), inner)]
    known = value if isinstance(value, dict) else {}
    return {**known, token: _put(known.get(token), tuple(rest), inner)}
