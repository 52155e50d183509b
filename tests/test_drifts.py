"""Drifts: each breaks the contract in the way that its line says; without one, nothing changes."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import pytest
from in_process import CREATES, KEY, Service, frozen_clock, key_headers, run, start
from serving import serving

from mockserver.engine.engine import Engine
from mockserver.engine.sampling import sample
from mockserver.errors import DeclarationError
from mockserver.form import FormPart
from mockserver.jobs.resource import Action, JobOperation
from mockserver.loading.plans import load_drifts
from mockserver.message import Request, Response
from mockserver.openapi.document import Operation, is_json
from mockserver.plans.drift import read_drifts
from mockserver.plans.scenario import read_scenario
from mockserver.sandbox.sandbox import Sandbox, Sandboxes

ROOT = Path(__file__).parent.parent
DOCUMENTS = ROOT / "tests" / "documents"
DRIFTS = {name: drift for name, drift in load_drifts().items() if not drift.is_legal}
CREATED = 1_790_000_000  # the instant at which every story begins
FAILS = read_scenario("fails", {"summary": "Fails.", "job": {"end": "failed", "at": 50}}, frozenset(), "test")
LIMITED = read_scenario(
    "limited",
    {"summary": "Says no.", "requests": [{"on": "retrieve", "refuse": {"kind": "rate_limited", "retry-after": 7}}]},
    frozenset({"rate_limited"}),
    "test",
)
LIMIT = {"openai": "limit=1", "hingnet-sora": "limit=1", "aitoearn": "pageSize=1"}
NEXT = {"openai": "after={id}", "hingnet-sora": "after={id}", "aitoearn": "pageSize=1&page=2"}
ORDER = {"openai": "order=asc", "hingnet-sora": "order=asc"}
MISSING = object()
BEARER = {"Authorization": "Bearer k"}


# -- the stage --------------------------------------------------------------------------------------


class Answer:
    """What a client got, with the job in it."""

    def __init__(self, response: httpx2.Response) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.content = response.content
        self.type = response.headers.get("content-type", "").partition(";")[0]

    @property
    def body(self) -> Any:
        return json.loads(self.content)

    @property
    def job(self) -> dict[str, Any]:
        """The job, in an envelope or not; of a list the first."""
        body = self.body
        inner = body.get("data", body) if isinstance(body, dict) else body
        if isinstance(inner, dict):
            inner = inner.get("list", inner)
        return inner[0] if isinstance(inner, list) else inner

    @property
    def jobs(self) -> list[Any]:
        """The items of a list."""
        data = self.body["data"]
        return data["list"] if isinstance(data, dict) else data

    @property
    def error(self) -> dict[str, Any]:
        body = self.body
        return body["error"] if isinstance(body.get("error"), dict) else body

    @property
    def same(self) -> tuple[Any, ...]:
        return self.status, self.content, sorted(self.headers.multi_items())


class Stage:
    """One provider, on which each story begins anew: the same ids, at the same instant."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.service: Service = start(name, rate=0)
        transport = self.service.client._transport
        self.client = httpx2.AsyncClient(transport=transport, base_url="http://mock.test")
        app = transport.app  # type: ignore[attr-defined]
        self.sandboxes: Sandboxes = app.sandboxes
        self.broken: list[BaseException] = []
        app.engine("")._on_error = lambda error, request: self.broken.append(error)
        contract = self.service.provider.contract
        self.keys = key_headers(contract)
        self.parts = {part.action: part for r in contract.resources for part in reversed(r.operations)}
        is_open = not any(operation.security for operation in contract.document.operations)
        self.sandbox: Sandbox = self.sandboxes.of("" if is_open else KEY)
        self.plain: dict[str, list[Answer]] = {}

    def begin(self, *names: str) -> None:
        """A new story, with these drifts on for everybody."""
        for sandbox in self.sandboxes:
            sandbox.reset()
            sandbox.activations.clear()
        self.sandbox.own_clock = frozen_clock()
        self.sandbox.update()
        self.sandboxes.server.drifts.clear()
        self.sandboxes.server.drifts.update({name: DRIFTS[name] for name in names})
        self.sandboxes.server.update()

    def tell(self, scene: str, *names: str) -> list[Answer]:
        """All answers of a scene; without drifts it is played once."""
        if not names and scene in self.plain:
            return self.plain[scene]
        self.begin(*names)
        told = SCENES[scene](self)
        answers = [told] if isinstance(told, Answer) else told
        if not names:
            self.plain[scene] = answers
        return answers

    # what a client does

    def ask(self, method: str, path: str, *, keys: Mapping[str, str] | None = None, **kwargs: Any) -> Answer:
        headers = {**(self.keys if keys is None else keys), **kwargs.pop("headers", {})}
        return Answer(run(self.client.request(method, path, headers=headers, **kwargs)))

    def create(self, **kwargs: Any) -> Answer:
        path, body = CREATES[self.name]
        return self.ask("POST", path, **{**body, **kwargs})

    @property
    def ids(self) -> list[str]:
        """The ids of all jobs, the oldest first."""
        return [job.id for job in self.sandbox.account(self.name).store]  # type: ignore[attr-defined]

    def at(self, action: Action, id: str = "", query: str = "") -> str:
        operation = self.parts[action].operation
        path = re.sub(r"\{[^}]*\}", id or self.ids[-1], operation.path)
        return f"{path}?{query}" if query else path

    def poll(self, id: str = "", **kwargs: Any) -> Answer:
        return self.ask("GET", self.at(Action.RETRIEVE, id), **kwargs)

    def list(self, query: str = "") -> Answer:
        return self.ask("GET", self.at(Action.LIST, "-", query))

    def fetch(self, method: str = "GET", **headers: str) -> Answer:
        return self.ask(method, self.at(Action.CONTENT), headers={k.replace("_", "-"): v for k, v in headers.items()})

    def follow_link(self) -> Answer:
        return self.ask("GET", f"/__mockserver/assets/{self.sandbox.id}/{self.ids[-1]}.mp4", keys={})

    def wait(self, seconds: float) -> "Stage":
        assert self.sandbox.own_clock
        self.sandbox.own_clock.advance(seconds)
        return self

    def with_job(self, seconds: float = 0) -> "Stage":
        self.create()
        return self.wait(seconds)

    def with_failed(self) -> "Stage":
        self.sandbox.switch_on(FAILS, 1)
        return self.with_job(DONE)

    def limited(self) -> "Stage":
        self.sandbox.switch_on(LIMITED, 1)
        return self

    def with_three(self) -> "Stage":
        for _ in range(3):
            self.with_job(1)
        return self.wait(DONE)


@cache
def stage(name: str) -> Stage:
    return Stage(name)


RUNNING, DONE = 30, 1000  # seconds after which a job runs, and has ended

# Each scene plays on a stage where nothing has happened yet, and gives the answers that are looked at.
SCENES: Mapping[str, Callable[[Stage], Any]] = {
    "create": lambda on: on.create(),
    "queued": lambda on: on.with_job().poll(),
    "running": lambda on: on.with_job(RUNNING).poll(),
    "running, three polls": lambda on: [on.with_job(RUNNING).poll(), on.poll(), on.poll()],
    "done": lambda on: on.with_job(DONE).poll(),
    "done, three polls": lambda on: [on.with_job(DONE).poll(), on.poll(), on.poll()],
    "failed": lambda on: on.with_failed().poll(),
    "list": lambda on: on.with_three().list(),
    "list, limited": lambda on: on.with_three().list(LIMIT[on.name]),
    "list, ordered": lambda on: on.with_three().list(ORDER[on.name]),
    "list, next": lambda on: on.with_three().list(NEXT[on.name].format(id=on.ids[1])),
    "content": lambda on: on.with_job(DONE).fetch(),
    "content, early": lambda on: on.with_job(RUNNING).fetch(),
    "content, part": lambda on: on.with_job(DONE).fetch(range="bytes=0-99"),
    "content, known": lambda on: on.with_job(DONE).fetch(if_none_match="*"),
    "content, twice": lambda on: [on.with_job(DONE).fetch(), on.fetch()],
    "content, head": lambda on: [on.with_job(DONE).fetch("HEAD"), on.fetch()],
    "link": lambda on: on.with_job(DONE).follow_link(),
    "unknown": lambda on: on.poll("nope"),
    "no key": lambda on: on.with_job().poll(keys={}),
    "bad key": lambda on: on.with_job().poll(keys=dict.fromkeys(on.keys, "Bearer invalid-1")),
    "other key": lambda on: on.with_job().poll(keys=dict.fromkeys(on.keys, "Bearer sk-other")),
    "invalid": lambda on: [on.create(json={"prompt": 7}), on.list()],
    "limited": lambda on: on.with_job().limited().poll(),
    "delete": lambda on: [on.with_job(DONE).ask("DELETE", on.at(Action.DELETE, on.ids[0])), on.list()],
    "delete, unknown": lambda on: on.ask("DELETE", on.at(Action.DELETE, "nope")),
}

# -- what each drift is to do -----------------------------------------------------------------------

Check = Callable[[list[Answer], list[Answer]], bool]


@dataclass(frozen=True)
class Case:
    """A provider, a scene, and what is to be seen of the answers without (`was`) and with the drift (`now`)."""

    provider: str
    scene: str
    check: Check


def job(provider: str, scene: str, check: Callable[[dict[str, Any], dict[str, Any]], bool]) -> Case:
    """What is to be seen of the job in the last answer."""
    return Case(provider, scene, lambda was, now: check(was[-1].job, now[-1].job))


def field(provider: str, scene: str, name: str, was: Any, now: Any) -> Case:
    """One field of the job had one value, and has another; MISSING for none."""

    def check(before: dict[str, Any], after: dict[str, Any]) -> bool:
        value, new = before.get(name, MISSING), after.get(name, MISSING)
        return value == was and new == now and type(new) is type(now)

    return job(provider, scene, check)


def answer(provider: str, scene: str, check: Callable[[Answer, Answer], bool]) -> Case:
    """What is to be seen of the last answer."""
    return Case(provider, scene, lambda was, now: check(was[-1], now[-1]))


def status(provider: str, scene: str, was: int, now: int) -> Case:
    """The HTTP status of the last answer."""
    return answer(provider, scene, lambda a, b: (a.status, b.status) == (was, now))


def lists(provider: str, scene: str, check: Callable[[list[Any], list[Any]], bool]) -> Case:
    """What is to be seen of a list's items."""
    return Case(provider, scene, lambda was, now: check(was[-1].jobs, now[-1].jobs))


def link_of(job: Mapping[str, Any]) -> str:
    return str(job["assets"][0]["url"])


CASES: Mapping[str, Case] = {
    "status-succeeded": field("openai", "done", "status", "completed", "succeeded"),
    "status-done": field("hingnet-sora", "list", "status", "success", "done"),
    "status-processing": field("openai", "running", "status", "in_progress", "processing"),
    "status-not-start": field("openai", "create", "status", "queued", "NOT_START"),
    "status-unknown": field("openai", "queued", "status", "queued", "unknown"),
    "status-submitted": field("aitoearn", "create", "status", "SUBMITTED", "submitted"),
    "status-expired": field("openai", "failed", "status", "failed", "expired"),
    "status-cancelled": field("aitoearn", "failed", "status", "FAILURE", "canceled"),
    "status-moderated": field("agicto-sora", "done", "status", "completed", "moderated"),
    "status-upper-case": field("openai", "done", "status", "completed", "COMPLETED"),
    "status-mixed-case": field("openai", "running", "status", "in_progress", "InProgress"),
    "status-padded": field("openai", "done", "status", "completed", "completed "),
    "status-number": field("openai", "failed", "status", "failed", 3),
    "status-object": field("openai", "done", "status", "completed", {"value": "completed"}),
    "status-missing": field("openai", "done", "status", "completed", MISSING),
    "status-null": field("aitoearn", "done", "status", "SUCCESS", None),
    "status-renamed": job("openai", "done", lambda a, b: [*b][3] == "state" and b["state"] == a["status"]),
    "status-flaps": Case(
        "openai",
        "running, three polls",
        lambda was, now: [a.job["status"] for a in now] == ["in_progress", "queued", "in_progress"],
    ),
    "status-revoked": Case(
        "openai",
        "done, three polls",
        lambda was, now: [a.job["status"] for a in now] == ["completed", "failed", "failed"],
    ),
    "status-stuck": field("hingnet-sora", "done", "status", "success", "processing"),
    "status-ends-at-create": field("openai", "create", "status", "queued", "completed"),
    "status-failed-is-success": job(
        "openai", "failed", lambda a, b: b["status"] == "completed" and b["error"] is not None
    ),
    "status-list-lags": field("openai", "list", "status", "completed", "queued"),
    "seconds-other-type": field("openai", "create", "seconds", "8", 8),
    "seconds-decimal": field("openai", "create", "seconds", "8", "8.4"),
    "seconds-null": field("hingnet-veo", "create", "seconds", 6, None),
    "seconds-missing": field("openai", "create", "seconds", "8", MISSING),
    "seconds-milliseconds": job("aitoearn", "queued", lambda a, b: b["input"]["duration"] == 5000),
    "seconds-with-unit": field("hingnet-veo", "create", "seconds", 6, "6s"),
    "size-other": field("openai", "create", "size", "1280x720", "1024x1024"),
    "model-other": field("openai", "create", "model", "sora-2", "sora-2-internal-0711"),
    "prompt-changed": field("openai", "create", "prompt", "a cat", "a cat …"),
    "object-other": field("openai", "create", "object", "video", "video.generation"),
    "fields-camel-case": job(
        "openai", "create", lambda a, b: b["createdAt"] == a["created_at"] and "created_at" not in b
    ),
    "fields-extra": field("aitoearn", "create", "channel_id", MISSING, 17),
    "progress-percent-text": field("openai", "running", "progress", 20, "20%"),
    "progress-other-type": field("openai", "running", "progress", 20, "20"),
    "progress-fraction": field("openai", "running", "progress", 20, 0.2),
    "progress-decimal": field("openai", "running", "progress", 20, 20.5),
    "progress-backwards": Case(
        "openai", "running, three polls", lambda was, now: [a.job["progress"] for a in now] == [20, 10, 20]
    ),
    "progress-stuck": field("openai", "running", "progress", 20, 0),
    "progress-jumps": field("openai", "queued", "progress", 0, 90),
    "progress-unfinished": field("openai", "done", "progress", 100, 0),
    "progress-full-early": field("openai", "running", "progress", 20, 100),
    "progress-over-100": field("openai", "done", "progress", 100, 120),
    "progress-negative": field("openai", "running", "progress", 20, -1),
    "progress-missing": field("openai", "running", "progress", 20, MISSING),
    "progress-null": field("agicto-sora", "running", "progress", 20, None),
    "created-milliseconds": field("openai", "create", "created_at", CREATED, CREATED * 1000),
    "times-other-form": job(
        "openai",
        "done",
        lambda a, b: (
            b["created_at"] == "2026-09-21T14:13:20.000Z" and b["completed_at"].startswith("2026-09-21T14:14:")
        ),
    ),
    "created-other-type": field("openai", "create", "created_at", CREATED, str(CREATED)),
    "created-decimal": field("openai", "create", "created_at", CREATED, CREATED + 0.25),
    "created-moves": field("openai", "running", "created_at", CREATED, CREATED + RUNNING),
    "created-missing": field("openai", "running", "created_at", CREATED, MISSING),
    "created-renamed": field("openai", "running", "created", MISSING, CREATED),
    "created-in-future": field("openai", "create", "created_at", CREATED, CREATED + 3600),
    "completed-early": field("openai", "running", "completed_at", None, CREATED + RUNNING),
    "completed-before-created": job("openai", "done", lambda a, b: b["completed_at"] == a["created_at"] - 60),
    "completed-missing": job("aitoearn", "done", lambda a, b: "finishedAt" in a and "finishedAt" not in b),
    "expires-past": job("openai", "done", lambda a, b: b["expires_at"] == a["expires_at"] - 86_400),
    "result-nested": job(
        "hingnet-veo", "done", lambda a, b: b["metadata"] == {"url": a["video_url"]} and "video_url" not in b
    ),
    "result-renamed": job("aitoearn", "done", lambda a, b: b["content_url"] == a["videoUrl"] and "videoUrl" not in b),
    "result-in-source": job(
        "hingnet-sora", "done", lambda a, b: b["remixed_from_video_id"] == link_of(a) and "assets" not in b
    ),
    "result-missing": job("hingnet-veo", "done", lambda a, b: "video_url" in a and "video_url" not in b),
    "result-null": job("hingnet-sora", "done", lambda a, b: a["assets"] and b["assets"] is None),
    "result-empty": job("hingnet-veo", "done", lambda a, b: b["video_url"] == ""),
    "result-relative": job("hingnet-sora", "done", lambda a, b: link_of(b).startswith("/__mockserver/")),
    "result-placeholder": job("hingnet-sora", "done", lambda a, b: link_of(b) == "https://..."),
    "result-other-shape": job("hingnet-veo", "done", lambda a, b: b["video_url"] == [a["video_url"]]),
    "result-object": job("hingnet-veo", "done", lambda a, b: b["video_url"] == {"value": a["video_url"]}),
    "result-early": job(
        "hingnet-veo", "running", lambda a, b: "video_url" not in a and b["video_url"].endswith(".mp4")
    ),
    "result-needs-key": status("aitoearn", "link", 200, 401),
    "result-gone": status("hingnet-veo", "link", 200, 404),
    "id-missing": job("openai", "create", lambda a, b: "id" in a and "id" not in b),
    "id-renamed": job("openai", "create", lambda a, b: b["task_id"] == a["id"] and "id" not in b),
    "id-other": job("openai", "done", lambda a, b: b["id"] == f"{a['id']}-upstream"),
    "id-null": job("aitoearn", "create", lambda a, b: b["id"] is None),
    "id-alone": job("openai", "create", lambda a, b: b == {"id": a["id"]}),
    "body-in-envelope": answer(
        "openai", "done", lambda a, b: b.body == {"code": "success", "message": "", "data": a.body}
    ),
    "body-out-of-envelope": answer("aitoearn", "done", lambda a, b: b.body == a.body["data"]),
    "body-in-list": answer("openai", "done", lambda a, b: b.body == [a.body]),
    "body-empty-while-polling": answer("openai", "running", lambda a, b: (b.status, b.content) == (202, b"")),
    "body-null": answer("openai", "done", lambda a, b: b.content == b"null"),
    "body-text-plain": answer("openai", "done", lambda a, b: b.type == "text/plain" and b.body == a.body),
    "body-twice-encoded": answer("openai", "done", lambda a, b: json.loads(b.body) == a.body),
    "body-cut-short": answer("openai", "done", lambda a, b: b.content == a.content[: len(b.content)] < a.content),
    "body-html": answer("openai", "done", lambda a, b: (b.status, b.type) == (200, "text/html")),
    "gateway-html-502": Case(
        "openai",
        "done, three polls",
        lambda was, now: [(a.status, a.type == "text/html") for a in now] == [(200, False), (502, True), (200, False)],
    ),
    "error-http-200": answer("openai", "unknown", lambda a, b: (a.status, b.status, b.body) == (404, 200, a.body)),
    "error-flat": answer("openai", "unknown", lambda a, b: b.body == a.body["error"]),
    "error-nested": answer("aitoearn", "unknown", lambda a, b: b.body == {"error": a.body}),
    "error-text": answer("openai", "unknown", lambda a, b: b.content.decode() == a.error["message"]),
    "error-string": answer("openai", "unknown", lambda a, b: b.body == {"error": a.error["message"]}),
    "error-detail-list": answer("openai", "unknown", lambda a, b: b.body["detail"][0]["msg"] == a.error["message"]),
    "error-without-message": answer("openai", "unknown", lambda a, b: "message" not in b.error and "type" in b.error),
    "error-message-null": answer("aitoearn", "unknown", lambda a, b: b.error["message"] is None),
    "error-code-number": answer("openai", "unknown", lambda a, b: b.error["code"] == 404),
    "error-empty": answer("openai", "unknown", lambda a, b: (b.status, b.content) == (404, b"")),
    "error-html": answer("openai", "unknown", lambda a, b: b.type == "text/html" and b"404" in b.content),
    "error-truthy-success": answer("aitoearn", "unknown", lambda a, b: b.body["code"] == "success"),
    "not-found-as-400": status("openai", "unknown", 404, 400),
    "not-found-as-500": status("openai", "unknown", 404, 500),
    "not-found-as-200": answer("openai", "unknown", lambda a, b: (b.status, b.body) == (200, {})),
    "unauthorized-as-403": status("openai", "bad key", 401, 403),
    "invalid-as-500": Case("openai", "invalid", lambda was, now: (was[0].status, now[0].status) == (400, 500)),
    "not-ready-as-500": status("openai", "content, early", 400, 500),
    "not-ready-as-404": answer("hingnet-veo", "content, early", lambda a, b: b.error["code"] == "video_not_found"),
    "rate-limit-without-wait": answer(
        "openai",
        "limited",
        lambda a, b: "retry-after" in a.headers and "retry-after" not in b.headers and b.status == 429,
    ),
    "rate-limit-as-400": status("openai", "limited", 429, 400),
    "failure-without-error": job("openai", "failed", lambda a, b: a["error"] and "error" not in b),
    "failure-null-error": job("openai", "failed", lambda a, b: a["error"] and b["error"] is None),
    "failure-error-text": job("openai", "failed", lambda a, b: b["error"] == a["error"]["message"]),
    "error-without-failure": field("openai", "done", "error", None, {"code": "", "message": ""}),
    "failure-as-http-400": status("aitoearn", "failed", 200, 400),
    "list-without-cursor": answer(
        "openai", "list", lambda a, b: {*a.body} - {*b.body} == {"first_id", "last_id", "has_more"}
    ),
    "list-without-total": answer(
        "aitoearn", "list", lambda a, b: {*a.body["data"]} - {*b.body["data"]} == {"total", "totalPages"}
    ),
    "list-endless": answer("openai", "list", lambda a, b: (a.body["has_more"], b.body["has_more"]) == (False, True)),
    "list-ends-early": answer(
        "openai", "list, limited", lambda a, b: a.body["has_more"] and b.body["has_more"] is False
    ),
    "list-total-wrong": answer(
        "aitoearn", "list", lambda a, b: (a.body["data"]["total"], b.body["data"]["total"]) == (3, 0)
    ),
    "list-cursor-ignored": lists("openai", "list, next", lambda a, b: len(a) == 1 and len(b) == 3),
    "list-limit-ignored": lists("aitoearn", "list, limited", lambda a, b: len(a) == 1 and len(b) == 3),
    "list-order-ignored": lists("hingnet-sora", "list, ordered", lambda a, b: len(a) == 3 and a == b[::-1]),
    "list-reversed": lists("openai", "list", lambda a, b: len(a) == 3 and a == b[::-1]),
    "list-repeats": lists("openai", "list", lambda a, b: b == [*a, a[-1]]),
    "list-loses-one": lists("openai", "list", lambda a, b: b == a[:-1]),
    "list-with-null": lists("openai", "list", lambda a, b: b == [None, *a[1:]]),
    "list-bare": answer("aitoearn", "list", lambda a, b: b.body == a.jobs),
    "list-without-result": job("aitoearn", "list", lambda a, b: "videoUrl" in a and "videoUrl" not in b),
    "file-error-as-video": answer(
        "openai", "content, early", lambda a, b: (b.status, b.type) == (200, "video/mp4") and b.body == a.body
    ),
    "file-wrong-type": answer("openai", "content", lambda a, b: b.type == "application/octet-stream"),
    "file-html": answer(
        "hingnet-veo", "link", lambda a, b: b.type == "video/mp4" and b.content.startswith(b"<!doctype")
    ),
    "file-empty": answer("openai", "content", lambda a, b: (b.status, b.content) == (200, b"")),
    "file-cut-short": answer("openai", "content", lambda a, b: b.content == a.content[: len(a.content) // 2]),
    "file-range-ignored": answer(
        "openai",
        "content, part",
        lambda a, b: (a.status, b.status) == (206, 200) and len(b.content) > len(a.content) == 100,
    ),
    "file-condition-ignored": status("openai", "content, known", 304, 200),
    "file-etag-moves": Case(
        "openai", "content, twice", lambda was, now: now[0].headers["etag"] != now[1].headers["etag"]
    ),
    "file-head-differs": Case(
        "openai", "content, head", lambda was, now: now[0].headers["content-length"] == "0" and now[1].content != b""
    ),
    "file-head-refused": Case("openai", "content, head", lambda was, now: [a.status for a in now] == [405, 200]),
    "file-refused-after-success": status("hingnet-sora", "content", 200, 404),
    "create-201": status("openai", "create", 200, 201),
    "create-202": status("openai", "create", 200, 202),
    "create-204": answer("openai", "create", lambda a, b: (b.status, b.content) == (204, b"")),
    "retrieve-202": status("openai", "running", 200, 202),
    "retrieve-not-found-yet": Case(
        "openai", "running, three polls", lambda was, now: [a.status for a in now] == [404, 200, 200]
    ),
    "request-id-missing": answer("openai", "unknown", lambda a, b: "x-request-id" not in b.headers),
    "poll-header-missing": answer("openai", "queued", lambda a, b: "openai-poll-after-ms" not in b.headers),
    "poll-header-seconds": answer("openai", "queued", lambda a, b: b.headers["openai-poll-after-ms"] == "1"),
    "poll-header-text": answer("openai", "queued", lambda a, b: b.headers["openai-poll-after-ms"] == "soon"),
    "delete-does-nothing": Case(
        "openai",
        "delete",
        lambda was, now: was[0].same == now[0].same and len(was[1].jobs) == 0 and len(now[1].jobs) == 1,
    ),
    "delete-refused": Case("openai", "delete", lambda was, now: now[0].status == 409 and now[1].jobs == []),
    "delete-204": Case("openai", "delete", lambda was, now: now[0].status == 204),
    "delete-unknown-accepted": status("openai", "delete, unknown", 404, 200),
    "keys-not-checked": status("openai", "bad key", 401, 200),
    "jobs-not-private": status("openai", "other key", 404, 200),
    "requests-not-checked": Case(
        "openai",
        "invalid",
        lambda was, now: was[0].status == 400 and now[0].job["status"] == "queued" and len(now[1].jobs) == 1,
    ),
}
ELSEWHERE = {"cancel-does-nothing"}  # no bundled provider can cancel


def test_every_drift_is_tried() -> None:
    assert {*CASES, *ELSEWHERE} == {*DRIFTS}
    assert len(DRIFTS) >= 60


@pytest.mark.parametrize("name", CASES)
def test_a_drift_changes_an_answer_in_the_way_that_it_says(name: str) -> None:
    case = CASES[name]
    on = stage(case.provider)
    was, now = on.tell(case.scene), on.tell(case.scene, name)
    assert case.check(was, now)
    changed = [entry for box in on.sandboxes for entry in box.journal if entry.drifts]
    assert changed, "the journal names it"
    assert {entry.drifts for entry in changed} == {(name,)}
    assert not on.broken


@pytest.mark.parametrize("provider", CREATES)
def test_without_a_drift_and_with_one_that_is_taken_off_answers_are_the_same_to_the_byte(provider: str) -> None:
    on = stage(provider)
    scenes = ("create", "done", "failed", "unknown", "no key")
    before = [[each.same for each in on.tell(scene)] for scene in scenes]
    for scene in scenes:
        on.tell(scene, *DRIFTS)
    on.plain.clear()
    assert [[each.same for each in on.tell(scene)] for scene in scenes] == before
    assert not any(entry.drifts for box in on.sandboxes for entry in box.journal)


# -- whatever the contract --------------------------------------------------------------------------


def live_through(on: Stage) -> Iterator[Answer]:
    """All that a client can do at a provider, with a job that succeeds and one that fails."""
    has = on.parts.__contains__
    yield on.create()
    for seconds in (0, RUNNING, DONE):
        on.wait(seconds)
        yield from (on.poll(), on.poll())
        if has(Action.LIST):
            yield on.list(LIMIT.get(on.name, ""))
        if has(Action.CONTENT):
            yield from (on.fetch(), on.fetch("HEAD"), on.fetch(range="bytes=5-9"), on.fetch(if_none_match="*"))
    yield on.follow_link()
    on.with_failed()
    yield on.poll()
    if has(Action.LIST):
        yield on.list()
    yield from (
        on.poll("nope"),
        on.poll(keys={}),
        on.create(json={}),
        on.ask("GET", "/nowhere"),
        on.ask("OPTIONS", "/"),
    )
    for action in (Action.CANCEL, Action.DELETE):
        if has(action):
            method = on.parts[action].operation.method.upper()
            yield from (on.ask(method, on.at(action, id)) for id in (on.ids[0], "nope"))


@pytest.mark.parametrize("provider", CREATES)
def test_no_drift_breaks_the_simulator(provider: str) -> None:
    on = stage(provider)
    on.begin()
    plain = list(live_through(on))
    for name, drift in DRIFTS.items():
        on.begin(name)
        for was, now in zip(plain, live_through(on), strict=True):
            assert not on.broken, (name, on.broken[0])
            told = now.headers.get("content-length")
            assert told is None or int(told) == len(now.content) or now.content == b"", name
            if now.status >= 500 and was.status < 500:
                assert any(str(each) in str(drift.changes) for each in (500, 502)), name


def test_all_drifts_together_do_not_either() -> None:
    for provider in CREATES:
        on = stage(provider)
        on.begin(*DRIFTS)
        assert list(live_through(on))
        on.begin(*reversed(DRIFTS))
        assert list(live_through(on))
        assert not on.broken


UNSEEN = [
    "batches.yaml",
    "dreams.yaml",
    "films.yaml",
    "portraits.yaml",
    "speech.yaml",
    "tasks.yaml",
    "transcripts.yaml",
    "tunings.yaml",
    "upscales.yaml",
]


@dataclass
class Visitor:
    """Calls every operation of a document that nobody here has looked at, by what was concluded about it."""

    service: Service
    sandboxes: Sandboxes
    engine: Engine

    def visit(self) -> Iterator[tuple[str, Response]]:
        contract = self.service.provider.contract
        for resource in contract.resources:
            starts = [part for part in resource.operations if part.action is Action.CREATE]
            others = [part for part in resource.operations if part.action not in (Action.CREATE, Action.DELETE)]
            for part in starts:
                yield part.operation.name, self._call(part.operation, part)
            for seconds in (0, RUNNING, DONE):
                self.service.clock.advance(seconds)
                for part in others:
                    yield part.operation.name, self._call(part.operation, part)
        for operation in contract.document.operations:
            yield operation.name, self._call(operation, None)

    def _call(self, operation: Operation, part: JobOperation | None) -> Response:
        contract = self.service.provider.contract
        accounts = [account for sandbox in self.sandboxes for account in sandbox.accounts.values()]
        ids = [job.id for account in accounts for job in account.store]  # type: ignore[attr-defined]
        id = ids[-1] if ids else "nope"
        path = contract.document.base_path + re.sub(r"\{[^}]*\}", id, operation.path)
        place = part.id_place if part else None
        query = f"{place.pointer[0]}={id}" if place and place.place == "query" else ""
        headers = {name.lower().encode(): value.encode() for name, value in key_headers(contract, "k").items()}
        body, form = b"", None
        if operation.body:
            media = next((name for name in operation.body if is_json(name)), next(iter(operation.body)))
            value = sample(contract.document, operation.body[media].get("schema") or {})
            if place and place.place == "body" and isinstance(value, dict):
                value[place.pointer[0]] = id
            headers[b"content-type"] = media.encode()
            if is_json(media):
                body = json.dumps(value).encode()
            elif isinstance(value, dict):
                form = tuple(FormPart(name, str(each)) for name, each in value.items())
        return self.engine.handle(Request(operation.method, path, query, headers, body, form, "http://mock.test"))


@pytest.mark.parametrize("document", UNSEEN)
def test_drifts_find_their_way_in_documents_that_they_were_not_made_for(document: str) -> None:
    service = start(str(DOCUMENTS / document), rate=0)
    app = service.client._transport.app  # type: ignore[attr-defined]
    broken: list[BaseException] = []
    app.engine("")._on_error = lambda error, request: broken.append(error)
    sandboxes: Sandboxes = app.sandboxes
    applied = set()
    for name, drift in DRIFTS.items():
        for each in sandboxes:
            each.reset()
        sandboxes.server.drifts.clear()
        sandboxes.server.drifts[name] = drift
        sandboxes.server.update()
        for operation, response in Visitor(service, sandboxes, app.engine("")).visit():
            assert not broken, (name, operation, broken[0])
            length = dict(response.headers).get(b"content-length")
            assert length is None or int(length) == len(response.body), (name, operation)
        applied |= {each for box in sandboxes for entry in box.journal for each in entry.drifts}
    assert len(applied) >= 30, "speech.yaml has neither a status nor a progress to get wrong"
    assert {"id-renamed", "body-in-envelope", "create-204"} <= applied


def test_a_job_whose_cancel_does_nothing_goes_on() -> None:
    service = start(str(DOCUMENTS / "batches.yaml"), rate=0)
    sandboxes: Sandboxes = service.client._transport.app.sandboxes  # type: ignore[attr-defined]
    sandboxes.server.drifts["cancel-does-nothing"] = DRIFTS["cancel-does-nothing"]
    sandboxes.server.update()
    batch = service.post("/api/v3/batches", data={"input": "x"}).json()["id"]
    service.clock.advance(60)
    assert service.post(f"/batches/{batch}/cancel").json()["state"] == "CANCELED", "so it says"
    service.clock.advance(600)
    assert service.get(f"/batches/{batch}").json()["state"] == "DONE"
    assert [entry.drifts for box in sandboxes for entry in box.journal][1] == ("cancel-does-nothing",)


def test_what_is_on_for_the_server_and_for_a_key_is_applied_once_and_others_see_only_the_servers() -> None:
    on = stage("openai")
    on.begin("progress-backwards", "status-upper-case")
    on.sandbox.drifts["progress-backwards"] = DRIFTS["progress-backwards"]
    on.sandbox.drifts["id-other"] = DRIFTS["id-other"]
    on.sandbox.update()
    polls = [on.with_job(RUNNING).poll(), on.poll()]
    assert [each.job["progress"] for each in polls] == [20, 10]
    assert polls[0].job["id"].endswith("-upstream")
    other = on.create(headers={"Authorization": "Bearer sk-other"})
    assert other.job["status"] == "QUEUED"
    seen = [entry.drifts for entry in on.sandbox.journal]
    assert seen == [("status-upper-case",), ("id-other", "status-upper-case"),
                    ("progress-backwards", "id-other", "status-upper-case")]  # fmt: skip


def test_a_client_over_a_socket_gets_what_was_meant() -> None:
    drifts = ("create-204", "file-empty", "file-head-refused", "error-empty", "list-bare", "gateway-html-502")
    switched = [part for name in drifts for part in ("--drift", name)]
    with serving("--clock", "skipping", *switched) as urls, httpx2.Client(headers=BEARER) as client:
        videos = f"{urls['openai']}/videos"
        created = client.post(videos, json={"prompt": "a cat"})
        assert (created.status_code, created.content) == (204, b"")
        [video] = client.get(videos).json()
        polls = [client.get(f"{videos}/{video['id']}") for _ in range(2)]
        assert [each.status_code for each in polls] == [200, 502]
        content = client.get(f"{videos}/{video['id']}/content")
        assert (content.status_code, content.content, content.headers["content-length"]) == (200, b"", "0")
        assert client.head(f"{videos}/{video['id']}/content").status_code == 405
        unknown = client.get(f"{videos}/nope")
        assert (unknown.status_code, unknown.content) == (404, b"")


# -- the files --------------------------------------------------------------------------------------


def test_every_drift_has_its_line_in_the_docs() -> None:
    told = (ROOT / "docs" / "drifts.md").read_text()
    lines = re.findall(r"^\| (D\d+) \| `([^`]+)` \| (.+) \| (.+) \|$", told, re.MULTILINE)
    assert lines == [(d.code, d.name, d.summary, d.source) for d in sorted(DRIFTS.values(), key=lambda d: d.code)]


def test_every_drift_says_where_it_comes_from() -> None:
    for drift in DRIFTS.values():
        assert re.search(r"[\w.-]+/[\w.-]+|no report known: .+|public|when tried", drift.source), drift.name


GOOD = {"code": "D900", "summary": "One.", "source": "no report known: a test", "on": "any", "change": {"status": 201}}


def test_a_file_of_ones_own_is_read() -> None:
    [mine] = read_drifts({"mine": GOOD}, "mine.yaml").values()
    assert (mine.name, mine.code, mine.changes[0].kind) == ("mine", "D900", "status")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"sumary": "x"}, "mine: unknown key 'sumary' (did you mean 'summary'?)"),
        ({"code": "7"}, "mine.code: found '7', expected D and three digits"),
        ({"on": "polls"}, "mine.on: found 'polls' (did you mean 'poll'?), expected one of any, asset"),
        ({"on": []}, "mine.on: found an empty list"),
        ({"summary": "a\nb"}, "mine.summary: expected one line"),
        ({"source": None}, "mine.source: found None, expected a text"),
        ({"when": {"state": "queued"}}, "mine.when: unknown key 'state' (did you mean 'states'?)"),
        ({"when": {"states": "done"}}, "mine.when.states: found 'done', expected one of cancelled"),
        ({"when": {"first": 3, "last": 2}}, "mine.when.last: found 2, expected a whole number from 3"),
        ({"when": {"keyless": "yes"}}, "mine.when.keyless: found 'yes', expected true or false"),
        ({"change": {}}, "mine.change: expected at least one of ask, body"),
        ({"change": {"stats": 1}}, "mine.change: unknown key 'stats' (did you mean 'status'?)"),
        ({"change": {"status": {"200": 99}}}, "mine.change.status.200: found 99, expected a whole number from 200"),
        (
            {"change": {"word": {"to": "x", "case": "upper"}}},
            "mine.change.word: found to and case, expected exactly one",
        ),
        ({"change": {"field": {"set": 1}}}, "mine.change.field: expected `role`"),
        (
            {"change": {"field": {"role": "seconds", "set": 1}}},
            "mine.change.field.role: found 'seconds', expected one of",
        ),
        (
            {"change": {"field": {"role": "id", "convert": "x"}}},
            "mine.change.field.convert: found 'x', expected one of",
        ),
        ({"change": {"headers": {"set": {"content-length": "1"}}}}, "found 'content-length', expected a header's name"),
        (
            {"change": {"headers": {"set": {"x": "a\r\nb"}}}},
            "mine.change.headers.set.x: found 'a\\r\\nb', expected one",
        ),
        ({"change": {"refuse": "no"}}, "mine.change.refuse: found 'no', expected one of"),
        ({"change": {"undo": 1}}, "mine.change.undo: found 1, expected true"),
        ({"change": {"ask": {}}}, "mine.change.ask: expected `without`, `headers` or `mend`"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        read_drifts({"mine": {**GOOD, **change}}, "mine.yaml")
    assert str(caught.value).startswith("mine.yaml: ")
    assert complaint in str(caught.value)


def test_names_and_codes_stand_once() -> None:
    with pytest.raises(DeclarationError, match="'My drift' is no name"):
        read_drifts({"My drift": GOOD}, "mine.yaml")
    with pytest.raises(DeclarationError, match=r"two\.code: D900 is the code of one"):
        read_drifts({"one": GOOD, "two": GOOD}, "mine.yaml")
    with pytest.raises(DeclarationError, match="expected a map of names to drifts"):
        read_drifts([], "mine.yaml")
