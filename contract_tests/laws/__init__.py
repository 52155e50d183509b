"""The laws: one short function each, over a recorded history. A law yields deviations, or why it cannot be judged."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from contract_tests.finding import Deviation, Severity, Unjudged
from contract_tests.history import History

Judge = Callable[[History], Iterator[Deviation | Unjudged]]


@dataclass(frozen=True, slots=True)
class Law:
    """One law. `needs`: the purposes without which it cannot be judged; `level`: the first level that asks for it."""

    code: str
    title: str
    severity: Severity
    judge: Judge
    level: str
    needs: tuple[str, ...] = ()


LAWS: dict[str, Law] = {}


def law(
    code: str, title: str, severity: Severity, *, level: str = "strict", needs: tuple[str, ...] = ()
) -> Callable[[Judge], Judge]:
    """Make a function a law. Codes are stable; levels: readable, working, strict, compatible."""

    def keep(judge: Judge) -> Judge:
        if code in LAWS:
            raise ValueError(f"{code} stands for two laws")
        LAWS[code] = Law(code, title, severity, judge, level, needs)
        return judge

    return keep


def all_laws() -> Mapping[str, Law]:
    """Every law by its code."""
    from contract_tests.laws import (  # noqa: F401  # they register themselves
        answers,
        content,
        endings,
        errors,
        fields,
        headers,
        hooks,
        identity,
        lists,
        progress,
        security,
        times,
    )

    return LAWS
