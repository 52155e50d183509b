"""Jobs live as their contract says, from create to delete: all laws, over what stories that were played have shown."""

from collections.abc import Callable

import pytest

from contract_tests.checking import Wishes, check
from contract_tests.conftest import SUMMARY, Target
from contract_tests.finding import Severity, Verdict


def test_jobs_live_as_their_contract_says(
    target: Target,
    spec: str,
    second_key: str,
    pytestconfig: pytest.Config,
    record_property: Callable[[str, object], None],
) -> None:
    wishes = Wishes(
        url=target.base_url,
        spec=spec,
        key=target.key,
        second_key=second_key,
        max_jobs=pytestconfig.getoption("--max-jobs"),
        schema=False,  # the other test of this suite
    )
    report, history = check(wishes)
    judged = [outcome for outcome in report.outcomes if outcome.verdict is not Verdict.UNJUDGED]
    unjudged = len(report.outcomes) - len(judged)
    record_property(
        SUMMARY,
        f"{target.contract.name}: {len(history.exchanges)} exchanges, {len(judged)} laws judged, {unjudged} not",
    )
    found = [finding for finding in report.findings if finding.severity is not Severity.NOTE]
    if found:
        lines = [f"{f.code} {f.severity.value}: {f.operation}: {f.message} ({f.count}×)" for f in found]
        pytest.fail("\n".join([f"{target.contract.name} at {target.base_url}:", *lines]), pytrace=False)
    assert judged, "nothing was judged"
