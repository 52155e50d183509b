"""What prose says of a value: which words it may be, its default, its bounds, its type. Patterns only, no document."""

import re
from typing import NamedTuple

MAX_TEXT = 20_000  # characters of a description that are looked at
_MARK = r"""[`'"“”‘’]"""
_TOKEN = re.compile(r"[\w.+:/\-]{1,60}")
_LIST_OF = re.compile(
    r"(?:\b(?:allowed|possible|supported|valid|accepted|permitted|available)\s+(?:values?|options?)"
    r"|可选值|取值(?:范围)?|允许值)(?:\s+(?:are|is|include))?\s*[:：]\s*(.{1,600})",
    re.I | re.S,
)
# What stands between the items is taken sign by sign: groups of signs inside a repeat can take for ever.
_RUN = rf"((?:{_MARK}[\w.+:/\-]{{1,40}}{_MARK}(?:[\s,/|、或]|\bor\b|\band\b){{0,12}}){{2,100}})"
_QUOTED_LIST = re.compile(rf"(?:\bone of|\beither|\bmust be|\bcan be)\s*:?\s*{_RUN}", re.I)
_ANY_QUOTED_LIST = re.compile(_RUN, re.I)
_FOR_EXAMPLE = re.compile(r"\be\.g\.|\bfor (?:example|instance)\b|\bsuch as\b|\bi\.e\.|例如|比如", re.I)
_IN_MARKS = re.compile(rf"{_MARK}([\w.+:/\-]{{1,40}}){_MARK}")
_SPLIT = re.compile(r"\s*(?:,|，|、|\||;|\bor\b|\band\b|或)\s*(?:\bor\b|\band\b)?\s*", re.I)
_DEFAULT = re.compile(
    r"(?:\bdefaults?(?:\s+value)?(?:\s+(?:is|to)\b|\s*[:=])?|默认(?:值)?(?:是|为|：|:)?)\s*(.{1,120})", re.I | re.S
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_N = r"(-?\d+(?:\.\d+)?)"
_RANGES = (
    re.compile(rf"\bbetween\s+{_N}\s*%?\s+and\s+{_N}(?![\w.]*[a-z])", re.I),
    re.compile(rf"\bfrom\s+{_N}\s*%?\s+to\s+{_N}(?![\w.]*[a-z])", re.I),
    re.compile(rf"\brange(?:s|:| is| of| from)?\s*[\[(]?\s*{_N}\s*(?:-|–|—|~|to|,|\.\.\.?)\s*{_N}", re.I),
    re.compile(rf"[(（\[]\s*{_N}\s*%?\s*(?:-|–|—|~|to|\.\.\.?|…|至|到)\s*{_N}\s*%?\s*[)）\]]", re.I),
    re.compile(rf"(?<![\w.\-:/]){_N}\s*(?:–|~|\.\.\.?|…|至|到|\bto\b)\s*{_N}(?![\w\-:/]|\.\d)", re.I),
)
_LEAST = re.compile(
    r"\b(?:start(?:s|ing)?\s+(?:from|at)|begin(?:s|ning)?\s+(?:with|at)|at least"
    r"|min(?:imum)?\.?(?:\s+(?:is|of|value))?:?)"
    rf"\s+{_N}(?![\w.]*[a-z%])|从\s*{_N}\s*开始",
    re.I,
)
_MOST = re.compile(
    r"\b(?:at most|up to|no more than|max(?:imum)?\.?(?:\s+\w+){0,3}?(?:\s+(?:is|of|value))?:?)"
    rf"\s+{_N}(?![\w.]*[a-z%x])|最大(?:值)?(?:为|是)?\s*{_N}",
    re.I,
)
_EXACTLY_ONE = re.compile(
    r"\b(?:exactly|only) one of\b|\bmutually exclusive\b|\beither .{1,60} or .{1,60}, (?:but )?not both\b|二选一", re.I
)
_NO_VALUE = re.compile(r"unspecified|omitted|not (?:set|given|specified)|by default", re.I)


class Told(NamedTuple):
    """Values that prose lists, and whether it says that these are all."""

    values: tuple[str, ...]
    is_whole: bool


def told_values(text: str, is_closed: bool = False) -> Told | None:
    """The values that prose says a field may have: `allowed values: 4, 8, 12`, one of `asc` or `desc`.

    `is_closed`: the field is one whose values are a closed set by its nature (a status, an order), so any list in
    quotes tells them.
    """
    text = text[:MAX_TEXT]
    if found := _LIST_OF.search(text):
        run = re.split(r"[)\]）。\n]|\.(?:\s|$)", found[1])[0]
        quoted = _IN_MARKS.findall(run)
        tokens = quoted if len(quoted) > 1 else [t.strip(" `'\"") for t in _SPLIT.split(run.strip()) if t.strip()]
        if len(tokens) > 1 and all(_TOKEN.fullmatch(token) for token in tokens):
            return Told(tuple(dict.fromkeys(t.rstrip(".:") for t in tokens)), True)
    for pattern in (_QUOTED_LIST, *([_ANY_QUOTED_LIST] if is_closed else [])):
        if found := pattern.search(text):
            values = tuple(dict.fromkeys(_IN_MARKS.findall(found[1])))
            if not is_closed and _FOR_EXAMPLE.search(text, max(0, found.start() - 100), found.start()):
                continue
            if len(values) > 1:
                return Told(values, pattern is _QUOTED_LIST)
    return None


def told_default(text: str, constants: list[str]) -> str | None:
    """The default that prose gives: a value in quotes, a number, or one of the field's own words."""
    for found in _DEFAULT.finditer(text[:MAX_TEXT]):
        before = text[max(0, found.start() - 12) : found.start()].lower()
        if before.rstrip().endswith(("no", "non", "the", "this", "by", "a", "sane", "not", "will", "`")):
            continue
        run = re.split(r"[;；。\n]|\.(?:\s|$)", found[1])[0].strip()
        if quoted := re.match(rf"{_MARK}([^`'\"“”\s]{{1,60}}){_MARK}", run):
            return quoted[1]
        first = re.match(r"[\w.+:/\-]+", run)
        word = first[0].rstrip(".,:)") if first else ""
        if word in constants or re.fullmatch(r"-?\d[\w.]*", word) or word.lower() in ("true", "false"):
            return word
        near = [c for c in constants if re.search(rf"(?<![\w-]){re.escape(c)}(?![\w-])", run)]
        if len(near) == 1:
            return near[0]
    return None


def told_bounds(text: str) -> tuple[float | None, float | None]:
    """The least and the greatest value that prose gives a number; None for what it does not say."""
    text = text[:MAX_TEXT]
    for pattern in _RANGES:
        if (found := pattern.search(text)) and float(found[1]) < float(found[2]):
            return float(found[1]), float(found[2])
    least = next((found for found in _LEAST.finditer(text) if not _is_of_no_value(text, found)), None)
    most = next((found for found in _MOST.finditer(text) if not _is_of_no_value(text, found)), None)
    return _first(least), _first(most)


def _is_of_no_value(text: str, found: re.Match[str]) -> bool:
    """Whether a sentence tells what comes if nothing is sent (`If unspecified, at most 10 will be returned`)."""
    start = max(text.rfind(".", 0, found.start()), text.rfind("\n", 0, found.start())) + 1
    return bool(_NO_VALUE.search(text, start, found.end()))


def _first(found: re.Match[str] | None) -> float | None:
    return next((float(each) for each in found.groups() if each), None) if found else None


def exactly_one_of(text: str) -> str:
    """The sentence in which prose asks for exactly one of several fields, or ''."""
    found = _EXACTLY_ONE.search(text := text[:MAX_TEXT])
    if not found:
        return ""
    ends = [m.end() for m in re.finditer(r"[.。](?:\s|$)|\n", text)]
    start = max((end for end in ends if end <= found.start()), default=0)
    return text[start : min((end for end in ends if end >= found.end()), default=len(text))]


def told_type(text: str) -> str:
    """The type that prose names (`as a string`), or ''."""
    low = text[:MAX_TEXT].lower()
    for kind in ("string", "integer", "number", "boolean", "array"):
        if re.search(rf"\bas an? {kind}\b|\bmust be an? {kind}\b", low):
            return kind
    return ""


def same_value(one: str, other: object) -> bool:
    """Whether a value in prose is that of a schema, by text or as a number (`4` and `4.0`, `True` and true)."""
    if str(other).lower() == one.lower():
        return True
    try:
        return not isinstance(other, bool) and float(one) == float(str(other))
    except ValueError:
        lead = _NUMBER.match(one)
        return bool(lead) and lead is not None and lead[0] == str(other)  # `10s`, `8 seconds`
