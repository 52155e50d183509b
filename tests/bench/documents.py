"""Documents made to measure: of so many operations, or so large. `python -m tests.bench.documents FILE` writes one."""

import json
import sys
from pathlib import Path
from typing import Any

Node = dict[str, Any]
JOB = {"$ref": "#/components/schemas/Job"}
WORDS = [
    "repository",
    "release",
    "workflow",
    "runner",
    "secret",
    "branch",
    "commit",
    "review",
    "comment",
    "label",
    "milestone",
    "project",
]


def answer(schema: Node, **more: Any) -> Node:
    return {"200": {"description": "OK", "content": {"application/json": {"schema": schema, **more}}}}


def document(operations: int) -> Node:
    """A document of so many operations; four of them make up a kind of job, the others are records by their id."""
    id_in_path = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    order = {"type": "object", "required": ["prompt"], "properties": {"prompt": {"type": "string"}}}
    paths: Node = {
        "/videos": {
            "post": {
                "operationId": "createVideo",
                "requestBody": {"required": True, "content": {"application/json": {"schema": order}}},
                "responses": answer(JOB),
            },
            "get": {
                "operationId": "listVideos",
                "responses": answer({"type": "object", "properties": {"data": {"type": "array", "items": JOB}}}),
            },
        },
        "/videos/{id}": {
            "get": {"operationId": "getVideo", "parameters": [id_in_path], "responses": answer(JOB)},
            "delete": {"operationId": "deleteVideo", "parameters": [id_in_path], "responses": answer(JOB)},
        },
    }
    for number in range(operations - 4):
        word = WORDS[number % len(WORDS)]
        record = {"$ref": f"#/components/schemas/{word.title()}"}
        paths[f"/{word}s-{number}/{{id}}/{WORDS[number // 7 % len(WORDS)]}"] = {
            "get": {"operationId": f"read{number}", "parameters": [id_in_path], "responses": answer(record)}
        }
    schemas: Node = {word.title(): {"type": "object", "properties": {"name": {"type": "string"}}} for word in WORDS}
    schemas["Job"] = {
        "type": "object",
        "required": ["id", "status"],
        "properties": {
            "id": {"type": "string"},
            "status": {"type": "string", "enum": ["queued", "in_progress", "completed", "failed"]},
            "progress": {"type": "integer"},
            "created_at": {"type": "integer"},
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": f"{operations} operations", "version": "1"},
        "servers": [{"url": "https://api.example.com/v1"}],
        "paths": paths,
        "components": {"schemas": schemas},
    }


def large(paths: int = 800, megabytes: float = 13) -> bytes:
    """JSON of so many paths and megabytes, built as the large published ones are: most of it written out in examples
    and in schemas of many properties, with two operations a path."""
    root = document(4)
    schemas: Node = root["components"]["schemas"]
    for number in range(600):
        schemas[f"Thing{number}"] = _thing(number)
    number = 0
    for number in range(paths - len(root["paths"])):
        word = WORDS[number % len(WORDS)]
        ref = {"$ref": f"#/components/schemas/Thing{number % 600}"}
        names = ["owner", "repo", *(["id"] if number % 2 else [])]
        parameters = [{"name": n, "in": "path", "required": True, "schema": {"type": "string"}} for n in names]
        body = {"content": {"application/json": {"schema": {**_thing(number), "required": ["name"]}}}}
        root["paths"][f"/repos/{{owner}}/{{repo}}/{word}s{number}{'/{id}' if number % 2 else ''}"] = {
            "get": {"operationId": f"get/{number}", "parameters": parameters, "responses": answer(ref)},
            "post": {
                "operationId": f"post/{number}",
                "parameters": parameters,
                "requestBody": body,
                "responses": answer(ref, examples={"default": {"value": {}}}),
            },
        }
    lacking = int(megabytes * 1_000_000) - len(json.dumps(root))
    each = json.loads(json.dumps({"id": 1, "name": "hello-world", "url": "https://api.example.com/repos/x", "n": [1]}))
    many = max(lacking // (paths - 2) // len(json.dumps(each)), 0)
    for path, item in root["paths"].items():
        if path.startswith("/repos"):
            media = item["post"]["responses"]["200"]["content"]["application/json"]
            media["examples"]["default"]["value"] = {"items": [{**each, "id": n} for n in range(many)]}
    return json.dumps(root, indent=None).encode()


def _thing(number: int) -> Node:
    """A schema of thirty properties, some of which are other things."""
    properties: Node = {}
    for place in range(30):
        name = f"{WORDS[place % len(WORDS)]}_{place}"
        if place % 15 == 14:  # two others: fifteen objects within four levels, as in large published documents
            properties[name] = {"$ref": f"#/components/schemas/Thing{(number * 7 + place) % 600}"}
        elif place % 3:
            properties[name] = {"type": "string", "description": f"The {name} of this thing.", "examples": ["x"]}
        else:
            properties[name] = {"type": ["integer", "null"], "description": "A number.", "minimum": 0}
    return {"type": "object", "title": f"Thing {number}", "properties": {"name": {"type": "string"}, **properties}}


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(large())
