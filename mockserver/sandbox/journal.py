"""The journal: the exchanges of a sandbox in order, up to a number, and up to so many bytes for all sandboxes.

An exchange is packed into bytes at once, by `marshal`, which is for just this: the same process, plain values, half a
microsecond. Keeping the objects themselves would make a request cost a tenth more, since all that is made for one
would be freed a thousand requests later, scattered among the jobs that stay.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from heapq import heapify, heappop, heapreplace
from marshal import dumps, loads
from typing import Any, NamedTuple

from mockserver.form import FormError, FormPart, UploadedFile
from mockserver.message import Fault, RawHeaders, Response
from mockserver.sandbox.exchange import Exchange, Marks

MAX_ENTRIES = 1000  # of one sandbox
MAX_BYTES = 64 << 20  # of all sandboxes together
MAX_BODY = 16 * 1024  # bytes of a body, and of the texts of a form together
MAX_TEXT = 2000  # characters of a path, of a query and of a header
MAX_HEADERS = 64
MAX_MEDIA = 64  # bytes of a picture, sound or film: enough to tell what it is
MAX_ENTRY = 64 * 1024  # bytes of one entry, above which its headers are cut
_KEPT = 7 / 8  # of what all may hold, down to which is made room: not again with each entry
_UNMARKED: Any = ("", (), (), (), "", 0.0, False)
_PLAIN = 2  # the version of the format that looks for no repetitions: twice as fast


Form = tuple[FormPart, ...] | FormError | None


class Entry(NamedTuple):
    """One exchange as it was. Instants in seconds since the epoch: `real` is the machine's, `now` the sandbox's.

    `form` holds name and text of each field, and for a file (name, media type, size). `job` and `state` are the id and
    the canonical state of the job that it was about, at that instant; '' for none. `violations` are (place, field,
    kind, found, expected). `fault` is how the answer was broken on its way, and `delay` for how many seconds of the
    machine it was held back; `planned`: it was a scenario that refused it.
    """

    number: int
    real: float
    now: float
    provider: str
    operation: str
    action: str
    method: str
    path: str
    query: str
    headers: Mapping[bytes, bytes]
    body: bytes
    form: tuple[tuple[str, Any], ...] | None
    status: int
    answer_headers: RawHeaders
    answer: bytes
    answer_size: int
    job: str
    state: str
    refusal: str
    violations: tuple[tuple[str, ...], ...]
    scenarios: tuple[str, ...]
    drifts: tuple[str, ...]
    fault: str
    delay: float = 0.0
    planned: bool = False


class Shelf:
    """The journals of a server."""

    def __init__(self, most_bytes: int = MAX_BYTES) -> None:
        self.most_bytes = most_bytes
        self.bytes = 0  # of all of them
        self.journals: dict[int, Journal] = {}

    def make_room(self) -> None:
        """Let the largest journals lose their oldest entries until there is some room again."""
        order = [(-journal.bytes, id, journal) for id, journal in self.journals.items() if len(journal)]
        heapify(order)
        while order and self.bytes > self.most_bytes * _KEPT:
            _, id, largest = order[0]
            for _ in range(max(len(largest) // 4, 1)):
                largest.drop_oldest()
            if len(largest):
                heapreplace(order, (-largest.bytes, id, largest))
            else:
                heappop(order)


class Journal:
    """Entries, oldest first. `count` is of all that there were, `last` the machine's instant of the newest."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._kept: deque[bytes] = deque()
        self.bytes = 0
        self.count = 0
        self.last = 0.0
        shelf.journals[id(self)] = self

    def add(self, exchange: Exchange, response: Response) -> None:
        """Keep an exchange with its response; long texts are cut."""
        method, path, query, headers, body, form, _ = exchange.request
        status, answer_headers, answer, fault = response
        size = len(answer)
        if len(body) + size > MAX_BODY or form or len(path) + len(query) > MAX_TEXT:
            path, query, body = path[:MAX_TEXT], query[:MAX_TEXT], body[:MAX_BODY]
            form, answer = _cut_form(form), _cut_answer(response)
        job, marks = exchange.job, exchange.marks
        if job is not None:
            timeline = job.timeline
            about = (job.id, timeline.started, timeline.ended, timeline.outcome._value_)
        packed: Any = (
            exchange.real,
            exchange.now,
            exchange.account.provider,
            exchange.name,
            exchange.action,
            method,
            path,
            query,
            headers,
            body,
            form,
            status,
            answer_headers,
            answer,
            size,
            None if job is None else about,
            None if marks is None else _plain(marks, fault),
        )
        blob = dumps(packed, _PLAIN)
        if len(blob) > MAX_ENTRY:
            blob = _cut_headers(blob)
        kept = self._kept
        kept.append(blob)
        self.last = exchange.real
        size = len(blob)
        if len(kept) > MAX_ENTRIES:
            size -= len(kept.popleft())
        self.bytes += size
        self.count += 1
        shelf = self._shelf
        shelf.bytes += size
        if shelf.bytes > shelf.most_bytes:
            shelf.make_room()

    def drop_oldest(self) -> None:
        """Lose the oldest entry."""
        size = len(self._kept.popleft())
        self.bytes -= size
        self._shelf.bytes -= size

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
        self._shelf.bytes -= self.bytes
        self.bytes = self.count = 0

    def leave(self) -> None:
        """Forget all, and be no part of the server any more."""
        self.clear()
        self._shelf.journals.pop(id(self), None)

    @property
    def dropped(self) -> int:
        """How many entries had to make room."""
        return self.count - len(self._kept)

    def __iter__(self) -> Iterator[Entry]:
        first = self.dropped + 1
        return (_entry(number, loads(blob)) for number, blob in enumerate(tuple(self._kept), first))

    def __len__(self) -> int:
        return len(self._kept)


def _plain(marks: Marks, fault: Fault | None) -> tuple[Any, ...]:
    violations = tuple(tuple(violation) for violation in marks.violations)
    kind, delay = (fault.kind, fault.delay) if fault else ("", 0.0)
    return marks.refusal, violations, marks.scenarios, marks.drifts, kind, delay, marks.planned


def _entry(number: int, packed: Any) -> Entry:
    *first, about, marks = packed
    fields: list[Any] = [number, *first]
    id, state = "", ""
    if about is not None:
        id, started, ended, outcome = about
        now = packed[1]
        state = outcome if now >= ended else "queued" if now < started else "running"
    return Entry._make([*fields, id, state, *(marks or _UNMARKED)])


def _cut_form(form: Form) -> Any:
    """The fields of a form as plain values, up to so many bytes; of files only what was said of them."""
    if form is None or isinstance(form, FormError):
        return None
    room = MAX_BODY
    parts: list[Any] = []
    for name, value in form:
        if isinstance(value, UploadedFile):
            parts.append((name[:200], (value.filename[:200], value.content_type[:200], value.size)))
        else:
            parts.append((name[:200], value[:room]))
            room -= len(value[:room])
    return tuple(parts)


def _cut_answer(response: Response) -> bytes:
    """What is kept of an answer's body: of a picture or a film only how it begins."""
    types = [value for name, value in response.headers if name == b"content-type"]
    return response.body[: MAX_BODY if any(b"json" in t or b"text" in t for t in types) else MAX_MEDIA]


def _cut_headers(blob: bytes) -> bytes:
    values = list(loads(blob))
    at = Entry._fields.index("headers") - 1  # the number is not packed
    some = list(values[at].items())[:MAX_HEADERS]
    values[at] = {name[:200]: value[:MAX_TEXT] for name, value in some}
    return dumps(tuple(values), _PLAIN)
