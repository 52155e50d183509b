"""The badge: an SVG picture, and the JSON from which shields.io draws one. It says no more than the report does."""

import json
from typing import Final
from xml.sax.saxutils import quoteattr

from contract_tests.finding import Report, Verdict
from contract_tests.report.levels import claims, highest
from contract_tests.report.summary import summary

LABEL: Final = "contract"
_WIDTH = 6.6  # pixels of a letter of 11 px Verdana, on the whole; `textLength` makes it exact
_COLOURS = {"green": "#2a7d2e", "yellow": "#8a6d00", "red": "#b3261e", "grey": "#5f6368"}
_SHIELDS = {"green": "brightgreen", "yellow": "yellow", "red": "red", "grey": "lightgrey"}


def write(report: Report) -> str:
    """The badge as SVG."""
    message, colour = words(report)
    left, right = round(len(LABEL) * _WIDTH) + 12, round(len(message) * _WIDTH) + 12
    title = quoteattr(f"{LABEL}: {message}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" aria-label={title}>'
        f'<rect width="{left}" height="20" fill="#444"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{_COLOURS[colour]}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{left / 2}" y="14" textLength="{left - 12}">{LABEL}</text>'
        f'<text x="{left + right / 2}" y="14" textLength="{right - 12}">{message}</text>'
        "</g></svg>\n"
    )


def shields(report: Report) -> str:
    """The badge as shields.io's endpoint JSON (https://shields.io/badges/endpoint-badge)."""
    message, colour = words(report)
    data = {"schemaVersion": 1, "label": LABEL, "message": message, "color": _SHIELDS[colour]}
    return json.dumps(data) + "\n"


def words(report: Report) -> tuple[str, str]:
    """What it says, and its colour. The words are ours: nothing of the endpoint's stands in a badge."""
    counted, level = summary(report), highest(claims(report))
    if counted.verdict is Verdict.UNJUDGED:
        return "not judged", "grey"
    if counted.verdict is Verdict.VIOLATES:
        broken = "1 law broken" if counted.broken == 1 else f"{counted.broken} laws broken"
        return (f"{level.name}, {broken}", "yellow") if level else (broken, "red")
    open_laws = counted.unjudged + counted.in_part
    judged = f"{counted.conform} of {counted.laws} laws judged" if open_laws else "conforms"
    return (f"{level.name}, {judged}" if level else judged), "yellow" if open_laws and not level else "green"
