"""What each kind of operation does: one handler for each, compiled when the operation is first called."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import orjson

from mockserver.engine.content import serve_bytes
from mockserver.engine.fields import Field, Scene
from mockserver.engine.inputs import inherit, keep, kept_inputs, usual_inputs
from mockserver.engine.invented import InventedJobs, naming_parameters
from mockserver.engine.paging import Listing, Paging, Selected, page_headers
from mockserver.engine.preferences import read_preferences
from mockserver.engine.records import InventedRecords, PageOfRecords, Records, compile_record_act
from mockserver.engine.refusal import Refusal
from mockserver.engine.rendering import compile_answer, compile_headers
from mockserver.engine.results import Media, ResultFacts
from mockserver.engine.security import OPEN_KEY, KeyPolicy, compile_security
from mockserver.engine.stateless import Stateless
from mockserver.engine.steering import WORD, Steerer, is_marked
from mockserver.engine.validation import Inputs, RequestReader
from mockserver.form import UploadedFile
from mockserver.jobs.identity import id_maker
from mockserver.jobs.job import Job
from mockserver.jobs.lifecycle import TERMINAL, State, complete_words
from mockserver.jobs.paths import path_parameters
from mockserver.jobs.resource import (
    STARTS,
    Action,
    Collection,
    Contract,
    JobOperation,
    JobResource,
    RecordOperation,
    dig,
)
from mockserver.jobs.timeline import draw_timeline
from mockserver.jobs.vocabulary import Vocabulary
from mockserver.message import RawHeaders, Request, Response
from mockserver.openapi.document import Answer, Operation, is_json
from mockserver.sandbox.exchange import Exchange
from mockserver.sandbox.sandbox import Sandboxes
from mockserver.stores.protocol import Store, StoreFull

Handler = Callable[[Exchange, Mapping[str, str]], Response]
Act = Callable[[Exchange, Inputs], Response]
_SUCCESS = re.compile("2[0-9][0-9]")
_JSON = (b"content-type", b"application/json")
_BELOW = "\n"  # between a kind and what its jobs belong to: in no name and no path
MAX_ADVICES = 64  # other intervals to poll at, which an operation remembers
_PICTURES = {"png", "jpeg", "webp"}
MAX_DRAWS = 1000  # of an id, until the ids of its format are taken for used up


@dataclass(slots=True)
class Context:
    """What the handlers of one provider share."""

    contract: Contract
    name: str
    sandboxes: Sandboxes
    results: ResultFacts
    policy: KeyPolicy
    seed: str
    media: Media | None = None
    lenient: bool = False
    start: float = 0.0
    records: Records = field(default_factory=Records)
    _invented: dict[str, InventedJobs] = field(default_factory=dict)

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

    def owned(self, exchange: Exchange, id: Any, kind: str) -> Job:
        """The job of an id, if the sandbox has it. Raises Refusal: another's job is as unknown as none."""
        job = exchange.account.store.get(id) if isinstance(id, str) else exchange.account.store.get(str(id))
        if job is None:
            job = self._elsewhere(exchange, str(id))
        if job is None or (job.kind != kind and job.kind.partition(_BELOW)[0] != kind):
            if self.lenient and isinstance(id, (str, int)) and id != "":
                job = exchange.job = self.invented(exchange, str(id), kind)
                return job
            message = (
                f"No {kind} with the id '{str(id)[:100]}' was found: none was created with this key, or it was deleted."
            )
            raise Refusal("not_found", message, id=str(id))
        exchange.job = job
        return job

    def _elsewhere(self, exchange: Exchange, id: str) -> Job | None:
        """A job that is named by a resource name (`operations/{id}`), or that is open to whoever asks.

        At an operation that needs no key, in a contract whose others do, every job is seen, and what was created at
        such a one is seen by all; its own clock counts then.
        """
        store = exchange.account.store
        if "/" in id and (job := store.get(id.rsplit("/", 1)[-1])):
            return job
        known = self.sandboxes.by_key
        open_one = known.get(OPEN_KEY)
        if open_one is None:
            return None
        for sandbox in tuple(known.values()) if exchange.sandbox is open_one else (open_one,):
            account = sandbox.accounts.get(self.name)
            if account is not None and (job := account.store.get(id)) is not None:
                exchange.account = account
                exchange.now = sandbox.now()
                return job
        return None

    def invented(self, exchange: Exchange, id: str, kind: str) -> Job:
        """The finished job that an id stands for which nobody created."""
        jobs = self._invented.get(kind)
        if jobs is None:
            resource = next(r for r in self.contract.resources if r.name == kind)
            jobs = self._invented[kind] = InventedJobs(self.contract, resource, self.seed, self.start)
        return jobs.job(id, exchange.owner, exchange.now)

    def is_invented(self, exchange: Exchange, job: Job) -> bool:
        """Whether a job is none that was created."""
        return self.lenient and exchange.account.store.get(job.id) is not job


def compile_handler(operation: Operation, context: Context) -> Handler:
    """The handler of an operation: authorize, read, act."""
    document = context.contract.document
    authorize = compile_security(document, operation, context.policy)
    resource, part = context.contract.parts.get(operation.name, (None, None))
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
    if resource is not None and part is not None and part.action in STARTS:
        act = _telling_callbacks(context, resource, operation, act)
    is_stateless = part is None and operation.name not in context.contract.records
    prefer = _preferring(context, operation, act, is_stateless)
    named = _named(part) if part else lambda given: ""
    steer = Steerer(context.sandboxes, operation.name, resource, part, named, act, prefer)
    starts = part is not None and part.action in STARTS
    by_key, sandboxes, name = context.sandboxes.by_key, context.sandboxes, context.name
    magic = sandboxes.magic

    def handle(exchange: Exchange, path: Mapping[str, str]) -> Response:
        request = exchange.request
        key = authorize(request)
        sandbox = by_key.get(key) or sandboxes.of(key)
        account = sandbox.accounts.get(name) or sandbox.account(name)
        exchange.account = account
        exchange.now = sandbox.clock.at(exchange.real)
        account.requests += 1
        exchange.request_id = b"%b%012x" % (account.prefix, account.requests)
        headers = request.headers
        if sandbox.steered and (exchange.marks is None or not exchange.marks.plain):
            return steer(exchange, read(request, path))
        if b"prefer" in headers:
            return steer(exchange, read(request, path))
        if starts:
            # One look for all ways in which a body can be marked; what is found is looked at again.
            if magic and (WORD in request.body or request.form) and is_marked(request):
                return steer(exchange, read(request, path))
            if b"idempotency-key" in headers:
                return steer(exchange, read(request, path))
        return act(exchange, read(request, path))

    return handle


def _act(operation: Operation, context: Context) -> Act:
    if operation.name in context.contract.parts:
        resource, part = context.contract.parts[operation.name]
        return _ACTIONS[part.action](context, resource, part)
    return _answer_with_sample(context, operation)


def _telling_callbacks(context: Context, resource: JobResource, operation: Operation, act: Act) -> Act:
    """The same act, where the contract lets a request name an address to be told of the job's end."""
    from mockserver.engine.telling import callbacks_of  # for those who create jobs

    search = callbacks_of(context.contract, resource, operation)
    if search is None:
        return act

    def act_and_watch(exchange: Exchange, given: Inputs) -> Response:
        response = act(exchange, given)
        job, request = exchange.job, exchange.request
        if job is not None and (found := search(request, given, response)):
            exchange.sandbox.watch(context.name, job, request.site, found)
        return response

    return act_and_watch


# -- the actions ------------------------------------------------------------------------------------


def _create(context: Context, resource: JobResource, part: JobOperation) -> Act:
    """Start a job; a follow-up takes from an earlier one what its request leaves out."""
    answer = _Answer(context, resource, part)
    make_id = id_maker(resource.id_format)
    kept = kept_inputs(context.contract, resource)
    can_fail = State.FAILED in resource.words
    model_field = context.contract.vocabulary.best("inputs", "model", sorted(kept)) or ""
    kind, profile = resource.name, resource.profile
    path_names = path_parameters(part.operation.path)
    home = _home(resource)
    usual = usual_inputs(context.contract, resource, part, kept)

    def act(exchange: Exchange, given: Inputs) -> Response:
        account = exchange.account
        inputs = keep(given.body, kept, len(exchange.request.body))
        if path_names:
            inputs |= {f"{{{name}}}": given.path[name] for name in path_names if name in given.path}
        source = None
        if part.id_place is not None:
            earlier = _source(context, resource, part, given, exchange)
            inputs = inherit(earlier, inputs, part) if earlier else {**usual, **inputs}
            source = earlier.id if earlier and part.links_source else None
        elif usual:
            inputs = {**usual, **inputs}
        random, now, store = account.random, exchange.now, account.store
        id = make_id(random)
        if store.get(id) is not None:
            id = _free_id(make_id, random, store)
        model = inputs.get(model_field)
        suited = profile.for_model(model) if profile.models else profile
        timeline = draw_timeline(suited, random, now, can_fail)
        job = Job(id, kind if home is None else home(given.path), account.owner, inputs, timeline, source)
        if exchange.marks is not None and exchange.marks.plan is not None:
            job = exchange.marks.plan(job, suited, model)
        try:
            store.add(job, now)
        except StoreFull as full:
            raise Refusal(
                "too_many_jobs", f"No room for another job: {full}.", headers=[(b"retry-after", b"10")]
            ) from None
        exchange.job = job
        account.site = exchange.request.site
        return answer.about(exchange, job)

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
    kind, owned = resource.name, context.owned
    if part.ended is not None:
        return _retrieve_by_status(context, resource, part)

    def act(exchange: Exchange, given: Inputs) -> Response:
        return answer.about(exchange, owned(exchange, named(given), kind))

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

    def act(exchange: Exchange, given: Inputs) -> Response:
        job = context.owned(exchange, named(given), resource.name)
        if job.timeline.state_at(exchange.now) is not State.SUCCEEDED:
            return answer.about(exchange, job)
        if types:
            return result_file(exchange.request, job, types[0])
        return result.about(exchange, job)

    return act


def _list(context: Context, resource: JobResource, part: JobOperation) -> Act:
    paging = Paging(context.contract.document, context.contract.vocabulary, part.operation, context.lenient)
    answer = _Answer(context, resource, part)
    headers = page_headers(context.contract.vocabulary, part.answer)
    home = _home(resource)
    states = _asked_states(context.contract.vocabulary, resource, part)

    def act(exchange: Exchange, given: Inputs) -> Response:
        kind = resource.name if home is None else home(given.path)
        account, request = exchange.account, exchange.request
        listing: Listing = account.store
        if states is not None and (is_asked := states(given.query)):
            listing = Selected(listing, lambda job: is_asked(*job.timeline.at(exchange.now)))
        page = paging.page(listing, account.owner, kind, given.query, _address(request))
        told = [(name, value.encode()) for name, tell in headers if (value := tell(page))]
        return answer.render(Scene(None, exchange.now, request.site, exchange.request_id, page), told)

    return act


_ALL = {"", "all", "any", "*"}  # what asks for jobs in all states, where no state is called so


def _asked_states(
    vocabulary: Vocabulary, resource: JobResource, part: JobOperation
) -> Callable[[Mapping[str, Any]], Callable[[State, int], bool] | None] | None:
    """By a list's query, which states and progress are asked for (None: all); None if it cannot be asked for any."""
    name = vocabulary.best("roles", "status", [p.name for p in part.operation.parameters if p.place == "query"])
    if name is None:
        return None
    phases = part.view.phases if part.view else {}
    words = {**resource.words, **(part.view.words if part.view else {})}
    told = {state: tuple(map(str, phases.get(state) or (word,))) for state, word in words.items()}
    known = {word for each in told.values() for word in each}

    def asked(query: Mapping[str, Any]) -> Callable[[State, int], bool] | None:
        value = query.get(name)
        wanted = {str(each) for each in (value if isinstance(value, list) else [value]) if each is not None}
        if not wanted or (not wanted & known and {word.lower() for word in wanted} & _ALL):
            return None

        def is_asked(state: State, progress: int) -> bool:
            steps = told.get(state, ())
            # As it is rendered: a running job goes through all words that mean so.
            step = min(progress * len(steps) // 100, len(steps) - 1) if state is State.RUNNING else 0
            return bool(steps) and steps[step] in wanted

        return is_asked

    return asked


def _home(resource: JobResource) -> Callable[[Mapping[str, Any]], str] | None:
    """Under which kind jobs are kept where they belong to something that their paths name (`/groups/{group}/jobs`).

    None where they do not: a list shows the jobs of its own path's values alone if all creates have these too.
    """
    lists = [path_parameters(p.operation.path) for p in resource.operations if p.action is Action.LIST]
    starts = [path_parameters(p.operation.path) for p in resource.operations if p.action in STARTS]
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

    def act(exchange: Exchange, given: Inputs) -> Response:
        job = context.owned(exchange, named(given), resource.name)
        if not context.is_invented(exchange, job):
            exchange.account.store.remove(job.id)
        return answer.render(Scene(job, exchange.now, exchange.request.site, exchange.request_id), [])

    return act


def _cancel(context: Context, resource: JobResource, part: JobOperation) -> Act:
    answer = _Answer(context, resource, part)
    named = _named(part)

    def act(exchange: Exchange, given: Inputs) -> Response:
        job, now = context.owned(exchange, named(given), resource.name), exchange.now
        if context.is_invented(exchange, job):  # as if it had just been stopped, if there is a word for that
            stopped = job._replace(timeline=job.timeline.cancelled(now))
            return answer.about(exchange, stopped if State.CANCELLED in resource.words else job)
        state = job.timeline.state_at(now)
        if state in TERMINAL:
            word = resource.words.get(state, state.value)
            raise Refusal("conflict", f"{job.id} has already ended: its status is '{word}'.", id=job.id)
        if State.CANCELLED not in resource.words:
            raise Refusal("conflict", "The contract has no word for a cancelled job, so none can be.", id=job.id)
        job = job._replace(timeline=job.timeline.cancelled(now))
        exchange.account.store.replace(job)
        return answer.about(exchange, job)

    return act


def _result(context: Context, resource: JobResource, part: JobOperation) -> Act:
    """The result of a job at an operation of its own: refused until it is there."""
    answer = _Answer(context, resource, part)
    named = _named(part)

    def act(exchange: Exchange, given: Inputs) -> Response:
        job = context.owned(exchange, named(given), resource.name)
        require_result(job, exchange.now)
        return answer.about(exchange, job)

    return act


def _content(context: Context, resource: JobResource, part: JobOperation) -> Act:
    """The result of a job as a file: a video, a sound, a picture, or what the document says of another type."""
    named = _named(part)
    answer = next((a for a in part.operation.answers if a.status.startswith("2") and a.content), None)
    types = [t for t in (answer.content if answer else {}) if not is_json(t)]
    first = types[0] if types else "video/mp4"
    result_file = _file_of(context, part.operation, answer)

    def act(exchange: Exchange, given: Inputs) -> Response:
        request, job = exchange.request, context.owned(exchange, named(given), resource.name)
        require_result(job, exchange.now)
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

    def act(exchange: Exchange, given: Inputs) -> Response:
        return stateless.respond(exchange.request, given.body)

    return act


def _about_records(context: Context, collection: Collection, part: RecordOperation, stateless: Stateless) -> Act:
    work = compile_record_act(
        context.contract, collection, part, stateless, context.records,
        InventedRecords(f"{context.seed}/records", context.start) if context.lenient else None,
    )  # fmt: skip
    headers = page_headers(context.contract.vocabulary, part.operation.success())
    of_pages = {name for name, _ in headers}

    def act(exchange: Exchange, given: Inputs) -> Response:
        value = None if stateless.streams(given.body) else work(exchange, given, _address(exchange.request))
        if isinstance(value, PageOfRecords):
            told = [(name, text.encode()) for name, tell in headers if (text := tell(value.page))]
            response = stateless.respond_with(value.body)
            kept = [header for header in response.headers if header[0] not in of_pages]
            return response._replace(headers=[*kept, *told])
        return stateless.respond(exchange.request, given.body) if value is None else stateless.respond_with(value)

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

    def prefer(exchange: Exchange, given: Inputs) -> Response:
        wishes = read_preferences(exchange.request.headers[b"prefer"])
        if wishes is None or not (wishes.code or wishes.example or (is_stateless and wishes.dynamic)):
            return act(exchange, given)
        if not kept:
            kept.append(_stateless(context, operation))
        turn = f"{exchange.account.random.getrandbits(64)}" if wishes.dynamic else ""
        return kept[0].respond(exchange.request, given.body, wishes, turn)

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

# -- their parts ------------------------------------------------------------------------------------


class _Answer:
    """The success answer of one operation: status, headers and body from a scene."""

    def __init__(self, context: Context, resource: JobResource, part: JobOperation) -> None:
        self._render: Field | None = compile_answer(context.contract, resource, part, context.results)
        self._status = _status(part.operation, part.answer)
        self._media_type = _media_type(part.operation, part.answer)
        self._headers = compile_headers(context.contract, resource, part) if part.action in STARTS else []
        self._no_body: RawHeaders = [] if self._status == 204 else [(b"content-length", b"0")]
        self._poll_header = context.contract.headers.get("poll-after", "").encode()
        self._polls: dict[int, RawHeaders] = {}  # by the milliseconds that are told
        # Ends that the contract has no word for, and that would look like a job that runs on: an error tells them.
        told = complete_words(dict(resource.words))
        self._untold = {state for state in TERMINAL if state not in told} if part.action is Action.RETRIEVE else set()
        self._failure = resource.failure

    def about(self, exchange: Exchange, job: Job) -> Response:
        """The answer about one job, with the advice to poll again while it is unfinished."""
        scene = Scene(job, exchange.now, exchange.request.site, exchange.request_id)
        if scene.state in TERMINAL:
            if scene.state in self._untold:
                raise Refusal("failed_content", self._why(job, scene.state), id=job.id, hint=False)
            headers: RawHeaders = []
        else:
            milliseconds = exchange.account.sandbox.poll_after_ms
            headers = self._polls.get(milliseconds) or self._advice(milliseconds)
        if self._headers:
            headers = [*headers, *((name, str(field(scene)).encode()) for name, field in self._headers)]
        return self.render(scene, headers)

    def _why(self, job: Job, state: State) -> str:
        said = (job.failure or {}).get("message") or self._failure.get("message") or f"The job has {state.value}."
        return str(said)

    def _advice(self, milliseconds: int) -> RawHeaders:
        """The header that says when to poll again, remembered."""
        if len(self._polls) >= MAX_ADVICES:
            self._polls.clear()
        header = [(self._poll_header, b"%d" % milliseconds)] if self._poll_header else []
        self._polls[milliseconds] = header
        return header

    def render(self, scene: Scene, headers: RawHeaders) -> Response:
        """The answer with these further headers."""
        if self._render is None:
            return Response(self._status, [*self._no_body, *headers], b"")
        body = orjson.dumps(self._render(scene))
        return Response(self._status, [self._media_type, (b"content-length", b"%d" % len(body)), *headers], body)


def _status(operation: Operation, answer: Answer | None = None) -> int:
    success = answer or operation.success()
    if success is None and not operation.answers:
        return 204
    return int(success.status) if success and _SUCCESS.fullmatch(success.status) else 200


def _media_type(operation: Operation, answer: Answer | None) -> tuple[bytes, bytes]:
    """The header of the JSON that is declared; a type of its own (`application/vnd.api+json`) is told as it is."""
    success = answer or operation.success()
    declared = success.json_media() if success else None
    essence = declared[0].partition(";")[0].strip().lower() if declared else ""
    return (b"content-type", essence.encode("latin-1", "replace")) if essence.endswith("+json") else _JSON


def _named(part: JobOperation) -> Callable[[Inputs], Any]:
    """Where the request names the job."""
    place = part.id_place
    if place is None:
        return lambda given: ""
    name = place.pointer[0]
    if place.place == "body":
        return lambda given: dig(given.body, place.pointer)
    return (lambda given: given.path.get(name)) if place.place == "path" else (lambda given: given.query.get(name))


def _source(
    context: Context, resource: JobResource, part: JobOperation, given: Inputs, exchange: Exchange
) -> Job | None:
    """The finished job that a follow-up starts from; None if it brought a file instead. Raises Refusal."""
    id = _named(part)(given)
    if id is None or isinstance(id, UploadedFile):
        return None
    job = context.owned(exchange, id, resource.name)
    state = job.timeline.state_at(exchange.now)
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
