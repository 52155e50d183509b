"""Every operation of every contract answers as its document says, to valid and invalid requests alike."""

from collections.abc import Callable, Iterator

import pytest

from contract_tests.conftest import SUMMARY, Target
from contract_tests.contract import ContractUnderTest
from contract_tests.playing.target import is_loopback
from contract_tests.run import Run, run
from contract_tests.schema import build_schema
from mockserver.jobs.paths import path_parameters


def test_every_operation_answers_as_its_document_says(
    target: Target, pytestconfig: pytest.Config, record_property: Callable[[str, object], None]
) -> None:
    examples, url = pytestconfig.getoption("--max-examples"), pytestconfig.getoption("--base-url")
    # What a service asks for its jobs, nobody here knows; and none of its jobs need end while this runs.
    is_limited = bool(url) and (pytestconfig.getoption("--max-jobs") is not None or not is_loopback(url))
    schema = build_schema(target.contract, target.base_url, target.key, examples, only_reads=is_limited)
    result = run(schema)
    record_property(SUMMARY, f"{target.contract.name}: {result}")
    problems, unproven = [*result.errors, *map(str, result.findings.values())], _unproven(target.contract, result)
    if url:
        record_property(SUMMARY, "\n".join(f"not judged: {each}" for each in unproven))
    else:
        problems += unproven
    if problems:
        count = f"{target.contract.name} at {target.base_url}: {len(problems)} problems"
        pytest.fail("\n\n".join([count, *problems]), pytrace=False)


@pytest.mark.parametrize(("name", "value"), [("Content-Length", ""), ("transfer-encoding", "nonsense")])
def test_a_header_that_frames_the_message_is_not_invented(target: Target, name: str, value: str) -> None:
    schema = build_schema(target.contract, target.base_url, target.key, 1)
    path = next(operation.path for operation in target.contract.document.operations if operation.method == "GET")
    ids = dict.fromkeys(path_parameters(path), "unknown")
    case = schema[path]["GET"].Case(path_parameters=ids, headers={name: value, "x-other": "kept"})
    case.call()
    assert dict(case.headers) == {"x-other": "kept"}


def _unproven(contract: ContractUnderTest, result: Run) -> Iterator[str]:
    """What a run without failures would say nothing about."""
    for operation in contract.document.operations:
        if not result.requests[operation.name]:
            yield f"{operation.name}: no request was sent"
        elif not result.successes[operation.name]:
            yield f"{operation.name}: {result.requests[operation.name]} requests, and none was answered with 2xx"
