"""`python -m tests.survey FOLDER`: for each document in a folder, what is found and whether its jobs really run.

Each document is served by the real application on a real socket, on a clock that this script moves. A job of each
kind is driven through HTTP by nothing but what `inspect` concluded: created, polled to each terminal state, its
result fetched, listed, cancelled and deleted. Every JSON answer is checked against the schema that is declared for it.
The exit code is 1 if any answer was invalid, any was a 5xx, or any document could not be served.
"""

import argparse
import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2
import orjson
import uvicorn

from mockserver.clock import Clock, ClockMode
from mockserver.engine.sampling import Sampler
from mockserver.errors import MockserverError
from mockserver.jobs.lifecycle import State
from mockserver.jobs.resource import Action, JobOperation, JobResource, dig
from mockserver.loading.providers import load
from mockserver.openapi.document import Document, Operation, is_json
from mockserver.openapi.schema import Validator, union_of
from mockserver.provider import Provider
from mockserver.realtime import steady_time
from mockserver.web.server import Settings, build_app, open_socket

START = 1_790_000_000.0
LONG = 1_000_000.0  # seconds; every job has ended by then
KEY = "sk-survey-0123456789"
MAX_CREATES = 3  # of one kind that are tried
MAX_OTHERS = 400  # operations of one document that are called besides
OWN_HEADERS = {"content-type", "accept", "authorization"}  # which the client sets


@dataclass
class Outcome:
    """What became of one document."""

    name: str
    kinds: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)
    answers: int = 0
    jobs: int = 0
    whole: int = 0  # kinds whose life ran as it should
    seconds: tuple[float, float] = (0.0, 0.0)


class Survey:
    """One document under way."""

    def __init__(self, path: Path) -> None:
        self.outcome = Outcome(name_of(path))
        self.provider = load(str(path), needs_job=False).provider
        self.contract = self.provider.contract
        self.document: Document = self.contract.document
        self.clock = Clock(steady_time, ClockMode.FROZEN, now=START)
        self.site = ""
        self.client = httpx2.Client(timeout=30, headers=self.headers())
        self.validators: dict[int, Validator] = {}

    def run(self) -> None:
        """Drive every kind, then call what else there is."""
        with served(self.provider, self.clock) as self.site, self.client:
            for resource in self.contract.resources:
                self.outcome.kinds.append(resource.name)
                before = len(self.outcome.problems)
                self.drive(resource)
                self.outcome.whole += len(self.outcome.problems) == before
            parts = {part.operation.name for resource in self.contract.resources for part in resource.operations}
            for operation in [o for o in self.document.operations if o.name not in parts][:MAX_OTHERS]:
                self.call("good", operation, {}, expect=())

    def headers(self) -> dict[str, str]:
        schemes = (self.document.root.get("components") or {}).get("securitySchemes") or {}
        known = [scheme for scheme in map(self.document.resolve, schemes.values()) if isinstance(scheme, dict)]
        basic = any(s.get("type") == "http" and str(s.get("scheme")).lower() == "basic" for s in known)
        found = {"Authorization": "Basic dXNlcjpzdXJ2ZXktMDEyMzQ1Njc4OQ==" if basic else f"Bearer {KEY}"}
        for scheme in known:
            if scheme.get("type") == "apiKey" and scheme.get("in") == "header":
                found[str(scheme.get("name"))] = KEY
        return found

    # -- one kind -----------------------------------------------------------------------------------

    def drive(self, resource: JobResource) -> None:
        creates = [p for p in resource.operations if p.action is Action.CREATE]
        retrieve = resource.first(Action.RETRIEVE)
        if not creates or retrieve is None:
            return self.problem(f"{resource.name}: cannot be driven")
        for create in creates[:MAX_CREATES]:
            self.live(resource, create, retrieve, "good", State.SUCCEEDED)
            if State.FAILED in resource.words:
                self.live(resource, create, retrieve, "bad", State.FAILED)
        self.lists(resource, creates[0])
        self.cancels(resource, creates[0], retrieve)
        self.deletes(resource, creates[0], retrieve)

    def live(self, resource: JobResource, create: JobOperation, retrieve: JobOperation, where: str, end: State) -> None:
        id = self.begin(resource, create, where)
        if id is None:
            return
        seen: list[Any] = []
        for turn in range(200):
            response, word = self.poll(retrieve, id, where)
            if response is not None and retrieve.ended and retrieve.ended.status == str(response.status_code):
                break
            if word is not None and (not seen or seen[-1] != word):
                seen.append(word)
            if word == resource.words.get(end) and (len(set(map(str, seen))) > 1 or turn > 120):
                break
            self.clock.advance(7.0 if turn < 60 else 60.0)
        telling = [resource.words.get(s) for s in (State.QUEUED, State.RUNNING, end)]
        known = {w for words in (retrieve.view.phases.values() if retrieve.view else ()) for w in words}
        if retrieve.ended is None and (not seen or seen[-1] != telling[-1]):
            self.problem(f"{resource.name} by {create.operation.name}: ends as {seen[-1:]}, expected {telling[-1]!r}")
        strange = [word for word in seen if word not in known and word not in telling]
        if strange:
            self.problem(f"{resource.name}: said {strange}, which are no words of its contract")
        self.results(resource, id, where, end)

    def begin(self, resource: JobResource, create: JobOperation, where: str) -> str | None:
        """Create a job; its id as the answer tells it."""
        response = self.call(where, create.operation, {}, expect=(200, 201, 202, 203))
        if response is None:
            return None
        self.outcome.jobs += 1
        id = self.id_in(create, response)
        if id is None:
            self.problem(f"{create.operation.name}: its answer tells no id: {response.text[:100]}")
        return id

    def id_in(self, part: JobOperation, response: httpx2.Response) -> str | None:
        view = part.view
        if view is not None and "id" in view.fields:
            found = dig(response.json(), (*view.pointer, *view.fields["id"][0]))
            return None if found is None else str(found)
        for name in ("location", "operation-location", "content-location"):
            if name in response.headers:
                return self.id_of_link(response.headers[name])
        if view is not None and "poll url" in view.fields:
            return self.id_of_link(str(dig(response.json(), (*view.pointer, *view.fields["poll url"][0]))))
        return None

    @staticmethod
    def id_of_link(link: str) -> str:
        parts = urlsplit(link)
        return parts.query.rpartition("=")[2] if parts.query else parts.path.rstrip("/").rpartition("/")[2]

    def poll(self, retrieve: JobOperation, id: str, where: str) -> tuple[httpx2.Response | None, Any]:
        """An answer about a job, and the word of its status."""
        response = self.call(where, retrieve.operation, self.naming(retrieve, id), expect=(200, 201, 202, 203))
        if response is None or retrieve.view is None or not is_json(response.headers.get("content-type", "")):
            return response, None
        if "status" not in retrieve.view.fields:
            return response, None
        return response, dig(response.json(), (*retrieve.view.pointer, *retrieve.view.fields["status"][0]))

    def results(self, resource: JobResource, id: str, where: str, end: State) -> None:
        for part in resource.operations:
            if part.action in (Action.CONTENT, Action.RESULT):
                good = (200, 206) if end is State.SUCCEEDED else tuple(range(400, 500))
                self.call(where, part.operation, self.naming(part, id), expect=good)
        retrieve = resource.first(Action.RETRIEVE)
        if end is State.SUCCEEDED and retrieve is not None:
            response = self.call(where, retrieve.operation, self.naming(retrieve, id), expect=(200, 201, 202))
            text = response.text if response is not None else ""
            for link in sorted(set(re.findall(rf'"({re.escape(self.site)}/__mockserver/assets/[^"]+)"', text)))[:3]:
                got = self.client.get(link)
                if got.status_code != 200 or len(got.content) < 100:
                    self.problem(f"{resource.name}: its result {link} answers {got.status_code}")

    def lists(self, resource: JobResource, create: JobOperation) -> None:
        for part in [p for p in resource.operations if p.action is Action.LIST][:2]:
            id = self.begin(resource, create, "good")
            response = self.call("good", part.operation, {}, expect=(200,))
            tells = part.view is not None and "id" in part.view.fields
            if response is not None and id is not None and tells and id not in response.text:
                self.problem(f"{part.operation.name}: does not list {id}: {response.text[:150]}")

    def cancels(self, resource: JobResource, create: JobOperation, retrieve: JobOperation) -> None:
        cancel = resource.first(Action.CANCEL)
        if cancel is None:
            return
        id = self.begin(resource, create, "good")
        if id is None or State.CANCELLED not in resource.words:
            return
        self.call("good", cancel.operation, self.naming(cancel, id), expect=(200, 201, 202, 204))
        _, word = self.poll(retrieve, id, "good")
        if retrieve.ended is None and word != resource.words[State.CANCELLED]:
            wanted = resource.words[State.CANCELLED]
            self.problem(f"{cancel.operation.name}: the status is then {word!r}, expected {wanted!r}")

    def deletes(self, resource: JobResource, create: JobOperation, retrieve: JobOperation) -> None:
        delete = resource.first(Action.DELETE)
        id = self.begin(resource, create, "good") if delete else None
        if delete is None or id is None:
            return
        self.clock.advance(LONG)
        self.call("good", delete.operation, self.naming(delete, id), expect=(200, 201, 202, 204))
        gone = self.call("good", retrieve.operation, self.naming(retrieve, id), expect=tuple(range(400, 500)))
        if gone is None:
            self.problem(f"{delete.operation.name}: the job can still be read")

    # -- one request --------------------------------------------------------------------------------

    def naming(self, part: JobOperation, id: str) -> dict[str, Any]:
        """Where a request names the job; of a resource name only what the path does not say already."""
        place = part.id_place
        if place and place.place == "body":
            return {f"body:{place.pointer[0]}": (self.typed(part, place.pointer, id), place.pointer[1:])}
        if place and place.place == "path" and f"/{id.rpartition('/')[0]}/{{" in part.operation.path:
            id = id.rpartition("/")[2]
        return {f"{place.place}:{place.pointer[0]}": (id, place.pointer[1:])} if place else {}

    def typed(self, part: JobOperation, pointer: tuple[str, ...], id: str) -> str | int:
        """An id as a body's schema wants it: a text or a number."""
        for media in part.operation.body.values():
            node = media.get("schema")
            for token in pointer:
                node = union_of(self.document, node).properties.get(token)
            types = union_of(self.document, node).types
            return int(id) if types and "string" not in types and id.isdecimal() else id
        return id

    def call(self, where: str, operation: Operation, named: dict[str, Any], expect: tuple[int, ...]) -> Any:
        """Send a valid request; None if the answer is not as expected, which is then told."""
        try:
            request = self.request(where, operation, named)
        except MockserverError as error:
            self.problem(f"{operation.name}: no request can be made: {error}")
            return None
        response = self.client.send(request)
        self.outcome.answers += 1
        self.judge(operation, response)
        if expect and response.status_code not in expect:
            self.problem(f"{operation.name}: {response.status_code} {response.text[:300]}")
            return None
        return response

    def request(self, where: str, operation: Operation, named: dict[str, Any]) -> httpx2.Request:
        path, _, fixed = operation.path.partition("?")
        query: list[tuple[str, str | int | float | bool | None]] = [
            (name, value) for name, equals, value in (pair.partition("=") for pair in fixed.split("&")) if equals
        ]
        headers: dict[str, str] = {}
        for parameter in operation.parameters:
            wanted, _ = named.get(f"{parameter.place}:{parameter.name}", (None, ()))
            if wanted is None and not parameter.required:
                continue
            value = wanted if wanted is not None else self.value_of(parameter.schema, parameter.raw, parameter.name)
            if self.contract.vocabulary.rank("paging", "limit", parameter.name) is not None and value == 0:
                value = 20
            text = as_text(value)
            if parameter.place == "path":
                safe = "/" if wanted is not None else ""
                spot = re.compile(r"\{[+/]?" + re.escape(parameter.name) + r"(=[^}]*)?\}")
                path = spot.sub(quote(text, safe).replace("\\", r"\\"), path)
            elif parameter.place == "query":
                query.append((parameter.name, text))
            elif parameter.place == "header" and parameter.name.lower() not in OWN_HEADERS:
                headers[parameter.name] = text
        for scheme in ((self.document.root.get("components") or {}).get("securitySchemes") or {}).values():
            if isinstance(scheme, dict) and scheme.get("type") == "apiKey" and scheme.get("in") == "query":
                query.append((str(scheme.get("name")), KEY))
        for name in re.findall(r"\{([^}]+)\}", path):
            wanted, _ = named.get(f"path:{name}", ("x", ()))
            path = path.replace(f"{{{name}}}", quote(str(wanted), safe=""))
        url = f"{self.site}/{where}{self.document.base_path}{path}"
        body = self.body_of(operation, named)
        headers |= body.pop("headers", {})
        return self.client.build_request(operation.method, url, params=query or None, headers=headers, **body)

    def value_of(self, schema: Any, raw: dict[str, Any], name: str) -> Any:
        hints = [raw["example"]] if "example" in raw else []
        return Sampler(
            self.document, schema, vocabulary=self.contract.vocabulary, seed="survey", hints=hints, name=name, lean=True
        ).draw()

    def body_of(self, operation: Operation, named: dict[str, Any]) -> dict[str, Any]:
        if not operation.body:
            return {}
        types = sorted(operation.body, key=lambda t: (not is_json(t), "multipart" not in t))
        media = operation.body[types[0]]
        inside = {key.partition(":")[2]: value for key, value in named.items() if key.startswith("body:")}
        shape = union_of(self.document, media.get("schema") or {})
        if not operation.body_required and not inside and not is_json(types[0]) and not shape.required:
            return {}
        value = Sampler(
            self.document, media.get("schema") or {}, vocabulary=self.contract.vocabulary, seed="survey",
            hints=self.document.examples(media), lean=True, direction="request",
        ).draw()  # fmt: skip
        if isinstance(value, dict):
            for name, (id, deeper) in inside.items():
                held: Any = id
                for token in reversed(deeper):
                    held = {token: held}
                value[name] = held
        if is_json(types[0]) or types[0] == "*/*":
            return {"json": value}
        if "multipart" in types[0] and isinstance(value, dict):
            shape = union_of(self.document, media.get("schema") or {})
            return {
                "files": [(k, self.form_part(shape.properties.get(k), v)) for k, v in value.items()]
                or {"x": (None, "")}
            }
        if "urlencoded" in types[0] and isinstance(value, dict):
            return {"data": {k: v if isinstance(v, str) else str(v) for k, v in value.items()}}
        return {"content": str(value).encode(), "headers": {"content-type": types[0]}}

    def form_part(self, schema: Any, value: Any) -> Any:
        shape = union_of(self.document, schema or {})
        if shape.get("format") == "binary" or shape.get("contentMediaType"):
            return ("file.bin", b"\x00" * 64, "application/octet-stream")
        return (None, value if isinstance(value, str) else orjson.dumps(value).decode())

    def judge(self, operation: Operation, response: httpx2.Response) -> None:
        """Tell a 5xx, and a JSON body that its declared schema does not allow."""
        if response.status_code >= 500:
            self.problem(f"{operation.name}: {response.status_code} {response.text[:200]}")
        answer = operation.answer_for(response.status_code)
        media = answer.json_media() if answer else None
        if not media or "schema" not in media[1] or not is_json(response.headers.get("content-type", "")):
            return
        if "problem+json" in response.headers["content-type"] and "problem" not in media[0]:
            return
        validator = self.validators.get(id(media[1]))
        if validator is None:
            validator = self.validators[id(media[1])] = Validator(self.document, media[1]["schema"], "response")
        errors = [
            f"/{'/'.join(map(str, e.instance_path))}: {str(e).partition(chr(10))[0][:160]}"
            for e in validator.iter_errors(response.json())
        ]
        text = f"{operation.name} {response.status_code}: {errors[0]}" if errors else ""
        if text and text not in self.outcome.invalid:
            self.outcome.invalid.append(text)

    def problem(self, text: str) -> None:
        if text not in self.outcome.problems:
            self.outcome.problems.append(text)


def as_text(value: Any) -> str:
    """A value as a parameter is written."""
    if isinstance(value, list):
        return ",".join(map(as_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


@contextlib.contextmanager
def served(provider: Provider, clock: Clock) -> Iterator[str]:
    """Serve a provider twice on one socket: `/good`, whose jobs succeed, and `/bad`, whose jobs fail."""
    contract = provider.contract
    failing = tuple(replace(r, profile=replace(r.profile, failure_rate=1.0, models={})) for r in contract.resources)
    bad = replace(provider, contract=replace(contract, resources=failing))
    app = build_app({"good": provider, "bad": bad}, Settings(), clock)
    sock = open_socket("127.0.0.1", 0)
    sock.listen()  # from here on the system keeps what connects until the server takes it
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


def time_to_start(path: Path, cache: str) -> float:
    """Seconds from the command to the line that says that requests are answered."""
    command = [sys.executable, "-m", "mockserver", "serve", str(path), "--port", "0"]
    environment = {**os.environ, "XDG_CACHE_HOME": cache}
    began = perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("seed "):
                break
        took = perf_counter() - began
        process.terminate()
        process.communicate()
    return took


def name_of(path: Path) -> str:
    """What a document is called: a folder's name for the document of a folder."""
    return path.parent.name if path.stem == "openapi" else path.name


def documents_in(place: Path) -> list[Path]:
    """The documents of a folder, with those of its folders that are called openapi; or the one document itself."""
    if not place.is_dir():
        return [place]
    files = [*place.glob("*.*"), *place.glob("*/openapi.*")]
    return sorted(path for path in files if path.suffix in (".yaml", ".yml", ".json"))


def survey(path: Path, timed: bool) -> Outcome:
    """The outcome of one document."""
    complaints = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaints):
            under_way = Survey(path)
            under_way.run()
        outcome = under_way.outcome
    except MockserverError as error:
        outcome = Outcome(name_of(path), problems=[str(error)])
    except Exception as error:  # the survey goes on with the next document
        last = traceback.extract_tb(error.__traceback__)[-1]
        text = f"the survey itself failed: {error!r} at {Path(last.filename).name}:{last.lineno}"
        outcome = Outcome(name_of(path), problems=[text])
    if "Traceback" in complaints.getvalue():
        outcome.problems.append(f"a traceback: {complaints.getvalue()[-300:]}")
    if timed:
        with tempfile.TemporaryDirectory() as cache:
            outcome.seconds = (time_to_start(path, cache), time_to_start(path, cache))
    return outcome


def main() -> int:
    """Survey a folder and print a line for each document, what went wrong below it, and the sum."""
    parser = argparse.ArgumentParser(prog="python -m tests.survey", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="+", type=Path, help="folders of documents, or documents")
    parser.add_argument("--no-times", action="store_true", help="do not measure how long a start takes")
    arguments = parser.parse_args()
    paths = [path for folder in arguments.folder for path in documents_in(folder)]
    outcomes = []
    for path in paths:
        outcome = survey(path, not arguments.no_times)
        outcomes.append(outcome)
        first, second = outcome.seconds
        times = f"  starts in {first:.2f} s, then {second:.2f} s" if first else ""
        print(
            f"{outcome.name}: {len(outcome.kinds)} kinds ({', '.join(outcome.kinds)}), {outcome.whole} ran whole, "
            f"{outcome.jobs} jobs, {outcome.answers} answers, {len(outcome.invalid)} invalid{times}",
            flush=True,
        )
        for line in [*outcome.invalid, *outcome.problems]:
            print(f"    {line[:400]}")
    run = [o for o in outcomes if o.kinds and o.whole == len(o.kinds)]
    invalid = sum(len(o.invalid) for o in outcomes)
    without = [o.name for o in outcomes if not o.kinds and not o.problems]
    if without:
        print(f"no job found in: {', '.join(without)}")
    print(f"{len(outcomes)} documents; all kinds ran whole in {len(run)}; {invalid} invalid answers")
    return 1 if invalid or any(o.problems for o in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
