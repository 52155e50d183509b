"""What is odd and legal: each oddity can be seen, and no answer is less valid for it."""

import json
import re
import socket
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from in_process import CREATES, Service, start
from serving import serving

from mockserver.errors import DeclarationError
from mockserver.jobs.resource import Action
from mockserver.loading.plans import load_drifts
from mockserver.openapi.document import Document, Operation
from mockserver.openapi.schema import Validator
from mockserver.plans.drift import read_drifts
from mockserver.sandbox.sandbox import Sandboxes

ROOT = Path(__file__).parent.parent
ODDITIES = {name: drift for name, drift in load_drifts().items() if drift.is_legal}
RUNNING, DONE = 30, 1000  # seconds after which a job runs, and has ended
DOCUMENT = """
openapi: 3.1.0
info: {title: Renders, version: "1"}
paths:
  /renders:
    post:
      requestBody: {content: {application/json: {schema: {type: object, properties: {prompt: {type: string}}}}}}
      responses:
        "200": {description: ok, content: {application/json: {schema: {$ref: "#/components/schemas/Render"}}}}
  /renders/{id}:
    get:
      parameters: [{name: id, in: path, required: true, schema: {type: string, maxLength: 8}}]
      responses:
        "200": {description: ok, content: {application/json: {schema: {$ref: "#/components/schemas/Render"}}}}
components:
  schemas:
    Render:
      type: object
      required: [id, status, created_at]
      additionalProperties: false
      properties:
        id: {type: string, maxLength: 8}
        status: {type: string, enum: [queued, running, completed, failed]}
        created_at: {type: number}
        note: {type: [string, "null"]}
"""


class Life:
    """What a client sees of three jobs, with some oddities on: the answers by what was asked."""

    def __init__(self, spec: str, *names: str) -> None:
        self.service: Service = start(spec, rate=0)
        self.app = self.service.client._transport.app  # type: ignore[attr-defined]
        self.sandboxes: Sandboxes = self.app.sandboxes
        self.broken: list[BaseException] = []
        self.app.engine("")._on_error = lambda error, request: self.broken.append(error)
        self.sandboxes.server.drifts.update({name: ODDITIES[name] for name in names})
        self.sandboxes.server.update()
        self.parts = {p.action: p for r in self.service.provider.contract.resources for p in reversed(r.operations)}
        self.told: dict[str, tuple[Operation | None, httpx2.Response]] = {}
        path, body = CREATES.get(spec, ("/renders", {"json": {"prompt": "a cat"}}))
        create = self.parts[Action.CREATE].operation
        for each in ("first", "second", "third"):
            self._tell(each, create, self.service.post(path, **body))
            self.service.clock.advance(1)
        self.ids = [job.id for sandbox in self.sandboxes for job in self._store(sandbox)]
        self.poll("queued")
        self.service.clock.advance(RUNNING)
        self.poll("running")
        self.service.clock.advance(DONE)
        for number in range(5):
            self.poll(f"done {number}")
        self.poll("last", self.ids[-1])
        self.ask("list", Action.LIST)
        self.ask("file", Action.CONTENT, self.ids[0])
        self.poll("unknown", "nope")

    def _store(self, sandbox: Any) -> Any:
        return sandbox.account(self.service.provider.name).store

    def poll(self, name: str, id: str = "") -> None:
        self.ask(name, Action.RETRIEVE, id or self.ids[0])

    def ask(self, name: str, action: Action, id: str = "", **kwargs: Any) -> None:
        if action in self.parts:
            operation = self.parts[action].operation
            self._tell(name, operation, self.service.get(re.sub(r"\{[^}]*\}", id, operation.path), **kwargs))

    def _tell(self, name: str, operation: Operation | None, response: httpx2.Response) -> None:
        self.told[name] = operation, response

    def __getitem__(self, name: str) -> httpx2.Response:
        return self.told[name][1]

    def job(self, name: str) -> dict[str, Any]:
        body = self[name].json()
        inner = body.get("data", body)
        return inner if isinstance(inner, dict) else inner[0]

    @property
    def applied(self) -> set[str]:
        """What was applied, by the journal."""
        return {each for sandbox in self.sandboxes for entry in sandbox.journal for each in entry.drifts}

    def wrong(self) -> list[str]:
        """The answers that are not as the document has them."""
        document = self.service.provider.contract.document
        found = []
        for name, (operation, response) in self.told.items():
            answer = operation.answer_for(response.status_code) if operation else None
            media = answer.json_media() if answer else None
            schema = media[1].get("schema") if media else None
            if not schema or response.status_code >= 300 or "json" not in response.headers["content-type"].lower():
                continue
            if not _validator(document, repr(schema), schema).is_valid(json.loads(response.content)):
                found.append(name)
        return found


_VALIDATORS: dict[tuple[str, str], Validator] = {}


def _validator(document: Document, key: str, schema: Any) -> Validator:
    if (document.origin, key) not in _VALIDATORS:
        _VALIDATORS[document.origin, key] = Validator(document, schema, "response")
    return _VALIDATORS[document.origin, key]


@cache
def life(spec: str, *names: str) -> Life:
    return Life(spec, *names)


Check = Callable[[Life, Life], bool]
BASE = "openai"


def header(name: str, wanted: str, at: str = "queued") -> Check:
    return lambda was, now: (
        re.fullmatch(wanted, now[at].headers.get(name, "")) is not None
        and not re.fullmatch(wanted, was[at].headers.get(name, ""))
    )


def written(check: Callable[[bytes], bool], at: str = "queued") -> Check:
    """The body is written otherwise, and says the same."""
    return lambda was, now: now[at].json().keys() == was[at].json().keys() and check(now[at].content)


def states(name: str) -> Callable[[Life], Any]:
    return lambda life: life.job(name)["status"]


CASES: Mapping[str, tuple[str, Check]] = {
    "legal-failing-job": (BASE, lambda was, now: (was.job("last")["status"], now.job("last")["status"],
                                                  now.job("done 0")["status"]) == ("completed", "failed", "completed")),
    "legal-progress-jumps": (BASE, lambda was, now: was.job("running")["progress"] != now.job("running")["progress"]),
    "legal-progress-flat": (BASE, lambda was, now: (was.job("running")["progress"] > 0)
                            and now.job("running")["progress"] == 0),
    "legal-skipped-state": (BASE, lambda was, now: now.job("running")["status"] == "completed"
                            and now.job("first")["status"] == "queued"),
    "legal-quick-job": (BASE, lambda was, now: now.job("queued")["status"] == "completed"
                        and now.job("first")["status"] == "queued"),
    "legal-slow-job": (BASE, lambda was, now: now.job("running")["progress"] < was.job("running")["progress"]),
    "legal-extra-fields": (BASE, lambda was, now: now.job("queued")["billing"] == {"units": 1, "tier": None}),
    "legal-key-order": (BASE, lambda was, now: [*now.job("queued")] == [*reversed(was.job("queued"))]),
    "legal-pretty-json": (BASE, written(lambda body: body.count(b"\n") > 5)),
    "legal-escaped-text": ("aitoearn", written(lambda body: body.isascii() and b"\\u" in body)),
    "legal-null-optional": ("aitoearn", lambda was, now: {None} == {
        value for name, value in now.job("queued").items() if name not in was.job("queued")}),
    "legal-absent-optional": ("hingnet-veo", lambda was, now: now.job("queued").keys() < was.job("queued").keys()),
    "legal-fractions": ("renders", lambda was, now: now.job("first")["created_at"] % 1 == 0.25
                        and was.job("first")["created_at"] % 1 == 0),
    "legal-offset": ("aitoearn", lambda was, now: b"+00:00" in now["queued"].content),
    "legal-link-query": ("aitoearn", lambda was, now: b"X-Amz-Signature" in now["done 0"].content),
    "legal-charset": (BASE, header("content-type", "application/json; charset=utf-8")),
    "legal-charset-quoted": (BASE, header("content-type", 'application/json;Charset="UTF-8"')),
    "legal-header-case": (BASE, lambda was, now: b"Content-Type" in dict(now["queued"].headers.raw)),
    "legal-more-headers": (BASE, header("via", "1.1 edge")),
    "legal-chunked": (BASE, lambda was, now: "content-length" not in now["queued"].headers
                      and now["queued"].json()["status"] == "queued"),
    "legal-until-close": (BASE, lambda was, now: "content-length" not in now["queued"].headers),
    "legal-connection-close": (BASE, header("connection", "close")),
    "legal-busy": (BASE, lambda was, now: [now[f"done {n}"].status_code for n in range(5)] == [200, 200, 429, 200, 200]
                   and now["done 2"].headers["retry-after"] == "1"),
    "legal-busy-date": (BASE, header("retry-after", "..., .. ... .... ..:..:.. GMT", "done 2")),
    "legal-poll-tags": (BASE, header("etag", 'W/"[0-9a-f]{16}"')),
    "legal-weak-tag": (BASE, header("etag", 'W/".*"', "file")),
    "legal-redirect": (BASE, header("location", r"http://mock\.test/__mockserver/assets/.*", "file")),
    "legal-redirect-relative": (BASE, header("location", r"/__mockserver/assets/.*", "file")),
    "legal-short-pages": (BASE, lambda was, now: (len(was["list"].json()["data"]), len(now["list"].json()["data"]),
                                                  now["list"].json()["has_more"]) == (3, 2, True)),
    "legal-bare-file": (BASE, lambda was, now: "etag" in was["file"].headers and "etag" not in now["file"].headers),
    "legal-whole-floats": (BASE, written(lambda body: b'"progress":0.0' in body)),
    "legal-other-ids": (BASE, lambda was, now: now.job("done 0")["id"] == now.job("first")["id"]
                        and now.job("first")["id"].endswith(".v2~A") and now["file"].status_code == 200),
}  # fmt: skip


@pytest.fixture(scope="module")
def renders(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A contract whose objects are closed, whose ids are short, and whose instants may have fractions."""
    path = tmp_path_factory.mktemp("documents") / "renders.yaml"
    path.write_text(DOCUMENT)
    return str(path)


def test_every_oddity_has_its_story() -> None:
    assert set(CASES) == set(ODDITIES)


@pytest.mark.parametrize("name", ODDITIES)
def test_an_oddity_shows(name: str, renders: str) -> None:
    provider, check = CASES[name]
    spec = renders if provider == "renders" else provider
    was, now = life(spec), life(spec, name)
    assert name in now.applied
    assert check(was, now)


@pytest.mark.parametrize("spec", [*CREATES, "renders"])
def test_no_answer_is_less_valid_for_it(spec: str, renders: str) -> None:
    spec = renders if spec == "renders" else spec
    assert not life(spec).wrong()
    for name in ODDITIES:
        now = life(spec, name)
        assert not now.broken, (name, now.broken[0])
        assert not now.wrong(), name


@pytest.mark.parametrize("name", ["legal-extra-fields", "legal-other-ids"])
def test_what_a_contract_forbids_is_left(name: str, renders: str) -> None:
    was, now = life(renders), life(renders, name)
    assert name not in now.applied
    assert [now[each].content for each in now.told] == [was[each].content for each in was.told]


def test_all_oddities_together_leave_answers_valid(renders: str) -> None:
    names = [name for name in ODDITIES if "busy" not in name and "redirect" not in name]
    for spec in (*CREATES, renders):
        assert not Life(spec, *names).wrong()
        assert not Life(spec, *reversed(names)).wrong()


def test_who_has_the_tag_of_an_answer_gets_304() -> None:
    now = Life(BASE, "legal-poll-tags")
    now.ask("again", Action.RETRIEVE, now.ids[0], headers={"If-None-Match": now["last"].headers["etag"]})
    now.poll("first again")
    now.ask("once more", Action.RETRIEVE, now.ids[0], headers={"If-None-Match": now["first again"].headers["etag"]})
    assert (now["again"].status_code, now["once more"].status_code, now["once more"].content) == (200, 304, b"")


@pytest.mark.parametrize("name", ["legal-redirect", "legal-redirect-relative"])
def test_a_redirect_leads_to_the_file(name: str) -> None:
    now = life(BASE, name)
    path = urlsplit(now["file"].headers["location"]).path
    assert now["file"].status_code in (302, 307)
    assert now.service.get(path).content == life(BASE)["file"].content


def test_a_client_over_a_socket_sees_how_messages_are_framed() -> None:
    seen: dict[str, bytes] = {}
    with serving("--clock", "frozen") as urls:
        url = urlsplit(urls[BASE])
        control = f"{url.scheme}://{url.netloc}/__mockserver/sandboxes/server/drifts"
        for name in ("legal-header-case", "legal-chunked", "legal-until-close", "legal-connection-close"):
            httpx2.put(control, json={"names": [name]})
            for method in ("GET", "HEAD"):
                with socket.create_connection((url.hostname or "", url.port or 0), timeout=10) as connection:
                    request = f"{method} {url.path}/videos HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n"
                    # Two requests on one connection, the second of which asks for its end.
                    connection.sendall(f"{request}\r\n{request}Connection: close\r\n\r\n".encode())
                    pieces = []
                    while piece := connection.recv(65536):
                        pieces.append(piece)
                seen[f"{name} {method}"] = b"".join(pieces)
    titled, chunked = seen["legal-header-case GET"], seen["legal-chunked GET"]
    assert titled.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert titled.count(b"\r\nContent-Length: ") == 2
    assert chunked.count(b"transfer-encoding: chunked") == 2
    assert b"content-length" not in chunked
    assert chunked.endswith(b"\r\n0\r\n\r\n")
    closed = seen["legal-until-close GET"]
    assert closed.startswith(b"HTTP/1.0 200 OK\r\n")
    assert closed.count(b"HTTP/") == 1
    assert closed.endswith(b"}")
    assert seen["legal-connection-close GET"].count(b"HTTP/1.1 200") == 1
    assert all(b"object" not in told for name, told in seen.items() if name.endswith("HEAD"))


# -- the files --------------------------------------------------------------------------------------


def test_every_oddity_has_its_line_in_the_docs() -> None:
    told = (ROOT / "docs" / "drifts.md").read_text()
    lines = re.findall(r"^\| (O\d+) \| `([^`]+)` \| (.+) \| (.+) \|$", told, re.MULTILINE)
    assert lines == [(d.code, d.name, d.summary, d.source) for d in sorted(ODDITIES.values(), key=lambda d: d.code)]


def test_nobody_takes_an_oddity_for_a_drift() -> None:
    for name, drift in load_drifts().items():
        assert name.startswith("legal-") == drift.code.startswith("O") == drift.is_legal, name


GOOD = {"code": "O900", "summary": "One.", "source": "no report known: a test", "on": "any",
        "change": {"framing": "chunked"}}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"code": "D900"}, "names that begin with legal- have codes that begin with O, and no others"),
        ({"change": {"framing": "quic"}}, "change.framing: found 'quic', expected one of chunked, titled, until-close"),
        ({"change": {"tag": "soft"}}, "change.tag: found 'soft', expected one of"),
        ({"change": {"optional": "gone"}}, "change.optional: found 'gone', expected one of left out, null"),
        ({"change": {"redirect": {"status": 304}}}, "change.redirect.status: found 304, expected one of 301, 302"),
        ({"change": {"json": {}}}, "change.json: expected at least one of ascii, floats"),
        ({"change": {"json": {"indent": 9}}}, "change.json.indent: found 9, expected a whole number from 0 to 8"),
        ({"change": {"job": {}}}, "change.job: expected at least one of at, end"),
        ({"change": {"job": {"id": "x"}}}, "change.job.id: found 'x', expected {id}"),
        ({"change": {"job": {"slots": 1}}}, "change.job: unknown key 'slots'"),
        ({"change": {"ask": {"limit": 0}}}, "change.ask.limit: found 0, expected a whole number from 1"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        read_drifts({"legal-mine": {**GOOD, **change}}, "mine.yaml")
    assert complaint in str(caught.value)
