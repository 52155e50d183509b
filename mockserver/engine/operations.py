"""What each kind of operation does: one handler for each, compiled when the operation is first called."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import orjson

from mockserver.clock import Clock
from mockserver.engine.content import serve_bytes
from mockserver.engine.fields import Field, Scene
from mockserver.engine.inputs import inherit, keep, kept_inputs, usual_inputs
from mockserver.engine.invented import InventedJobs, naming_parameters
from mockserver.engine.paging import Paging, page_headers
from mockserver.engine.preferences import read_preferences
from mockserver.engine.records import InventedRecords, PageOfRecords, Records, compile_record_act
from mockserver.engine.refusal import Refusal
from mockserver.engine.rendering import compile_answer, compile_headers
from mockserver.engine.results import Media, ResultFacts
from mockserver.engine.security import ANYONE, KeyPolicy, compile_security
from mockserver.engine.stateless import Stateless
from mockserver.engine.validation import Inputs, RequestReader
from mockserver.form import UploadedFile
from mockserver.jobs.identity import id_maker
from mockserver.jobs.job import Job
from mockserver.jobs.lifecycle import TERMINAL, State
from mockserver.jobs.paths import path_parameters
from mockserver.jobs.resource import Action, Collection, Contract, JobOperation, JobResource, RecordOperation, dig
from mockserver.jobs.timeline import draw_timeline
from mockserver.message import RawHeaders, Request, Response
from mockserver.openapi.document import Answer, Operation, is_json
from mockserver.stores.protocol import Store, StoreFull

Handler = Callable[[Request, Mapping[str, str], bytes], Response]
Act = Callable[[Request, str, Inputs, bytes], Response]
_SUCCESS = re.compile("2[0-9][0-9]")
_JSON = (b"content-type", b"application/json")
_BELOW = "\n"  # between a kind and what its jobs belong to: in no name and no path
_PICTURES = {"png", "jpeg", "webp"}
MAX_DRAWS = 1000  # of an id, until the ids of its format are taken for used up
MAX_OWNERS = 10_000  # generators kept; the one that was made first goes


@dataclass(slots=True)
class Context:
    """What the handlers of one provider share."""

    contract: Contract
    clock: Clock
    store: Store
    results: ResultFacts
    policy: KeyPolicy
    seed: str
    poll_after_ms: int
    media: Media | None = None
    lenient: bool = False
    start: float = 0.0
    records: Records = field(default_factory=Records)
    randoms: dict[str, Random] = field(default_factory=dict)
    _invented: dict[str, InventedJobs] = field(default_factory=dict)

    def random(self, owner: str) -> Random:
        """The generator of one owner: the same seed and the same requests give the same ids and durations."""
        found = self.randoms.get(owner)
        if found is None:
            if len(self.randoms) >= MAX_OWNERS:
                del self.randoms[next(iter(self.randoms))]
            found = self.randoms[owner] = Random(f"{self.seed}/{owner}")
        return found

    def film(self, request: Request, job: Job, media_type: str) -> Response | None:
        """The result of a job as a picture, a sound or a video; None if the media type is none of these."""
        family, _, kind = media_type.partition("/")
        if family == "image":
            spoken = media_type if kind in _PICTURES else "image/png"
            return serve_bytes(request, self.results.still(job, spoken), spoken, f"{job.id}.{spoken[6:]}")
        if family == "audio":
            spoken = media_type if kind != "*" else "audio/wav"
            suffix = "mp3" if spoken in ("audio/mpeg", "audio/mp3") else "wav"
            return serve_bytes(request, self.results.sound(job, spoken), spoken, f"{job.id}.{suffix}")
        if family in ("video", "*") or media_type == "application/octet-stream":
            spoken = media_type if "*" not in media_type else "video/mp4"
            return serve_bytes(request, self.results.video(job), spoken, f"{job.id}.mp4")
        return None

    def owned(self, id: Any, owner: str, kind: str) -> Job:
        """The job of an id, if the owner has it. Raises Refusal: another's job is as unknown as none."""
        job = self.store.get(id) if isinstance(id, str) else self.store.get(str(id))
        if job is None and "/" in str(id):
            job = self.store.get(str(id).rsplit("/", 1)[-1])  # a resource name: `operations/{id}`
        same = job is not None and (job.kind == kind or job.kind.partition(_BELOW)[0] == kind)
        if job is None or not same or (job.owner != owner and ANYONE not in (owner, job.owner)):
            if self.lenient and isinstance(id, (str, int)) and id != "":
                return self.invented(str(id), owner, kind)
            message = (
                f"No {kind} with the id '{str(id)[:100]}' was found: none was created with this key, or it was deleted."
            )
            raise Refusal("not_found", message, id=str(id))
        return job

    def invented(self, id: str, owner: str, kind: str) -> Job:
        """The finished job that an id stands for which nobody created."""
        jobs = self._invented.get(kind)
        if jobs is None:
            resource = next(r for r in self.contract.resources if r.name == kind)
            jobs = self._invented[kind] = InventedJobs(self.contract, resource, self.seed, self.start)
        return jobs.job(id, owner, self.clock.now())

    def is_invented(self, job: Job) -> bool:
        """Whether a job is none that was created."""
        return self.lenient and self.store.get(job.id) is not job


def compile_handler(operation: Operation, context: Context) -> Handler:
    """The handler of an operation: authorize, read, act."""
    document = context.contract.document
    authorize = compile_security(document, operation, context.policy)
    part = context.contract.parts.get(operation.name, (None, None))[1]
    ids = naming_parameters(context.contract)(operation) if context.lenient else frozenset[str]()
    # What a follow-up leaves out comes from its source, not from the contract's defaults.
    read = RequestReader(
        document,
        operation,
        fill=part is None or part.action is not Action.FOLLOW_UP,
        lenient=context.lenient,
        any_ids=ids,
    ).read
    act = _act(operation, context)
    is_stateless = part is None and operation.name not in context.contract.records
    prefer = _preferring(context, operation, act, is_stateless)

    def handle(request: Request, path: Mapping[str, str], request_id: bytes) -> Response:
        owner = authorize(request)
        if b"prefer" in request.headers:
            return prefer(request, owner, read(request, path), request_id)
        return act(request, owner, read(request, path), request_id)

    return handle


def _act(operation: Operation, context: Context) -> Act:
    if operation.name in context.contract.parts:
        resource, part = context.contract.parts[operation.name]
        return _ACTIONS[part.action](context, resource, part)
    return _answer_with_sample(context, operation)


# -- the actions ------------------------------------------------------------------------------------


def _create(context: Context, resource: JobResource, part: JobOperation) -> Act:
    """Start a job; a follow-up takes from an earlier one what its request leaves out."""
    answer = _Answer(context, resource, part)
    make_id = id_maker(resource.id_format)
    kept = kept_inputs(context.contract, resource)
    can_fail = State.FAILED in resource.words
    model_field = context.contract.vocabulary.best("inputs", "model", sorted(kept)) or ""
    store, clock, kind, profile = context.store, context.clock, resource.name, resource.profile
    randoms = context.randoms
    path_names = path_parameters(part.operation.path)
    home = _home(resource)
    usual = usual_inputs(context.contract, resource, part, kept)

    def act(request: Request, owner: str, given: Inputs, request_id: bytes) -> Response:
        inputs = keep(given.body, kept, len(request.body))
        if path_names:
            inputs |= {f"{{{name}}}": given.path[name] for name in path_names if name in given.path}
        source = None
        if part.id_place is not None:
            earlier = _source(context, resource, part, given, owner)
            inputs = inherit(earlier, inputs, part) if earlier else {**usual, **inputs}
            source = earlier.id if earlier and part.links_source else None
        elif usual:
            inputs = {**usual, **inputs}
        random, now = randoms.get(owner) or context.random(owner), clock.now()
        id = make_id(random)
        if store.get(id) is not None:
            id = _free_id(make_id, random, store)
        suited = profile.for_model(inputs.get(model_field)) if profile.models else profile
        timeline = draw_timeline(suited, random, now, can_fail)
        job = Job(id, kind if home is None else home(given.path), owner, inputs, timeline, source)
        try:
            store.add(job, now)
        except StoreFull as full:
            raise Refusal(
                "too_many_jobs", f"No room for another job: {full}.", headers=[(b"retry-after", b"10")]
            ) from None
        return answer.about(job, now, request, request_id)

    return act


def _free_id(make_id: Callable[[Random], str], random: Random, store: Store) -> str:
    """An id that no job has: formats can be short, and an owner whose generator was dropped begins anew."""
    for _ in range(MAX_DRAWS):
        if store.get(id := make_id(random)) is None:
            return id
    raise Refusal("too_many_jobs", "No id of the contract's format is free.", headers=[(b"retry-after", b"10")])


def _retrieve(context: Context, resource: JobResource, part: JobOperation) -> Act:
    answer = _Answer(context, resource, part)
    named = _named(part)
    clock, kind, owned = context.clock, resource.name, context.owned
    if part.ended is not None:
        return _retrieve_by_status(context, resource, part)

    def act(request: Request, owner: str, given: Inputs, request_id: bytes) -> Response:
        return answer.about(owned(named(given), owner, kind), clock.now(), request, request_id)

    return act


def _retrieve_by_status(context: Context, resource: JobResource, part: JobOperation) -> Act:
    """A job whose end is told by the HTTP status: until then one answer, and then the result."""
    answer = _Answer(context, resource, part)
    named = _named(part)
    assert part.ended is not None
    media = part.ended.json_media()
    types = [t for t in part.ended.content if not is_json(t)]
    schema = media[1].get("schema") if media and not types else None
    final = replace(part, action=Action.RESULT, view=None, answer=part.ended, schema=schema)
    result = _Answer(context, resource, final)
    result_file = _file_of(context, part.operation, part.ended)

    def act(request: Request, owner: str, given: Inputs, request_id: bytes) -> Response:
        job, now = context.owned(named(given), owner, resource.name), context.clock.now()
        if job.timeline.state_at(now) is not State.SUCCEEDED:
            return answer.about(job, now, request, request_id)
        if types:
            return result_file(request, job, types[0])
        return result.about(job, now, request, request_id)

    return act


def _list(context: Context, resource: JobResource, part: JobOperation) -> Act:
    paging = Paging(context.contract.document, context.contract.vocabulary, part.operation, context.lenient)
    answer = _Answer(context, resource, part)
    headers = page_headers(context.contract.vocabulary, part.answer)
    home = _home(resource)

    def act(request: Request, owner: str, given: Inputs, request_id: bytes) -> Response:
        kind = resource.name if home is None else home(given.path)
        page = paging.page(context.store, owner, kind, given.query, _address(request))
        told = [(name, value.encode()) for name, tell in headers if (value := tell(page))]
        return answer.render(Scene(None, context.clock.now(), request.site, request_id, page), told)

    return act


def _home(resource: JobResource) -> Callable[[Mapping[str, Any]], str] | None:
    """Under which kind jobs are kept where they belong to something that their paths name (`/groups/{group}/jobs`).

    None where they do not: a list shows the jobs of its own path's values alone if all creates have these too.
    """
    lists = [path_parameters(p.operation.path) for p in resource.operations if p.action is Action.LIST]
    starts = [path_parameters(p.operation.path) for p in resource.operations if p.action in _STARTS]
    parents = lists[0] if lists and len(set(lists)) == 1 else ()
    if not parents or not all(set(parents) <= set(names) for names in starts):
        return None
    return lambda path: _BELOW.join((resource.name, *(str(path.get(name)) for name in parents)))


def _address(request: Request) -> str:
    """The absolute URL of a request."""
    return f"{request.site}{request.path}{'?' if request.query else ''}{request.query}"


def _delete(context: Context, resource: JobResource, part: JobOperation) -> Act:
    answer = _Answer(context, resource, part)
    named = _named(part)

    def act(request: Request, owner: str, given: Inputs, request_id: bytes) -> Response:
        job = context.owned(named(given), owner, resource.name)
        if not context.is_invented(job):
            context.store.remove(job.id)
        return answer.render(Scene(job, context.clock.now(), request.site, request_id), [])

    return act


def _cancel(context: Context, resource: JobResource, part: JobOperation) -> Act:
    answer = _Answer(context, resource, part)
    named = _named(part)

    def act(request: Request, owner: str, given: Inputs, request_id: bytes) -> Response:
        job, now = context.owned(named(given), owner, resource.name), context.clock.now()
        if context.is_invented(job):  # as if it had just been stopped, if there is a word for that
            stopped = job._replace(timeline=job.timeline.cancelled(now))
            return answer.about(stopped if State.CANCELLED in resource.words else job, now, request, request_id)
        state = job.timeline.state_at(now)
        if state in TERMINAL:
            word = resource.words.get(state, state.value)
            raise Refusal("conflict", f"{job.id} has already ended: its status is '{word}'.", id=job.id)
        if State.CANCELLED not in resource.words:
            raise Refusal("conflict", "The contract has no word for a cancelled job, so none can be.", id=job.id)
        job = job._replace(timeline=job.timeline.cancelled(now))
        context.store.replace(job)
        return answer.about(job, now, request, request_id)

    return act


def _result(context: Context, resource: JobResource, part: JobOperation) -> Act:
    """The result of a job at an operation of its own: refused until it is there."""
    answer = _Answer(context, resource, part)
    named = _named(part)

    def act(request: Request, owner: str, given: Inputs, request_id: bytes) -> Response:
        job, now = context.owned(named(given), owner, resource.name), context.clock.now()
        require_result(job, now)
        return answer.about(job, now, request, request_id)

    return act


def _content(context: Context, resource: JobResource, part: JobOperation) -> Act:
    """The result of a job as a file: a video, a sound, a picture, or what the document says of another type."""
    named = _named(part)
    answer = next((a for a in part.operation.answers if a.status.startswith("2") and a.content), None)
    types = [t for t in (answer.content if answer else {}) if not is_json(t)]
    first = types[0] if types else "video/mp4"
    result_file = _file_of(context, part.operation, answer)

    def act(request: Request, owner: str, given: Inputs, request_id: bytes) -> Response:
        job = context.owned(named(given), owner, resource.name)
        require_result(job, context.clock.now())
        variant = str(given.query.get(part.variant_parameter, ""))
        media_type = part.variants.get(variant, first)
        if not media_type.startswith("image/"):
            return result_file(request, job, media_type)
        is_sheet = context.contract.vocabulary.rank("variants", "sheet", variant) is not None
        body = context.results.spritesheet(job, media_type) if is_sheet else context.results.still(job, media_type)
        suffix = media_type.split("/")[1].replace("jpeg", "jpg")
        return serve_bytes(request, body, media_type, f"{job.id}_{variant or 'still'}.{suffix}")

    return act


def _file_of(context: Context, operation: Operation, answer: Answer | None) -> Callable[[Request, Job, str], Response]:
    """The result of a job as a file of a media type that an answer declares."""
    stateless = _stateless(context, operation)

    def result_file(request: Request, job: Job, media_type: str) -> Response:
        film = context.film(request, job, media_type)
        if film is not None or answer is None or media_type not in answer.content:
            return film or serve_bytes(request, context.results.video(job), media_type, f"{job.id}.mp4")
        body, spoken = stateless.body(answer, media_type)
        return serve_bytes(request, body, spoken, job.id)

    return result_file


def _answer_with_sample(context: Context, operation: Operation) -> Act:
    """An operation that is no part of a job: what its document says, or what is kept of its collection."""
    stateless = _stateless(context, operation)
    stateless.check()
    if operation.name in context.contract.records:
        return _about_records(context, *context.contract.records[operation.name], stateless)

    def act(request: Request, owner: str, given: Inputs, request_id: bytes) -> Response:
        return stateless.respond(request, given.body)

    return act


def _about_records(context: Context, collection: Collection, part: RecordOperation, stateless: Stateless) -> Act:
    work = compile_record_act(
        context.contract, collection, part, stateless, context.records, context.random, context.clock.now,
        InventedRecords(f"{context.seed}/records", context.start) if context.lenient else None,
    )  # fmt: skip
    headers = page_headers(context.contract.vocabulary, part.operation.success())
    of_pages = {name for name, _ in headers}

    def act(request: Request, owner: str, given: Inputs, request_id: bytes) -> Response:
        value = None if stateless.streams(given.body) else work(owner, given, _address(request))
        if isinstance(value, PageOfRecords):
            told = [(name, text.encode()) for name, tell in headers if (text := tell(value.page))]
            response = stateless.respond_with(value.body)
            kept = [header for header in response.headers if header[0] not in of_pages]
            return response._replace(headers=[*kept, *told])
        return stateless.respond(request, given.body) if value is None else stateless.respond_with(value)

    return act


def _stateless(context: Context, operation: Operation) -> Stateless:
    contract = context.contract
    own = (contract.headers.get("request-id", ""),)
    return Stateless(
        contract.document, contract.vocabulary, operation, seed=context.seed, media=context.media, own_headers=own
    )


def _preferring(context: Context, operation: Operation, act: Act, is_stateless: bool) -> Act:
    """The same act for a request with preferences: what is asked for by code or example comes from the document."""
    kept: list[Stateless] = []

    def prefer(request: Request, owner: str, given: Inputs, request_id: bytes) -> Response:
        wishes = read_preferences(request.headers[b"prefer"])
        if wishes is None or not (is_stateless or wishes.code or wishes.example):
            return act(request, owner, given, request_id)
        if not kept:
            kept.append(_stateless(context, operation))
        turn = f"{context.random(owner).getrandbits(64)}" if wishes.dynamic else ""
        return kept[0].respond(request, given.body, wishes, turn)

    return prefer


_ACTIONS: dict[Action, Callable[[Context, JobResource, JobOperation], Act]] = {
    Action.CREATE: _create,
    Action.FOLLOW_UP: _create,
    Action.RETRIEVE: _retrieve,
    Action.LIST: _list,
    Action.DELETE: _delete,
    Action.CANCEL: _cancel,
    Action.CONTENT: _content,
    Action.RESULT: _result,
}


_STARTS = (Action.CREATE, Action.FOLLOW_UP)


# -- their parts ------------------------------------------------------------------------------------


class _Answer:
    """The success answer of one operation: status, headers and body from a scene."""

    def __init__(self, context: Context, resource: JobResource, part: JobOperation) -> None:
        self._render: Field | None = compile_answer(context.contract, resource, part, context.results)
        self._status = _status(part.operation, part.answer)
        self._headers = compile_headers(context.contract, resource, part) if part.action in _STARTS else []
        self._no_body: RawHeaders = [] if self._status == 204 else [(b"content-length", b"0")]
        poll_header = context.contract.headers.get("poll-after", "")
        self._poll: RawHeaders = []
        if poll_header:
            self._poll = [(poll_header.encode(), b"%d" % context.poll_after_ms)]

    def about(self, job: Job, now: float, request: Request, request_id: bytes) -> Response:
        """The answer about one job, with the advice to poll again while it is unfinished."""
        scene = Scene(job, now, request.site, request_id)
        headers = [] if scene.state in TERMINAL else self._poll
        if self._headers:
            headers = [*headers, *((name, str(field(scene)).encode()) for name, field in self._headers)]
        return self.render(scene, headers)

    def render(self, scene: Scene, headers: RawHeaders) -> Response:
        """The answer with these further headers."""
        if self._render is None:
            return Response(self._status, [*self._no_body, *headers], b"")
        body = orjson.dumps(self._render(scene))
        return Response(self._status, [_JSON, (b"content-length", b"%d" % len(body)), *headers], body)


def _status(operation: Operation, answer: Answer | None = None) -> int:
    success = answer or operation.success()
    if success is None and not operation.answers:
        return 204
    return int(success.status) if success and _SUCCESS.fullmatch(success.status) else 200


def _named(part: JobOperation) -> Callable[[Inputs], Any]:
    """Where the request names the job."""
    place = part.id_place
    if place is None:
        return lambda given: ""
    name = place.pointer[0]
    if place.place == "body":
        return lambda given: dig(given.body, place.pointer)
    return (lambda given: given.path.get(name)) if place.place == "path" else (lambda given: given.query.get(name))


def _source(context: Context, resource: JobResource, part: JobOperation, given: Inputs, owner: str) -> Job | None:
    """The finished job that a follow-up starts from; None if it brought a file instead. Raises Refusal."""
    id = _named(part)(given)
    if id is None or isinstance(id, UploadedFile):
        return None
    job = context.owned(id, owner, resource.name)
    state = job.timeline.state_at(context.clock.now())
    if state is not State.SUCCEEDED:
        word = resource.words.get(state, state.value)
        wanted = resource.words.get(State.SUCCEEDED, State.SUCCEEDED.value)
        message = f"The source {job.id} has the status '{word}'; it must be '{wanted}'."
        raise Refusal("not_ready", message, id=job.id)
    return job


def require_result(job: Job, now: float) -> None:
    """Raises Refusal unless the job's result can be fetched now."""
    state = job.timeline.state_at(now)
    if state in (State.QUEUED, State.RUNNING):
        raise Refusal(
            "not_ready", f"The result of {job.id} is not ready yet; poll until the job has completed.", id=job.id
        )
    if state is not State.SUCCEEDED:
        raise Refusal("failed_content", f"{job.id} did not succeed, so it has no result.", id=job.id)
    if job.timeline.expires is not None and now >= job.timeline.expires:
        raise Refusal("expired_content", f"The result of {job.id} has expired.", id=job.id)
