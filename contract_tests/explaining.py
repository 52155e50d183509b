"""What each code means, for `explain`: the law, why it matters to a client, the report behind it, how to mend it."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from contract_tests.laws import all_laws
from contract_tests.lint import all_rules
from mockserver.loading.trees import read_tree

HERE = Path(__file__).parent


@cache
def catalogue() -> Mapping[str, Mapping[str, Any]]:
    """The entries by code: title, law, why, report, fix."""
    titles = {code: law.title for code, law in all_laws().items()} | {c: r.title for c, r in all_rules().items()}
    found: dict[str, Mapping[str, Any]] = {}
    for path in sorted(HERE.glob("catalogue*.yaml")):
        for code, entry in read_tree(path).items():
            found[code] = {"title": titles.get(code, entry.get("title", "")), **entry}
    return found
