"""A served process that takes up changes, and one whose document is too large to be examined first: real files."""

import http.client
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PATIENCE = 60  # seconds until something that does not happen is given up
KEY = {"Authorization": "Bearer sk-reload-test-key", "Content-Type": "application/json"}
Node = dict[str, Any]
TEXT = {"type": "string"}
IMPOSSIBLE = {
    "type": "object",
    "required": ["id", "size"],
    "properties": {"id": TEXT, "size": {"type": "integer", "minimum": 2, "maximum": 1}},
}


class Served:
    """A running server: its port, and what it says."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.out: queue.Queue[str] = queue.Queue()
        self.err: queue.Queue[str] = queue.Queue()
        for stream, into in ((process.stdout, self.out), (process.stderr, self.err)):
            threading.Thread(target=self._read, args=(stream, into), daemon=True).start()
        self.port = 0
        self.said(self.out, lambda line: line.startswith("seed "))

    def _read(self, stream: Any, into: "queue.Queue[str]") -> None:
        for line in stream:
            into.put(line)
        into.put("")

    def said(self, source: "queue.Queue[str]", wanted: Callable[[str], bool]) -> str:
        """The next line that is wanted."""
        while line := source.get(timeout=PATIENCE):
            if "http://127.0.0.1:" in line and not self.port:
                self.port = int(line.split("http://127.0.0.1:")[1].split("/")[0].split()[0])
            if wanted(line):
                return line
        raise AssertionError("the process ended without saying it")

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request(method, path, json.dumps(body) if body is not None else None, KEY)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def until(self, method: str, path: str, wanted: Callable[[int, Any], bool], body: Any = None) -> None:
        """Ask again and again until the answer is as wanted."""
        end = perf_counter() + PATIENCE
        while not wanted(*(last := self.call(method, path, body))):
            assert perf_counter() < end, last


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Served]:
    command = [sys.executable, "-m", "mockserver", "serve", *arguments, "--port", "0", "--seed", "1"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield Served(process)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()


def jobs(*, field: str = "prompt", more: Node | None = None) -> Node:
    job: Node = {"type": "object", "required": ["id", "status"], "properties": {
        "id": TEXT, "status": {**TEXT, "enum": ["queued", "running", "succeeded", "failed"]},
        **(more or {})}}  # fmt: skip
    order = {"type": "object", "required": [field], "properties": {field: TEXT}, "additionalProperties": False}
    answer = {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Job"}}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "security": [{"key": []}],
        "paths": {
            "/jobs": {"post": {"requestBody": {"required": True, "content": {"application/json": {"schema": order}}},
                               "responses": answer}},
            "/jobs/{id}": {"get": {"parameters": [{"name": "id", "in": "path", "required": True, "schema": TEXT}],
                                   "responses": answer}},
        },
        "components": {"schemas": {"Job": job}, "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }  # fmt: skip


def put(path: Path, root: Any) -> None:
    """Write a file as editors do: beside it, then in its place."""
    draft = path.with_suffix(".draft")
    draft.write_text(root if isinstance(root, str) else json.dumps(root))
    draft.replace(path)


def test_changes_are_taken_up_and_jobs_stay(tmp_path: Path) -> None:
    folder = tmp_path / "api"
    folder.mkdir()
    path = folder / "openapi.json"
    put(path, jobs())
    with serving(tmp_path, str(folder), "--reload") as served:
        status, job = served.call("POST", "/jobs", {"prompt": "x"})
        assert status == 200
        put(path, jobs(field="text", more={"colour": {"const": "blue"}}))
        assert "reloaded api" in served.said(served.out, lambda line: line.startswith("reloaded"))
        assert served.call("POST", "/jobs", {"prompt": "x"})[0] == 400
        assert served.call("POST", "/jobs", {"text": "x"})[0] == 200
        status, again = served.call("GET", f"/jobs/{job['id']}")
        assert (status, again["id"], again["status"]) == (200, job["id"], "queued")

        path.write_text('{"openapi": ')  # broken, and written in place
        assert "is still served" in served.said(served.err, lambda line: "broken JSON" in line)
        assert served.call("GET", f"/jobs/{job['id']}")[0] == 200
        put(path, jobs(field="words"))
        served.said(served.out, lambda line: line.startswith("reloaded"))
        assert served.call("POST", "/jobs", {"words": "x"})[0] == 200
        assert served.call("GET", f"/jobs/{job['id']}")[0] == 200

        overlay = {"overlay": "1.0.0", "info": {}, "actions": [
            {"target": "$.paths['/jobs']", "update": {"put": {"responses": {"200": {"content": {
                "application/json": {"example": {"new": True}}}}}}}}]}  # fmt: skip
        put(folder / "overlay.yaml", overlay)  # it was not there before
        served.until("PUT", "/jobs", lambda status, body: status == 200 and body == {"new": True})
        (folder / "overlay.yaml").unlink()
        served.until("PUT", "/jobs", lambda status, body: status == 405)
        assert served.call("GET", f"/jobs/{job['id']}")[0] == 200


def test_a_change_of_a_file_that_is_referred_to_and_of_an_overlay_elsewhere(tmp_path: Path) -> None:
    root = jobs()
    part = tmp_path / "parts" / "order.json"
    part.parent.mkdir()
    schema = root["paths"]["/jobs"]["post"]["requestBody"]["content"]["application/json"].pop("schema")
    root["paths"]["/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"] = {
        "$ref": "parts/order.json"
    }
    put(part, schema)
    put(tmp_path / "api.json", root)
    overlay = tmp_path / "elsewhere" / "o.yaml"
    overlay.parent.mkdir()
    text = "overlay: 1.0.0\ninfo: {}\nactions: [{target: $.info, update: {version: '%s'}}]\n"
    put(overlay, text % "2")
    with serving(tmp_path, str(tmp_path / "api.json"), "--overlay", str(overlay), "--reload") as served:
        assert served.call("POST", "/jobs", {"prompt": "x"})[0] == 200
        put(part, {**schema, "required": ["other"], "properties": {"other": TEXT}})
        served.until("POST", "/jobs", lambda status, _: status == 200, {"other": "x"})
        put(overlay, text % "3")
        served.said(served.out, lambda line: line.startswith("reloaded"))
        put(overlay, "overlay: 1.0.0\n")
        assert "o.yaml" in served.said(served.err, lambda line: "is still served" in line)
        assert served.call("POST", "/jobs", {"other": "x"})[0] == 200


def test_without_reload_a_change_is_not_taken_up_and_nothing_watches(tmp_path: Path) -> None:
    path = tmp_path / "api.json"
    put(path, jobs())
    with serving(tmp_path, str(path)) as served:
        put(path, jobs(field="text"))
        assert served.call("POST", "/jobs", {"prompt": "x"})[0] == 200


@pytest.mark.parametrize("is_large", [False, True])
def test_what_cannot_be_served_is_said_at_start(tmp_path: Path, is_large: bool) -> None:
    root = jobs()
    root["x-padding"] = "x" * (1_100_000 if is_large else 10)
    broken = {"200": {"description": "ok", "content": {"application/json": {"schema": IMPOSSIBLE}}}}
    root["paths"]["/other"] = {"get": {"responses": broken}}
    path = tmp_path / "api.json"
    put(path, root)
    for _ in range(2):  # the second time it is known
        with serving(tmp_path, str(path)) as served:
            line = served.said(served.err, lambda line: "cannot be served" in line)
            assert line.startswith(f"mockserver: {tmp_path.name}/api.json: GET /other cannot be served: ")
            assert served.call("POST", "/jobs", {"prompt": "x"})[0] == 200
            status, body = served.call("GET", "/other")
            assert status == 500
            assert "GET /other cannot be served by the simulator" in json.dumps(body)
            assert "Traceback" not in json.dumps(body)
