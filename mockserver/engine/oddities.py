"""What is odd about an answer and legal: one function for each primitive, which says whether it changed anything."""

import json
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

import orjson

from mockserver.engine.drafts import NO_BODY, NO_JSON, Draft
from mockserver.engine.results import ASSETS, ResultFacts
from mockserver.errors import DocumentError
from mockserver.jobs.job import Job
from mockserver.jobs.resource import STARTS, Action
from mockserver.message import Fault
from mockserver.openapi.schema import Validator, shape_of
from mockserver.plans.drift import When

Options = Mapping[str, Any]
_FILES = {b"video/mp4": "mp4", b"audio/wav": "wav", b"audio/mpeg": "mp3"}  # results that have a link of their own

_EXACT = 2**53  # beyond it a float is another number


def is_declared(draft: Draft, validators: dict[str, Validator | None]) -> bool:
    """Whether the body of an answer is valid against its declared schema; of what declares none, it is.

    `validators` keeps what is compiled, by operation and status.
    """
    operation = draft.exchange.operation
    answer = operation.answer_for(draft.status) if operation else None
    if operation is None or answer is None or draft.value is NO_JSON:
        return True
    key = f"{operation.name} {answer.status}"
    if key not in validators:
        media = answer.json_media()
        schema = media[1].get("schema") if media else None
        try:
            validators[key] = Validator(draft.contract.document, schema, "response") if schema else None
        except DocumentError:
            validators[key] = None
    validator = validators[key]
    return validator is None or bool(validator.is_valid(draft.value))


def _json(draft: Draft, options: Options, when: When, number: int) -> bool:
    """The same JSON, written otherwise: another order of keys, spaces, escapes, a parameter of its media type."""
    if draft.value is NO_JSON or draft.status in NO_BODY:
        return False
    if options["reversed"]:
        draft.value = _reversed(draft.value)
    if options["floats"]:
        draft.value = _floats(draft.value)
    media = draft.header(b"content-type") or b""
    if (more := options["parameter"].encode()) and b";" not in media:
        draft.set_header(b"content-type", media + more)
    separators = None if options["indent"] is not None else (",", ":")
    text = json.dumps(draft.value, ensure_ascii=options["ascii"], indent=options["indent"], separators=separators)
    body = (text if options["indent"] is None else f"{text}\n").encode()
    changed = body != draft.content or draft.header(b"content-type") != media
    draft.body, draft.is_written = body, False
    draft.find_again()
    return changed


def _reversed(value: Any) -> Any:
    """The same value with the fields of all objects in the reverse order."""
    if isinstance(value, dict):
        return {name: _reversed(inner) for name, inner in reversed(value.items())}
    return [_reversed(item) for item in value] if isinstance(value, list) else value


def _floats(value: Any) -> Any:
    """The same value with all whole numbers written as 20.0."""
    if isinstance(value, dict):
        return {name: _floats(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_floats(item) for item in value]
    return float(value) if type(value) is int and abs(value) < _EXACT else value


def _job(draft: Draft, options: Options, when: When, number: int) -> bool:
    """Another life of the job that was just created. Its answer is as it was: all this comes later."""
    exchange = draft.exchange
    action = draft.part.action if draft.part else None
    if draft.is_error or action not in STARTS or exchange.job is None or draft.resource is None:
        return False
    known = exchange.account.store.get(exchange.job.id)
    if known is None or known.id in exchange.account.held:  # polls move it, not time
        return False
    if options["id"] and not _renamed(draft, known, options["id"].replace("{id}", known.id)):
        return False
    known = exchange.job
    plan, timeline = options["plan"], known.timeline
    if plan is not None:
        if plan.end is not None and plan.end not in draft.words:  # the contract has no word for such an end
            return False
        timeline = plan.timeline(timeline, exchange.sandbox.draws, draft.resource.profile.expires_after)
    if options["steps"] is not None:
        timeline = timeline._replace(steps=options["steps"])
    failure = (plan.error or None) if plan is not None and plan.end is not None else known.failure
    if timeline == known.timeline:
        return bool(options["id"])
    exchange.account.store.replace(known._replace(timeline=timeline, failure=failure))
    return True


def _renamed(draft: Draft, job: Job, id: str) -> bool:
    """Give a new job another id, in the store and in the answer, where its contract allows such ids."""
    exchange = draft.exchange
    document = draft.contract.document
    if draft.value is NO_JSON or draft.resource is None or exchange.sandbox.telling:
        return False
    for part in draft.resource.operations:
        name = part.id_place.pointer[0] if part.id_place else None
        for each in part.operation.parameters:
            if each.name == name and not Validator(document, each.schema, "request").is_valid(id):
                return False
    before, value = draft.content, draft.value
    draft.body = before.replace(job.id.encode(), id.encode())
    draft.value, draft.is_written = orjson.loads(draft.body), False
    if draft.body == before or not is_declared(draft, {}):
        draft.body, draft.value = before, value
        return False
    store = exchange.account.store
    exchange.job = job._replace(id=id)
    store.remove(job.id)
    store.add(exchange.job, exchange.now)
    draft.find_again()
    return True


def _redirect(draft: Draft, options: Options, when: When, number: int) -> bool:
    """A link to the file in place of the file."""
    exchange = draft.exchange
    media = (draft.header(b"content-type") or b"").partition(b";")[0].strip()
    action = draft.part.action if draft.part else None
    if draft.is_error or action is not Action.CONTENT or exchange.job is None or media not in _FILES:
        return False
    if draft.status not in (200, 206):
        return False
    site = exchange.request.site
    link = ResultFacts.url(exchange.job, site, _FILES[media])
    if options["relative"]:
        link = f"/{site.partition('://')[2].partition('/')[2]}".rstrip("/") + link.removeprefix(site)
    kept = (b"content-type", b"content-disposition", b"content-range", b"etag", b"accept-ranges", b"content-length")
    draft.headers = [header for header in draft.headers if header[0] not in kept]
    draft.set_header(b"location", link.encode())
    draft.status, draft.body, draft.value, draft.is_written = options["status"], b"", NO_JSON, False
    return ASSETS in link


def _tag(draft: Draft, options: Options, when: When, number: int) -> bool:
    """A weak entity tag for a strong one; or one of the body where there was none, and 304 for who has it."""
    tag = draft.header(b"etag")
    if options["how"] == "weak":
        return tag is not None and not tag.startswith(b"W/") and draft.set_header(b"etag", b"W/" + tag)
    request = draft.exchange.request
    if tag is not None or draft.status != 200 or request.method not in ("GET", "HEAD") or draft.is_error:
        return False
    tag = b'W/"%s"' % blake2b(draft.content, digest_size=8).hexdigest().encode()
    draft.set_header(b"etag", tag)
    known = [each.strip() for each in request.headers.get(b"if-none-match", b"").split(b",")]
    if tag in known or tag.removeprefix(b"W/") in known:
        draft.status = 304
    return True


def _optional(draft: Draft, options: Options, when: When, number: int) -> bool:
    """Fields that need not be there: left out if they play no role, or as null where they are not there and may be."""
    view = draft.part.view if draft.part else None
    if view is None:
        return False
    document = draft.contract.document
    shape = shape_of(document, view.schema)
    changed = False
    for job in draft.jobs:
        if when.states is not None and job.state not in when.states:
            continue
        if options["how"] == "null":
            for name, schema in shape.properties.items():
                if name not in job.fields and name not in shape.required and shape_of(document, schema).nullable:
                    job.fields[name] = None
                    changed = True
        else:
            needed = {*shape.required, *(pointer[0] for pointers in view.fields.values() for pointer in pointers)}
            for name in [name for name, value in job.fields.items() if value is None or name not in needed]:
                if name not in shape.required:
                    del job.fields[name]
                    changed = True
    draft.is_written = draft.is_written or changed
    return changed


def _framing(draft: Draft, options: Options, when: When, number: int) -> bool:
    """Another way to send the same message."""
    marks = draft.exchange.marked
    kind = options["kind"]
    if marks.fault is not None or (kind != "titled" and (draft.status in NO_BODY or not draft.content)):
        return False
    if kind == "until-close" and draft.exchange.request.method == "HEAD":
        return False
    marks.fault = Fault(kind)
    return True


ODDITIES: Mapping[str, Callable[[Draft, Options, When, int], bool]] = {
    "json": _json,
    "job": _job,
    "redirect": _redirect,
    "tag": _tag,
    "optional": _optional,
    "framing": _framing,
}
