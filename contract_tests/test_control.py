"""The control API answers as its own document says."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest

from contract_tests.conftest import KEY, SUMMARY
from contract_tests.contract import ContractUnderTest
from contract_tests.refusals import Refusals
from contract_tests.run import run
from contract_tests.schema import build_schema
from contract_tests.simulator import simulator
from mockserver.loading.providers import bundled_names, load
from mockserver.openapi.document import Document

DOCUMENT = Path(__file__).parent.parent / "mockserver" / "control" / "openapi.yaml"


def test_the_control_api_answers_as_its_document_says(
    pytestconfig: pytest.Config, record_property: Callable[[str, object], None]
) -> None:
    if pytestconfig.getoption("--base-url"):
        pytest.skip("another service is checked")
    contract = load(str(DOCUMENT), (), needs_job=False).provider.contract
    document = Document(deepcopy(contract.document.root), contract.document.origin)
    # Its jobs are those of other contracts: nothing is concluded from what they look like here.
    checked = ContractUnderTest("control", document, (), Refusals(contract), contract.vocabulary)
    with simulator([bundled_names()[0]], KEY) as urls:
        site = "/".join(next(iter(urls.values())).split("/")[:3])
        examples = pytestconfig.getoption("--max-examples") // 5 or 1  # of 37 operations
        schema = build_schema(checked, f"{site}/__mockserver", KEY, examples, refused_as_said={422})
        result = run(schema)
    record_property(SUMMARY, f"control API: {result}")
    problems = [*result.errors, *map(str, result.findings.values())]
    unasked = [o.name for o in document.operations if not result.requests[o.name]]
    assert not [*problems, *unasked], "\n\n".join([*problems, *unasked])
