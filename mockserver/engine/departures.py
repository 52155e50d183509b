"""What a drift does to an answer: one function for each primitive, which says whether it changed anything."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from mockserver.engine.drafts import NO_BODY, NO_JSON, Draft, JobObject, Place, is_list
from mockserver.engine.oddities import ODDITIES
from mockserver.engine.placeholders import Values, fill
from mockserver.engine.refusal import Refusal, Refuser
from mockserver.engine.rewriting import (
    CONVERTERS,
    SAME,
    added,
    as_number,
    links_in,
    mapped_links,
    read_time,
    scaled,
    write_time,
)
from mockserver.jobs.lifecycle import State
from mockserver.jobs.resource import Action
from mockserver.plans.drift import Change, When
from mockserver.stores.protocol import StoreFull

Options = Mapping[str, Any]
_NUMBERS = {state: number for number, state in enumerate(State)}
_TIMES = {"created", "started", "completed", "updated", "expires"}
_UNDERSCORE = re.compile(r"_+([a-z0-9])")
_HUMP = re.compile(r"(?<=[a-z0-9])([A-Z])")


class Departures:
    """The primitives, for the answers of one contract."""

    def __init__(self, refuser: Refuser) -> None:
        self._refuser = refuser
        self._known: Mapping[str, Callable[[Draft, Options, When, int], bool]] = {
            "word": _word,
            "field": _field,
            "only": _only,
            "extra": _extra,
            "keys": _keys,
            "error": _error,
            "pages": _pages,
            "items": _items,
            "body": _body,
            "text": _text,
            "status": _status,
            "headers": _headers,
            "share": _share,
            "refuse": self._refuse,
            "undo": _undo,
            **ODDITIES,
        }

    def make(self, change: Change, draft: Draft, when: When, number: int) -> bool:
        """Change a draft, the `number`th that a drift is about; whether that made any difference."""
        return self._known[change.kind](draft, change.options, when, number)

    def _refuse(self, draft: Draft, options: Options, when: When, number: int) -> bool:
        """Another answer in place of this one: a refusal in the provider's own shape."""
        exchange = draft.exchange
        job = exchange.job
        about = job.id if job else exchange.request.path[:100]
        refusal = Refusal(options["kind"], f"The drift refuses this request for {about}.", hint=False, id=about)
        response = self._refuser.respond(refusal, exchange.operation, exchange.now, exchange.request_id)
        exchange.marked.refusal = refusal.kind
        draft.is_error = True
        draft.replace(response)
        return True


# -- jobs -------------------------------------------------------------------------------------------


def _chosen(draft: Draft, when: When) -> Iterator[JobObject]:
    """The jobs of an answer that a drift is about."""
    return (job for job in draft.jobs if when.states is None or job.state in when.states)


def _written(draft: Draft, changed: bool) -> bool:
    draft.is_written = draft.is_written or changed
    return changed


def _word(draft: Draft, options: Options, when: When, number: int) -> bool:
    changed = False
    for job in _chosen(draft, when):
        if job.state is None or job.state not in options["of"]:
            continue
        for holder, name in draft.places(job, "status"):
            word = _other_word(draft, options, job.state, holder[name])
            if word is not SAME and word != holder[name]:
                holder[name] = word
                changed = True
    return _written(draft, changed)


def _other_word(draft: Draft, options: Options, state: State, word: Any) -> Any:
    if "state" in options:
        return draft.words.get(options["state"], SAME)
    if not isinstance(word, str):
        return SAME
    if "to" in options:
        known = set(map(str, draft.words.values()))
        return next((each for each in options["to"] if each not in known), SAME)
    if "number" in options:
        return _NUMBERS[state]
    return _CASES[options["case"]](word)


_CASES: Mapping[str, Callable[[str], str]] = {
    "upper": lambda word: word.upper() if word != word.upper() else word.lower(),
    "pascal": lambda word: "".join(part[:1].upper() + part[1:].lower() for part in re.split(r"[_\s-]+", word)),
    "padded": lambda word: f"{word} ",
}


def _field(draft: Draft, options: Options, when: When, number: int) -> bool:
    changed = False
    for job in _chosen(draft, when):
        for role in options["roles"]:
            changed |= _change_field(draft, job, role, options)
    return _written(draft, changed)


def _change_field(draft: Draft, job: JobObject, role: str, options: Options) -> bool:
    operation, wanted = options["operation"], options["value"]
    places = draft.places(job, role)
    if operation in ("set", "now", "copy") and not places:
        pointers = [pointer for pointer in draft.pointers(job, role) if len(pointer) == 1]
        places = [(job.fields, pointers[0][0]) for pointer in pointers[:1]]
    changed = False
    for place in places:
        if operation == "move":
            changed |= _move(job.fields, place, wanted)
        elif operation == "copy":
            sources = draft.places(job, wanted)
            changed |= bool(sources) and _put(place, sources[0][0][sources[0][1]])
        elif operation == "now":
            like = _instant_near(draft, job, place)
            changed |= like is not None and _put(place, write_time(draft.exchange.now, like))
        else:
            changed |= _change_place(draft, place, options, role in _TIMES)
    return changed


def _change_place(draft: Draft, place: Place, options: Options, is_time: bool) -> bool:
    """What can be done to a field of any object."""
    operation, wanted = options["operation"], options["value"]
    holder, name = place
    if name not in holder and operation != "set":  # another drift, or another role, had it
        return False
    value = holder.get(name)
    if operation == "remove":
        del holder[name]
        return True
    if operation == "rename":
        return _rename(holder, name, wanted)
    if operation == "set":
        filled = fill(wanted, Values(draft, 1))
        return filled is not SAME and _put(place, filled)
    new: Any = SAME
    if operation == "convert":
        new = CONVERTERS[wanted](value)
    elif operation == "link":
        new = mapped_links(value, lambda link: wanted)
    elif operation == "query":
        new = mapped_links(value, lambda link: f"{link}{'&' if '?' in link else '?'}{wanted}")
    elif operation == "scale":
        new = scaled(value, wanted)
    elif operation == "add":
        new = added(value, wanted, is_time)
    elif operation == "suffix" and isinstance(value, (str, int, float)) and not isinstance(value, bool):
        new = f"{value}{wanted}"
    least = options["least"]
    if least is not None and (counted := as_number(new)) is not None and counted < least:
        new = least
    return new is not SAME and _put(place, new)


def _put(place: Place, value: Any) -> bool:
    holder, name = place
    if name in holder and holder[name] == value and type(holder[name]) is type(value):
        return False
    holder[name] = value
    return True


def _rename(holder: dict[str, Any], name: str, names: tuple[str, ...]) -> bool:
    """Another name for a field, at its place; the first of `names` that is not taken."""
    free = next((each for each in names if each not in holder), None)
    if free is None:
        return False
    entries = [(free if key == name else key, value) for key, value in holder.items()]
    holder.clear()
    holder.update(entries)
    return True


def _move(job: dict[str, Any], place: Place, target: tuple[str, ...]) -> bool:
    """The link of a field, or else its whole value, at another place of the job."""
    holder, name = place
    value = holder.get(name)
    if value is None:
        return False
    where = job
    for token in target[:-1]:
        inner = where.get(token, {})
        if not isinstance(inner, dict) or inner is holder:
            return False
        where = inner
    if target[-1] in where:
        return False
    del holder[name]
    where = job
    for token in target[:-1]:
        where = where.setdefault(token, {})
    where[target[-1]] = next(links_in(value), value)
    return True


def _instant_near(draft: Draft, job: JobObject, place: Place) -> Any:
    """An instant in whose form this field would be written: its own, or that of the creation."""
    holder, name = place
    created = (each[0][each[1]] for each in draft.places(job, "created"))
    return next((value for value in (holder.get(name), *created) if read_time(value) is not None), None)


def _only(draft: Draft, options: Options, when: When, number: int) -> bool:
    """Nothing of a job but the fields of some roles."""
    changed = False
    for job in _chosen(draft, when):
        names = {pointer[0] for role in options["roles"] for pointer in draft.pointers(job, role)}
        gone = [name for name in job.fields if name not in names]
        if gone and len(gone) < len(job.fields):
            for name in gone:
                del job.fields[name]
            changed = True
    return _written(draft, changed)


def _extra(draft: Draft, options: Options, when: When, number: int) -> bool:
    """Fields that nobody declared."""
    changed = False
    for job in _chosen(draft, when):
        for name, value in options["fields"].items():
            if name not in job.fields:
                filled = fill(value, Values(draft, 1))
                changed |= filled is not SAME and _put((job.fields, name), filled)
    return _written(draft, changed)


def _keys(draft: Draft, options: Options, when: When, number: int) -> bool:
    """All names of a job's fields in the other way of writing: createdAt for created_at, and the reverse."""
    changed = False
    for job in _chosen(draft, when):
        snake = any("_" in name for name in job.fields)
        renamed = {(_camel if snake else _snake)(name): value for name, value in job.fields.items()}
        if list(renamed) != list(job.fields) and len(renamed) == len(job.fields):
            job.fields.clear()
            job.fields.update(renamed)
            changed = True
    return _written(draft, changed)


def _camel(name: str) -> str:
    return _UNDERSCORE.sub(lambda match: match[1].upper(), name)


def _snake(name: str) -> str:
    return _HUMP.sub(r"_\1", name).lower()


# -- errors and lists -------------------------------------------------------------------------------


def _error(draft: Draft, options: Options, when: When, number: int) -> bool:
    found = draft.error()
    if found is None:
        return False
    fields, roles = found
    named = {role: roles[role] for role in options["roles"] if role in roles}
    changed = False
    for name in named.values():
        if options["operation"] in ("now", "move"):
            continue
        if options["operation"] == "copy":
            source = roles.get(options["value"])
            changed |= source is not None and _put((fields, name), fields[source])
        else:
            changed |= _change_place(draft, (fields, name), options, False)
    return _written(draft, changed)


def _pages(draft: Draft, options: Options, when: When, number: int) -> bool:
    """The fields of a list that lead to its other pages."""
    if not is_list(draft) or draft.items is None:
        return False
    rank = draft.vocabulary.rank
    changed = False
    for holder in _round_list(draft):
        for name in list(holder):
            value = holder[name]
            if isinstance(value, (dict, list)) or all(rank("paging", role, name) is None for role in options["roles"]):
                continue
            if options["operation"] == "remove":
                del holder[name]
                changed = True
            else:
                changed |= _put((holder, name), options["value"])
    if options["operation"] == "remove":
        changed |= draft.drop_header(b"link") if "next" in options["roles"] else False
    return _written(draft, changed)


def tells_more(draft: Draft) -> bool:
    """Whether a list says that there is more of it."""
    rank = draft.vocabulary.rank
    return is_list(draft) and any(
        rank("paging", role, name) is not None and bool(value)
        for holder in _round_list(draft)
        for name, value in holder.items()
        for role in ("has more", "next")
        if not isinstance(value, (dict, list))
    )


def _round_list(draft: Draft) -> Iterator[dict[str, Any]]:
    """The objects round a list, and what stands beside it, but for the list itself."""
    level: list[Any] = [draft.value]
    for _ in range(3):
        holders = [value for value in level if isinstance(value, dict)]
        yield from holders
        level = [inner for holder in holders for inner in holder.values()]


def _items(draft: Draft, options: Options, when: When, number: int) -> bool:
    items, how = draft.items, options["how"]
    if not is_list(draft) or not items:
        return False
    before = list(items)
    if how == "repeat":
        items.append(items[-1])
    elif how == "reverse":
        items.reverse()
    elif how == "drop last":
        items.pop()
    else:
        items[0] = None
        draft.jobs = [job for job in draft.jobs if any(job.fields is item for item in items)]
    return _written(draft, items != before)


# -- the whole body ---------------------------------------------------------------------------------


def _body(draft: Draft, options: Options, when: When, number: int) -> bool:
    """Another JSON value in place of the body, made of a template."""
    if draft.status in NO_BODY:
        return False
    value = fill(options["template"], Values(draft, number))
    if value is SAME or (draft.value is not NO_JSON and value == draft.value):
        return False
    if draft.value is NO_JSON:
        draft.set_header(b"content-type", b"application/json")
    draft.value, draft.is_written = value, True
    return True


def _text(draft: Draft, options: Options, when: When, number: int) -> bool:
    """A text in place of the body."""
    if draft.status in NO_BODY:
        return False
    text = fill(options["body"], Values(draft, number))
    if text is SAME:
        return False
    body = (text if isinstance(text, str) else orjson.dumps(text).decode()).encode()
    changed = draft.set_header(b"content-type", options["type"].encode()) | (body != draft.content)
    draft.body, draft.value, draft.is_written = body, NO_JSON, False
    draft.jobs, draft.items = [], None
    return changed


def _status(draft: Draft, options: Options, when: When, number: int) -> bool:
    status = options["of"].get(draft.status, options["to"])
    if status is None or status == draft.status:
        return False
    draft.status = status
    return True


def _headers(draft: Draft, options: Options, when: When, number: int) -> bool:
    changed = False
    own = draft.contract.headers
    for name in options["remove"]:
        changed |= draft.drop_header(own.get(name, name).lower().encode())
    for name, template in options["set"].items():
        value = fill(template, Values(draft, number))
        spoken = own.get(name, name).lower().encode()
        is_wanted = draft.header(spoken) is not None or (name not in own and name != "content-type")
        if isinstance(value, str) and is_wanted:
            changed |= draft.set_header(spoken, value.encode("ascii", "replace"))
    return changed


def _share(draft: Draft, options: Options, when: When, number: int) -> bool:
    """Only the first part of the body, with a length that matches it."""
    body = draft.content
    cut = body[: int(len(body) * options["share"])]
    if len(cut) == len(body) or draft.status in NO_BODY:
        return False
    draft.body, draft.value, draft.is_written = cut, NO_JSON, False
    draft.jobs, draft.items = [], None
    return True


def _undo(draft: Draft, options: Options, when: When, number: int) -> bool:
    """What a cancel or a delete did is not done, whatever its answer says."""
    exchange = draft.exchange
    job, store = exchange.job, exchange.account.store
    action = draft.part.action if draft.part else None
    if job is None or draft.is_error:
        return False
    known = store.get(job.id)
    if action is Action.DELETE and known is None:
        try:
            store.add(job, exchange.now)
        except StoreFull:
            return False
        return True
    if action is Action.CANCEL and known is not None and known != job:
        store.replace(job)
        return True
    return False
