"""Several reports side by side, as one HTML page: a row a law, a column a provider."""

from collections.abc import Sequence
from dataclasses import dataclass

from contract_tests.finding import Outcome, Report
from contract_tests.report.html import LOOKS
from contract_tests.report.levels import LEVELS, is_broken, levels
from contract_tests.report.page import page
from contract_tests.report.shown import line
from contract_tests.report.summary import summary, word_of

NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Cell:
    """What one law came to for one provider; `why` are the first findings or reasons."""

    word: str
    look: str
    why: tuple[str, ...] = ()


def write(reports: Sequence[tuple[str, Report]]) -> str:
    """The page. `reports` are names, as columns are called, and reports; the same name twice gets a number."""
    columns = _columns([name for name, _ in reports])
    found = [report for _, report in reports]
    titles: dict[str, str] = {}
    for report in found:
        for outcome in report.outcomes:
            titles.setdefault(outcome.code, outcome.title)
    outcomes = [{outcome.code: outcome for outcome in report.outcomes} for report in found]
    rows = [(code, titles[code], [_cell(each.get(code)) for each in outcomes]) for code in sorted(titles)]
    claims = [{level.name: level for level in levels(report)} for report in found]
    return page(
        "matrix.html",
        columns=columns,
        summaries=[(counted, LOOKS[counted.verdict]) for counted in map(summary, found)],
        levels=[(name, meaning, [(each[name], LOOKS[each[name].verdict]) for each in claims])
                for name, meaning in LEVELS.items()],
        conditions=[report.about for report in found],
        rows=rows,
        differ=sum(len({cell.word for cell in cells}) > 1 for _, _, cells in rows),
    )  # fmt: skip


def _columns(names: list[str]) -> list[str]:
    columns: list[str] = []
    for name in names:
        shown, number = line(name, 80) or "report", 2
        while shown in columns:
            shown, number = f"{line(name, 80) or 'report'} ({number})", number + 1
        columns.append(shown)
    return columns


def _cell(outcome: Outcome | None) -> Cell:
    if outcome is None:
        return Cell(NOT_RUN, "faint")
    word = word_of(outcome)
    look = next((look for verdict, look in LOOKS.items() if word == verdict.value), "part")
    told = [f"{finding.where}: {finding.message}" for finding in outcome.findings] or list(outcome.reasons)
    why = [line(text, 300) for text in told[:5]]
    count = len(outcome.findings)
    if is_broken(outcome) and count:
        word = f"{word}: 1 finding" if count == 1 else f"{word}: {count} findings"
    return Cell(word, look, tuple(why) + ((f"and {len(told) - 5} more",) if len(told) > 5 else ()))
