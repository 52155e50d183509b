"""Documents that would exhaust or mislead the reader get one clear message and exit code 2."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from mockserver.cli import main

HEAD = "openapi: 3.0.0\ninfo: {title: t, version: '1'}\n"
BOMB = "".join(f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
MERGES = "".join(f"x-{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 10)}]}}\n" for n in range(1, 9))
JOB = (
    "paths:\n  /jobs/{id}:\n    get:\n      responses:\n        '200':\n          content:\n"
    "            application/json: {schema: {$ref: '#/components/schemas/A'}}\n"
)
REFUSED = {
    "an alias bomb": (f"{HEAD}x-0: &a0 [1]\n{BOMB}paths: {{}}\n", "aliases stand for more than"),
    "merges of merges": (f"{HEAD}x-0: &m0 {{k: 1}}\n{MERGES}paths: {{}}\n", "aliases stand for more than"),
    "an alias that holds itself": (f"{HEAD}x: &a [*a]\npaths: {{}}\n", "contains itself"),
    "nesting without end": (f"{HEAD}x: {'[' * 50_000}\n", ""),
    "references in a circle": (
        f"{HEAD}{JOB}components: {{schemas: {{A: {{$ref: '#/components/schemas/B'}}, "
        "B: {$ref: '#/components/schemas/A'}}}\n",
        "leads back to itself",
    ),
    "a reference to nothing": (f"{HEAD}{JOB}components: {{}}\n", "points to nothing"),
    "allOf in a circle": (
        f"{HEAD}{JOB}components: {{schemas: {{A: {{allOf: [{{$ref: '#/components/schemas/A'}}]}}}}}}\n",
        "nested in itself",
    ),
    "a remote reference": (f"{HEAD}paths: {{/a: {{$ref: 'https://example.com/x.yaml'}}}}\n", "nothing is fetched"),
    "a file outside": (f"{HEAD}paths: {{/a: {{$ref: '../../secret.yaml'}}}}\n", "leads out of the document's folder"),
    "broken YAML": (f"{HEAD}paths: [\n", "broken YAML at line"),
    "no OpenAPI": ("a: 1\n", "not an OpenAPI document"),
    "Swagger 1": ("swagger: '1.2'\n", "OpenAPI 3 or Swagger 2.0 is expected"),
    "nothing": ("", "the file is empty"),
    "no job": (f"{HEAD}paths: {{/a: {{get: {{responses: {{}}}}}}}}\n", "no asynchronous job found"),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_document_that_cannot_be_used_is_refused_in_one_message(tmp_path: Path, text: str, reason: str) -> None:
    document = tmp_path / "openapi.yaml"
    document.write_text(text)
    result = CliRunner().invoke(main, ["inspect", str(document)])
    assert result.exit_code == 2, result.output
    told = result.output.splitlines()[-1]  # of a document without a job the rest is shown before
    assert told.startswith("mockserver: ")
    assert "openapi.yaml" in told
    assert reason in told
    assert "Traceback" not in result.output
    assert len(result.output) < 2000
