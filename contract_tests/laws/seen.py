"""What an exchange says, read by the contract: what it answers, whether that was declared, what a job says in it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, urlsplit

from contract_tests.contract import shape_at
from contract_tests.finding import Deviation, Severity, Unjudged
from contract_tests.history import NO_JSON, Exchange, History, JobStory, Purpose, Sighting
from contract_tests.playing.seeing import sightings
from mockserver.errors import MockserverError
from mockserver.jobs.resource import Action, JobOperation, Pointer
from mockserver.openapi.document import Answer, Document, Operation, is_json, pointer_text, pointer_tokens
from mockserver.openapi.schema import Shape, Validator

ABSENT: Final = object()  # nothing stands there, not even null
MAX_FAULTS = 8  # of one answer; a wrong envelope makes every field wrong
MAX_ITEMS, MAX_DEPTH = 500, 6  # of a list that is looked through for what is wrong; lists within lists
MAX_ERRORS = 200  # that are read of one answer
MAX_SHOWN = 160  # characters of a value in a message
# Answers that HTTP itself gives to anybody, whatever a contract says: their laws are of their own.
_ANYBODY = {408, 413, 414, 425, 426, 429, 431, 503}
_TOLD_BY_ANYBODY = frozenset(map(str, _ANYBODY))
_OF_PARTS = {206, 304, 412, 416}
_LOOKS: Final = (Action.CREATE, Action.FOLLOW_UP, Action.RETRIEVE, Action.CANCEL)
OWN: Final = frozenset({Purpose.CREATE, Purpose.POLL, Purpose.AGAIN, Purpose.LIST, Purpose.PAGE, Purpose.FETCH,
                        Purpose.FOLLOW_UP, Purpose.CANCEL, Purpose.DELETE})  # fmt: skip
_KEYS, _GONE, _BODY = frozenset({401, 403}), frozenset({403, 404, 410}), frozenset({400, 422})
_USUAL = {
    Purpose.NO_KEY: _KEYS,
    Purpose.BAD_KEY: _KEYS,
    Purpose.SECOND_KEY: _GONE,
    Purpose.UNKNOWN_ID: _GONE,
    Purpose.AFTER_DELETE: _GONE,
    Purpose.WRONG_TYPE: frozenset({415}),
    Purpose.BROKEN_JSON: _BODY,
    Purpose.INVALID: _BODY,
    Purpose.ODD_INPUT: _BODY,
    Purpose.FETCH_EARLY: frozenset({409, 425}),
}
T = TypeVar("T")


def each(
    things: Iterable[T], check: Callable[[T], Iterable[Deviation] | Deviation | None], nothing: str
) -> Iterator[Deviation | Unjudged]:
    """What is wrong with each thing; why nothing can be said where there is none."""
    count = 0
    for thing in things:
        count += 1
        found = check(thing)
        yield from () if found is None else (found,) if isinstance(found, Deviation) else found
    if not count:
        yield Unjudged(nothing)


def shown(value: Any) -> str:
    """A value as a message shows it."""
    text = repr(value) if not isinstance(value, str) else f"`{value}`" if value else "an empty text"
    text = {"None": "null", "True": "true", "False": "false"}.get(text, text)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


@lru_cache(maxsize=1)
def memory(history: History) -> dict[str, Any]:
    """What has been worked out of a history, for all laws. `memory.cache_clear()` forgets it."""
    return {}


# -- operations and statuses ------------------------------------------------------------------------


def operations(history: History) -> dict[str, Operation]:
    """The operations by their names, with their answers under the statuses that the checks are shown."""
    if "operations" not in memory(history):
        document = history.contract.document
        fresh = Document(document.root, document.origin)  # the contract's own were read before it was changed
        memory(history)["operations"] = {operation.name: operation for operation in fresh.operations}
    found: dict[str, Operation] = memory(history)["operations"]
    return found


def part_of(history: History, exchange: Exchange) -> JobOperation | None:
    """What an exchange's operation is for a job."""
    return next((part for part in history.contract.parts if part.operation.name == exchange.operation), None)


def status_of(history: History, exchange: Exchange) -> int:
    """The status that says what an answer is: a refusal under the status of a success has that of a refusal."""
    refusals = history.contract.refusals
    if exchange.status not in refusals.success_statuses:
        return exchange.status
    return refusals.shown_status(exchange.status, None if exchange.json is NO_JSON else exchange.json)


def is_good(history: History, exchange: Exchange) -> bool:
    """Whether a request was served."""
    return 200 <= status_of(history, exchange) < 300


def shows_job(history: History, exchange: Exchange) -> bool:
    """Whether an answer has anything of the job that was asked for: its id, or what a job is read by."""
    return exchange.job.encode() in exchange.body or bool(sightings(history.contract, exchange))


def says_undeleted(exchange: Exchange) -> bool:
    """Whether an answer to a delete says that nothing was deleted, whatever its status is."""
    return isinstance(exchange.json, dict) and exchange.json.get("deleted") is False


def came_too_often(history: History, exchange: Exchange) -> bool:
    """Whether a service had no time, which is no fault: too many requests, or overloaded."""
    status = status_of(history, exchange)
    return status == 429 or (status == 503 and exchange.header("retry-after") is not None) or status == 0


def declared_status(history: History, kind: str) -> int | None:
    """The status that `x-job.refusals` declares for a kind of refusal, as the checks are shown it."""
    rules = (history.contract.document.root.get("x-job") or {}).get("refusals") or {}
    rule = rules.get(kind)
    status = rule.get("status") if isinstance(rule, dict) else None
    return status if isinstance(status, int) and status >= 400 else None


def place(history: History, name: str, *more: str) -> str:
    """The JSON Pointer of an operation in the document, or of something in it; '' for none."""
    operation = operations(history).get(name)
    if operation is None:
        return ""
    return pointer_text(("paths", operation.written or operation.path, operation.method.lower(), *more))


def query_of(exchange: Exchange) -> dict[str, str]:
    """The query of a request; of repeated names the last one."""
    try:
        return dict(parse_qsl(urlsplit(exchange.url).query, keep_blank_values=True))
    except ValueError:
        return {}


# -- one answer against its declaration -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which an answer is not as declared; `kind` is status, media type, empty, no JSON or body.

    `origin` is the field's place in the document where that is one for several operations; '' else.
    """

    kind: str
    message: str
    pointer: str
    cause: str
    severity: Severity | None = None
    origin: str = ""


def faults(history: History, exchange: Exchange) -> list[Fault]:
    """All ways in which an answer is not as its operation declares it."""
    known: dict[Exchange, list[Fault]] = memory(history).setdefault("faults", {})
    if exchange not in known:
        known[exchange] = list(_faults(history, exchange))
    return known[exchange]


def _faults(history: History, exchange: Exchange) -> Iterator[Fault]:
    operation = operations(history).get(exchange.operation)
    if operation is None or exchange.status == 0 or exchange.method != operation.method:
        return  # HEAD and wrong methods have laws of their own
    if exchange.purpose in (Purpose.WRONG_METHOD, Purpose.LINK):
        return
    status = status_of(history, exchange)
    if status < 400 and exchange.purpose == Purpose.ODD_INPUT and exchange.detail.startswith("id:"):
        return  # an odd path may be another operation's
    answer = operation.answer_for(status)
    if answer is None:
        if not _needs_no_declaration(operation, status, part_of(history, exchange)):
            told = ", ".join(each.status for each in operation.answers)
            yield Fault(
                "status",
                f"answered {status}, which is not declared (declared: {told})",
                place(history, exchange.operation, "responses"),
                str(status),
                Severity.NOTE if _is_usual(operation, exchange, status) else None,
            )
        return
    if status in _OF_PARTS or status == 204 or not answer.content:
        return
    yield from _body_faults(history, exchange, answer)


def _is_usual(operation: Operation, exchange: Exchange, status: int) -> bool:
    """Whether HTTP itself has a status for what was wrong, and the contract has none: told of, and no violation."""
    usual = _USUAL.get(exchange.purpose, frozenset())
    return status in usual and not any(operation.answer_for(each_status) for each_status in usual)


def _needs_no_declaration(operation: Operation, status: int, part: JobOperation | None) -> bool:
    """Whether an answer may be given by anybody, or by a contract that is silent about its like."""
    if status in _ANYBODY or status >= 500:
        return True  # what a server error is, another law says
    if part and part.action is Action.CONTENT and (status in _OF_PARTS or 300 <= status < 400):
        return True
    if status == 304:
        return True
    families = {each.status[:1] for each in operation.answers if each.status not in _TOLD_BY_ANYBODY}
    return str(status)[0] not in families and 400 <= status < 500


def _body_faults(history: History, exchange: Exchange, answer: Answer) -> Iterator[Fault]:
    at = place(history, exchange.operation, "responses", answer.status)
    json_media = answer.json_media()
    is_all_json = all(is_json(name) for name in answer.content)
    if not exchange.body:
        if json_media and is_all_json:
            yield Fault("empty", f"answered {exchange.status} without a body", at, "empty")
        return
    fitting = declared_media(answer, exchange.media_type)
    value = NO_JSON if exchange.is_cut else exchange.json
    if fitting is None and exchange.header("content-type") is not None:
        told = ", ".join(answer.content)
        message = f"the body is labelled {shown(exchange.media_type)}, declared is {told}"
        yield Fault("media type", message, f"{at}/content", exchange.media_type)
        if value is NO_JSON or not is_all_json:
            return  # the wrong label is the cause
    named, node = fitting if fitting and is_json(fitting[0]) else json_media or ("", {})
    if not named or exchange.is_cut or (fitting and not is_json(fitting[0]) and not is_json(exchange.media_type)):
        return
    if value is NO_JSON:
        text = exchange.body[:60].decode(errors="replace")
        yield Fault("no JSON", f"the body is no JSON: {shown(text)}", at, "no JSON")
        return
    schema = node.get("schema")
    if schema is None:
        return
    found: dict[tuple[str, str], list[Any]] = {}  # what is wrong at one place, in one way; several may be missing there
    try:
        errors_found = list(
            islice(_errors(history, exchange.operation, answer.status, named, schema, value), MAX_ERRORS)
        )
    except ValueError:  # a recursion limit
        yield Fault("body", "the JSON is nested deeper than readers follow", at, "nested")
        return
    for error in errors_found:
        where = "/".join("*" if isinstance(token, int) else str(token) for token in error.instance_path)
        found.setdefault((where, str(error.schema_path[-1]) if error.schema_path else ""), []).append(error)
    content = f"{at}{pointer_text(('content', named, 'schema'))}"
    for (where, keyword), errors in islice(found.items(), MAX_FAULTS):
        message, what = errors[0].message[:MAX_SHOWN], f": {keyword}"
        if keyword == "required":
            names = sorted({error.message.partition(" is a required")[0].strip('"') for error in errors})
            told = ", ".join(f"`{name}`" for name in names[:MAX_FAULTS])
            more = f" and {len(names) - MAX_FAULTS} more" if len(names) > MAX_FAULTS else ""
            verb = "are" if len(names) > 1 else "is"
            message, what = f"{told}{more} {verb} required and not there", f": required {' '.join(names)[:200]}"
        pointer, origin = _origin(history.contract.document, content, schema, errors[0].evaluation_path)
        at_field = f"`{where}`: " if where else ""
        yield Fault("body", f"{at_field}{message}", pointer, f"/{where}{what}", origin=origin and f"{origin}{what}")


def _origin(document: Document, content: str, schema: Any, steps: Iterable[Any]) -> tuple[str, str]:
    """Where in a document stands what a validator came to by its steps through a schema; and the place of the field.

    The place of the field is '' unless it stands in a schema that several operations refer to. Steps that the
    validator's translation has put in (for `nullable`, say) are not in the document, and lead nowhere.
    """
    node, here, field, is_shared, before = schema, tuple(pointer_tokens(content)), "", False, ""
    for step in map(str, steps):
        if step == "$ref" and isinstance(node, dict) and isinstance(ref := node.get("$ref"), str):
            node, here, is_shared = document.lookup(ref), tuple(pointer_tokens(ref[1:])), True
            field = pointer_text(here) if isinstance(node, dict) and "properties" in node else field
        elif isinstance(node, dict) and step in node:
            node, here = node[step], (*here, step)
            field = pointer_text(here) if before == "properties" and is_shared else field
        elif isinstance(node, list) and step.isdigit() and int(step) < len(node):
            node, here = node[int(step)], (*here, step)
        before = step
    return pointer_text(here), field


def declared_media(answer: Answer, media_type: str) -> tuple[str, dict[str, Any]] | None:
    """The declared media type that one fits, with its node; a range such as `video/*` fits its like."""
    for name, node in answer.content.items():
        essence = name.partition(";")[0].strip().lower()
        if essence in (media_type, "*/*") or (essence.endswith("/*") and media_type.startswith(essence[:-1])):
            return name, node
    if media_type in ("text/json", "application/json"):
        return next(((name, node) for name, node in answer.content.items() if is_json(name)), None)
    return None


def _errors(history: History, operation: str, status: str, media: str, schema: Any, value: Any) -> Iterator[Any]:
    validators: dict[Any, Validator | None] = memory(history).setdefault("validators", {})
    key = (operation, status, media)
    if key not in validators:
        try:
            validators[key] = Validator(history.contract.document, schema, "response")
        except MockserverError:
            validators[key] = None  # a schema that nobody can read says nothing; the lint names it
    validator = validators[key]
    if validator is None or validator.is_valid(value):
        return iter(())
    # All errors are made at once, of which a long list may have millions. What is wrong far down is told as such.
    shortened = _shortened(value)
    return iter(validator.iter_errors(shortened))


def _shortened(value: Any, depth: int = 0) -> Any:
    """A value with the first items of its long lists."""
    if depth > MAX_DEPTH:
        return value
    if isinstance(value, list):
        return [_shortened(item, depth + 1) for item in value[:MAX_ITEMS]]
    if isinstance(value, dict):
        return {name: _shortened(item, depth + 1) for name, item in islice(value.items(), MAX_ITEMS)}
    return value


# -- jobs -------------------------------------------------------------------------------------------


def looks(story: JobStory) -> list[Sighting]:
    """How a job was shown by itself (create, polls, cancel), in order; not as an item of a list."""
    return [each for each in story.sightings if each.part.action in _LOOKS and each.part.view]


def polls(story: JobStory) -> list[Sighting]:
    """How a job was shown by its retrieve, in order."""
    return [each for each in story.sightings if each.part.action is Action.RETRIEVE]


def has_role(sighting: Sighting, role: str) -> bool:
    """Whether the answer that showed a job declares a field for a role; one that is the result itself has none."""
    ended = sighting.part.ended
    if ended is not None and str(sighting.exchange.status) == ended.status:
        return False
    return sighting.part.view is not None and bool(sighting.part.view.fields.get(role))


def role_field(sighting: Sighting, role: str) -> str:
    """The name of the field that plays a role, as a path."""
    pointers = sighting.part.view.fields.get(role, ()) if sighting.part.view else ()
    return ".".join(pointers[0]) if pointers else role


def value_of(sighting: Sighting, role: str) -> Any:
    """What a job says in the field of a role: its first value that is not null; ABSENT where there is no such field."""
    pointers = sighting.part.view.fields.get(role, ()) if sighting.part.view else ()
    best: Any = ABSENT
    for pointer in pointers:
        value = at(sighting.body, pointer)
        if value is not ABSENT and value is not None:
            return value
        best = None if value is None else best
    return best


def at(value: Any, pointer: Pointer) -> Any:
    """What stands at a place of a JSON value (in the first item for `*`); ABSENT if there is nothing."""
    for token in pointer:
        if token == "*":
            if not isinstance(value, list) or not value:
                return ABSENT
            value = value[0]
        elif isinstance(value, dict) and token in value:
            value = value[token]
        else:
            return ABSENT
    return value


def field_shape(history: History, sighting: Sighting, pointer: Pointer) -> Shape | None:
    """What the contract says of a job's field; None where it says nothing."""
    if sighting.part.view is None:
        return None
    return shape_at(history.contract.document, sighting.part.view.schema, pointer)


def deviation(
    history: History,
    sighting: Sighting,
    message: str,
    role: str = "",
    *others: Exchange,
    cause: str = "",
) -> Deviation:
    """A deviation that sightings show: of the operation of the (last) one, with the job's field as its place."""
    name = sighting.exchange.operation
    status = _declared(history, sighting.exchange)
    pointer = place(history, name, "responses", status) if status else place(history, name)
    numbers = tuple(dict.fromkeys((*(each.number for each in others), sighting.exchange.number)))
    return Deviation(message, name, numbers, pointer, cause or role)


def shows(history: History, exchange: Exchange, message: str, cause: str = "", pointer: str = "") -> Deviation:
    """A deviation that one exchange shows."""
    return Deviation(
        message, exchange.operation, (exchange.number,), pointer or place(history, exchange.operation), cause
    )


def _declared(history: History, exchange: Exchange) -> str:
    operation = operations(history).get(exchange.operation)
    answer = operation.answer_for(status_of(history, exchange)) if operation else None
    return answer.status if answer else ""
