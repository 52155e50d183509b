"""Pages of a list: by cursor, number or offset, as the parameters have it; the next one by value, URL or header."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote, unquote_plus

from mockserver.engine.refusal import Refusal, Violation
from mockserver.jobs.vocabulary import Vocabulary
from mockserver.openapi.document import Answer, Document, Operation
from mockserver.openapi.schema import Shape, shape_of

MOST = 2**53  # what every JSON reader can hold of integers
DEFAULT_SIZE = 20  # items on a page where the contract names no default


class Listing(Protocol):
    """What is listed: jobs of a store, records of a collection. They have an id, an owner and a kind."""

    def get(self, id: str) -> Any: ...
    def count(self, owner: str, kind: str) -> int: ...
    def page(self, owner: str, kind: str, descending: bool, after: Any, skip: int, size: int) -> Sequence[Any]: ...


class Selected:
    """What is listed of something else: those that a request asks for. It looks at all of them, once for each order."""

    def __init__(self, store: Listing, is_wanted: Callable[[Any], bool]) -> None:
        self._store = store
        self._is_wanted = is_wanted
        self._known: dict[tuple[Any, ...], list[Any]] = {}  # of one request, which counts and pages

    def get(self, id: str) -> Any:
        """One of all, wanted or not: a cursor may be the id of a job that has moved on."""
        return self._store.get(id)

    def count(self, owner: str, kind: str) -> int:
        """How many are wanted."""
        return len(self._wanted(owner, kind, True, None))

    def page(self, owner: str, kind: str, descending: bool, after: Any, skip: int, size: int) -> Sequence[Any]:
        """Some of those that are wanted."""
        return self._wanted(owner, kind, descending, after)[skip : skip + size]

    def _wanted(self, owner: str, kind: str, descending: bool, after: Any) -> list[Any]:
        key = owner, kind, descending, after.id if after is not None else None
        if key not in self._known:
            every = self._store.page(owner, kind, descending, after, 0, self._store.count(owner, kind))
            self._known[key] = [each for each in every if self._is_wanted(each)]
        return self._known[key]


class Page(NamedTuple):
    """Some jobs of a list, and how they lie in the whole. `number` counts from 1.

    `onward` and `back` are what `parameter` says for the pages beside it ('' for the last id, or for none);
    `address` is the URL of this page.
    """

    jobs: Sequence[Any]
    total: int
    number: int
    size: int
    has_more: bool
    onward: str = ""
    back: str = ""
    parameter: str = ""
    address: str = ""

    @property
    def first_id(self) -> str | None:
        return str(self.jobs[0].id) if self.jobs else None

    @property
    def last_id(self) -> str | None:
        return str(self.jobs[-1].id) if self.jobs else None

    @property
    def next(self) -> str | None:
        return (self.onward or self.last_id) if self.has_more else None

    @property
    def previous(self) -> str | None:
        return self.back or None

    @property
    def next_url(self) -> str | None:
        return self._url(self.next)

    @property
    def previous_url(self) -> str | None:
        return self._url(self.previous)

    @property
    def links(self) -> str:
        """The pages beside this one as the value of a Link header (RFC 8288)."""
        urls = {"next": self.next_url, "prev": self.previous_url, "first": self._url("")}
        return ", ".join(f'<{url}>; rel="{rel}"' for rel, url in urls.items() if url)

    def _url(self, value: str | None) -> str | None:
        """The address with another value of the parameter; '' leaves it out."""
        if value is None or not self.parameter:
            return None
        path, _, query = self.address.partition("?")
        kept = [p for p in query.split("&") if p and unquote_plus(p.partition("=")[0]) != self.parameter]
        kept += [f"{quote(self.parameter)}={quote(value, safe='')}"] if value else []
        return f"{path}?{'&'.join(kept)}" if kept else path

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
        self._parameter = self._number or self._offset or self._after or ""
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

    def page(self, store: Listing, owner: str, kind: str, query: Mapping[str, Any], address: str = "") -> Page:
        """The page that a request to an address asks for. Raises Refusal for a cursor that nobody was given."""
        size = _whole(query.get(self._size), self._default) if self._size else self._default
        descending = (
            str(query.get(self._order, "desc")).lower() not in ("asc", "ascending", "1") if self._order else True
        )
        total = store.count(owner, kind)
        if self._number:
            number = _whole(query.get(self._number), self._base)
            skip = max(number - self._base, 0) * size
            jobs = store.page(owner, kind, descending, None, skip, size)
            back = str(number - 1) if number > self._base else ""
            more = skip + size < total
            return Page(jobs, total, number, size, more, str(number + 1), back, self._parameter, address)
        if self._offset:
            skip = _whole(query.get(self._offset), 0)
            jobs = store.page(owner, kind, descending, None, skip, size)
            back = str(max(skip - size, 0)) if skip else ""
            number, more = skip // size + 1 if size else 1, skip + size < total
            return Page(jobs, total, number, size, more, str(skip + size), back, self._parameter, address)
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
        return Page(jobs[:size], total, 1, size, len(jobs) > size, "", "", self._parameter, address)


def page_headers(vocabulary: Vocabulary, answer: Answer | None) -> list[tuple[bytes, Callable[[Page], str]]]:
    """The declared headers of a list's answer that tell of its pages, each with what makes its value."""
    declared = answer.raw.get("headers") if answer else None
    found: list[tuple[bytes, Callable[[Page], str]]] = []
    for name in map(str, declared if isinstance(declared, dict) else ()):
        if vocabulary.rank("answer headers", "page links", name) is not None:
            found.append((name.lower().encode(), lambda page: page.links))
        elif vocabulary.rank("answer headers", "total", name) is not None:
            found.append((name.lower().encode(), lambda page: str(page.total)))
    return found


def wants_url(vocabulary: Vocabulary, name: str, shape: Shape) -> bool:
    """Whether a field that leads to another page holds its whole URL: by its format, its example or its name."""
    for form in (shape, *shape.branches):
        several = form.get("examples")
        examples = [form.get("example"), *(several if isinstance(several, list) else ())]
        if form.get("format") in ("uri", "url", "uri-reference") or any(
            isinstance(example, str) and example.startswith(("http://", "https://", "/")) for example in examples
        ):
            return True
    return vocabulary.ends_like("link", name)


def _whole(value: Any, usual: int) -> int:
    """A number of a query, not negative; the usual one if the contract lets something else through."""
    try:
        return min(max(int(value), 0), MOST)
    except (TypeError, ValueError, OverflowError):
        return usual
