"""Pages: one file without scripts and remote assets, in which all that is told is escaped."""

import re
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from contract_tests.report.shown import line, shown

CSP: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(template: str, **values: Any) -> str:
    """A template of `templates/`, with its values. What a value holds is never markup."""
    return _environment().get_template(template).render(csp=CSP, **values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_finalized,
    )
    environment.filters |= {"line": line, "shown": shown, "slug": slug}
    return environment


def slug(text: object) -> str:
    """A text as part of an id or a class: letters, digits, `-`, `_`."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", str(text))[:80]


def _finalized(value: Any) -> Any:
    """Whatever stands in a page goes through here, so that no template can forget it."""
    return shown(value, 20_000) if type(value) is str else value  # markup of our own templates is no plain str
