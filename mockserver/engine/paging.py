"""Pages of a list: by cursor or by page number, as the operation's parameters and answer have it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from mockserver.engine.refusal import Refusal, Violation
from mockserver.jobs.vocabulary import Vocabulary
from mockserver.openapi.document import Document, Operation
from mockserver.openapi.schema import shape_of

MOST = 2**53  # what every JSON reader can hold of integers
DEFAULT_SIZE = 20  # items on a page where the contract names no default


class Listing(Protocol):
    """What is listed: jobs of a store, records of a collection. They have an id, an owner and a kind."""

    def get(self, id: str) -> Any: ...
    def count(self, owner: str, kind: str) -> int: ...
    def page(self, owner: str, kind: str, descending: bool, after: Any, skip: int, size: int) -> Sequence[Any]: ...


class Page(NamedTuple):
    """Some jobs of a list, and how they lie in the whole. `number` counts from 1."""

    jobs: Sequence[Any]
    total: int
    number: int
    size: int
    has_more: bool

    @property
    def first_id(self) -> str | None:
        return str(self.jobs[0].id) if self.jobs else None

    @property
    def last_id(self) -> str | None:
        return str(self.jobs[-1].id) if self.jobs else None

    @property
    def next(self) -> str | None:
        return self.last_id if self.has_more else None

    @property
    def pages(self) -> int:
        return -(-self.total // self.size) if self.size else 0


class Paging:
    """How one list operation is paged: which parameter plays which role."""

    def __init__(self, document: Document, vocabulary: Vocabulary, operation: Operation, lenient: bool = False) -> None:
        """`lenient`: a cursor that nobody was given begins at the start."""
        self._lenient = lenient
        names = [p.name for p in operation.parameters if p.place == "query"]
        self._after = vocabulary.best("paging", "after", names)
        self._number = vocabulary.best("paging", "page", names)
        self._order = vocabulary.best("paging", "order", names)
        self._size = vocabulary.best("paging", "limit", [n for n in names if n != self._after])
        self._offset = vocabulary.best("paging", "offset", names)
        self._base = 1
        self._default = DEFAULT_SIZE
        for parameter in operation.parameters:
            shape = shape_of(document, parameter.schema)
            if parameter.name == self._number and 0 in (shape.number("minimum"), shape.number("default")):
                self._base = 0
            if parameter.name == self._size:
                most = shape.number("maximum")
                usual = min(DEFAULT_SIZE, DEFAULT_SIZE if most is None else most)
                self._default = _whole(shape.number("default") or usual, DEFAULT_SIZE)

    def page(self, store: Listing, owner: str, kind: str, query: Mapping[str, Any]) -> Page:
        """The page that a request asks for. Raises Refusal for a cursor that nobody was given."""
        size = _whole(query.get(self._size), self._default) if self._size else self._default
        descending = (
            str(query.get(self._order, "desc")).lower() not in ("asc", "ascending", "1") if self._order else True
        )
        total = store.count(owner, kind)
        if self._number:
            number = _whole(query.get(self._number), self._base)
            skip = max(number - self._base, 0) * size
            jobs = store.page(owner, kind, descending, None, skip, size)
            return Page(jobs, total, number, size, skip + size < total)
        if self._offset:
            skip = _whole(query.get(self._offset), 0)
            jobs = store.page(owner, kind, descending, None, skip, size)
            return Page(jobs, total, skip // size + 1 if size else 1, size, skip + size < total)
        cursor = str(query.get(self._after) or "") if self._after else ""
        after = None
        if cursor:
            after = store.get(cursor)
            if after is None or after.owner != owner or after.kind != kind:
                after = None
            if after is None and not self._lenient:
                violation = Violation("query", str(self._after), "cursor", f"'{cursor[:60]}'", "the id of a listed job")
                raise Refusal("invalid_request", violation.text, violations=(violation,))
        jobs = store.page(owner, kind, descending, after, 0, size + 1)
        return Page(jobs[:size], total, 1, size, len(jobs) > size)


def _whole(value: Any, usual: int) -> int:
    """A number of a query, not negative; the usual one if the contract lets something else through."""
    try:
        return min(max(int(value), 0), MOST)
    except (TypeError, ValueError, OverflowError):
        return usual
