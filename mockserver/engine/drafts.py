"""An answer taken apart: where its jobs, its list and its error stand, so that they can be written otherwise."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from mockserver.jobs.lifecycle import State
from mockserver.jobs.resource import Action, Contract, JobOperation, JobResource, Pointer, dig
from mockserver.jobs.vocabulary import Vocabulary
from mockserver.message import RawHeaders, Response
from mockserver.openapi.document import is_json
from mockserver.openapi.schema import shape_of
from mockserver.plans.drift import ERROR_ROLES, INPUT_ROLES, KIND
from mockserver.sandbox.exchange import Exchange

NO_JSON: Any = object()  # in place of a body that is no JSON
MAX_LEVELS = 4  # objects inside objects in which an error is looked for
NO_BODY = frozenset({204, 304})
Place = tuple[dict[str, Any], str]  # an object, and the name of one of its fields


class JobObject:
    """A job as an answer shows it: its object, and the state that it really is in (None: not known)."""

    __slots__ = ("fields", "state")

    def __init__(self, fields: dict[str, Any], state: State | None) -> None:
        self.fields = fields
        self.state = state


class Draft:
    """An answer that is being written otherwise. `value` is its body as JSON values, or NO_JSON."""

    def __init__(self, contract: Contract, response: Response, exchange: Exchange, is_error: bool) -> None:
        self.contract = contract
        self.exchange = exchange
        self.is_error = is_error
        self.resource, self.part = _part_of(contract, exchange)
        self.take(response)

    def take(self, response: Response) -> None:
        """Begin again with another response."""
        self.status = response.status
        self.headers: RawHeaders = list(response.headers)
        self.body = response.body
        self.value = _parsed(response)
        self.is_written = False  # whether `value` is to be written out as the body
        self.items: list[Any] | None = None
        self.jobs: list[JobObject] = [] if self.is_error else list(self._find_jobs())

    def find_again(self) -> None:
        """Look for the jobs of the body once more, since its value is another one."""
        self.items = None
        self.jobs = [] if self.is_error else list(self._find_jobs())

    def replace(self, response: Response) -> None:
        """Take another response, with the headers that every answer gets when its operation is done."""
        own = self.contract.headers.get("request-id", "").lower().encode()
        late = [header for header in self.headers if header[0] == own or header[0].startswith(b"access-control-")]
        self.take(response._replace(headers=[*response.headers, *late]))

    @property
    def vocabulary(self) -> Vocabulary:
        return self.contract.vocabulary

    @property
    def words(self) -> Mapping[State, Any]:
        """The states as this answer spells them, and as other answers do where this one never tells them."""
        own = self.part.view.words if self.part and self.part.view else {}
        return {**(self.resource.words if self.resource else {}), **own}

    @property
    def content(self) -> bytes:
        """The body as it is now."""
        return orjson.dumps(self.value) if self.is_written else self.body

    def response(self, first: Response) -> Response:
        """The response as it is now; of the first one only what happens to it on its way is kept."""
        body = b"" if self.status in NO_BODY else self.content
        framing = (b"content-length", b"content-type") if self.status in NO_BODY else (b"content-length",)
        headers = [header for header in self.headers if header[0] not in framing]
        if self.status not in NO_BODY:
            headers.append((b"content-length", b"%d" % len(body)))
        return first._replace(status=self.status, headers=headers, body=body)

    # -- headers ------------------------------------------------------------------------------------

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header."""
        return next((value for each, value in self.headers if each == name), None)

    def set_header(self, name: bytes, value: bytes) -> bool:
        """Give a header this one value; whether that changes anything."""
        if self.header(name) == value:
            return False
        self.headers = [header for header in self.headers if header[0] != name]
        self.headers.append((name, value))
        return True

    def drop_header(self, name: bytes) -> bool:
        """Take a header away; whether it was there."""
        kept = [header for header in self.headers if header[0] != name]
        is_gone = len(kept) < len(self.headers)
        self.headers = kept
        return is_gone

    # -- jobs ---------------------------------------------------------------------------------------

    def _find_jobs(self) -> Iterator[JobObject]:
        view = self.part.view if self.part else None
        if view is None or self.value is NO_JSON:
            return
        if "*" in view.pointer:
            container = dig(self.value, view.pointer[: view.pointer.index("*")])
            self.items = container if isinstance(container, list) else None
        job, now = self.exchange.job, self.exchange.now
        for fields in objects_at(self.value, view.pointer):
            if "*" in view.pointer or job is None:
                yield JobObject(fields, self._state_of(fields))
            else:
                yield JobObject(fields, job.timeline.state_at(now))

    def _state_of(self, fields: dict[str, Any]) -> State | None:
        """The state of a job in a list: that of the job with its id, else what its word means."""
        assert self.part
        assert self.part.view
        roles = self.part.view.fields
        ids = (dig(fields, pointer) for pointer in roles.get("id", ()))
        store = self.exchange.account.store
        for id in ids:
            text = str(id)
            job = store.get(text) or store.get(text.rsplit("/", 1)[-1])
            if job is not None:
                return job.timeline.state_at(self.exchange.now)
        word = next((dig(fields, pointer) for pointer in roles.get("status", ())), None)
        return next((state for state, own in self.words.items() if own == word), None)

    def pointers(self, job: JobObject, role: str) -> tuple[Pointer, ...]:
        """Where the field of a role stands, or would stand, in a job of this answer."""
        view = self.part.view if self.part else None
        if view is None:
            return ()
        if role == KIND:
            return self._kind(job)
        if role not in INPUT_ROLES:
            return view.fields.get(role, ())
        taken = {pointer for pointers in view.fields.values() for pointer in pointers}
        inner = [(name, value) for name, value in job.fields.items() if isinstance(value, dict)]
        for above, fields in [((), job.fields), *(((name,), value) for name, value in inner)]:
            names = [str(name) for name in fields if (*above, name) not in taken]
            best = self.vocabulary.best("inputs", role, names)
            if best is not None and not isinstance(fields[best], (dict, list)):
                return ((*above, best),)
        return ()

    def _kind(self, job: JobObject) -> tuple[Pointer, ...]:
        """The field that holds the name of the kind of object, the same word in every answer."""
        assert self.part
        assert self.part.view
        document = self.contract.document
        for name, schema in shape_of(document, self.part.view.schema).properties.items():
            constants = shape_of(document, schema).constants
            if constants and len(constants) == 1 and job.fields.get(name) == constants[0]:
                return ((name,),)
        return ()

    def places(self, job: JobObject, role: str) -> list[Place]:
        """The fields of a role that a job of this answer has."""
        return [place for pointer in self.pointers(job, role) for place in places_at(job.fields, pointer)]

    # -- errors -------------------------------------------------------------------------------------

    def error(self) -> tuple[dict[str, Any], Mapping[str, str]] | None:
        """The object that tells what is wrong, and which of its fields plays which role."""
        if self.value is NO_JSON:
            return None
        level: list[Any] = [self.value]
        for _ in range(MAX_LEVELS):
            for value in level:
                if isinstance(value, dict) and (roles := self._error_roles(value)) and "message" in roles:
                    return value, roles
            level = [
                inner
                for value in level
                for inner in (value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
            ]
        return None

    def _error_roles(self, fields: dict[str, Any]) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for role in sorted(ERROR_ROLES):
            names = [name for name, value in fields.items() if not isinstance(value, (dict, list))]
            if role == "message":
                names = [name for name in names if isinstance(fields[name], str)]
            if (best := self.vocabulary.best("error", role, [n for n in names if n not in found.values()])) is not None:
                found[role] = best
        return found


def _part_of(contract: Contract, exchange: Exchange) -> tuple[JobResource | None, JobOperation | None]:
    name = exchange.operation.name if exchange.operation else ""
    return contract.parts.get(name, (None, None))


def _parsed(response: Response) -> Any:
    media = next((value for name, value in response.headers if name == b"content-type"), b"")
    if not response.body or not is_json(media.decode("latin-1")):
        return NO_JSON
    try:
        return orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return NO_JSON


def objects_at(value: Any, pointer: Pointer) -> Iterator[dict[str, Any]]:
    """All objects at a place of a JSON value; `*` stands for each item of a list."""
    if not pointer:
        if isinstance(value, dict):
            yield value
        return
    first, rest = pointer[0], pointer[1:]
    if first == "*":
        for item in value if isinstance(value, list) else ():
            yield from objects_at(item, rest)
    elif isinstance(value, dict) and first in value:
        yield from objects_at(value[first], rest)


def places_at(value: Any, pointer: Pointer) -> Iterator[Place]:
    """The fields at a place of a JSON value, where they are there."""
    if pointer:
        for holder in objects_at(value, pointer[:-1]):
            if pointer[-1] in holder:
                yield holder, pointer[-1]


def is_list(draft: Draft) -> bool:
    """Whether the answer is about several jobs."""
    return draft.part is not None and draft.part.action is Action.LIST
