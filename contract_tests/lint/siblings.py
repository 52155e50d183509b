"""A document against others: those of the same host that lie beside it, and a known one that it says it follows."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from contract_tests.clauses import Published, read_published
from contract_tests.finding import Deviation, Severity, Unjudged
from contract_tests.lint import rule
from contract_tests.lint.subject import Subject, shown
from mockserver.errors import MockserverError
from mockserver.loading.providers import DOCUMENT_NAMES, bundled_names
from mockserver.openapi.document import pointer_text
from mockserver.openapi.schema import map_in

_LIKE = r"(?:style|compatible|compatibility|format|格式|风格|兼容|-like)"


def _hosts(published: Published) -> set[str]:
    servers = published.document.root.get("servers")
    urls = [str(s.get("url")) for s in servers if isinstance(s, dict)] if isinstance(servers, list) else []
    found = set()
    for url in urls:
        try:
            found.add(urlsplit(url).netloc)
        except ValueError:
            continue
    return found - {""}


def _beside(subject: Subject) -> Iterator[Published]:
    """Documents in the neighbouring folders that name the same host, as published."""
    path = subject.published.path
    if path.name not in DOCUMENT_NAMES or not (hosts := _hosts(subject.published)):
        return
    for other in sorted(path.resolve().parent.parent.glob("*/openapi.*")):
        if other.name not in DOCUMENT_NAMES or other == path.resolve():
            continue
        try:
            if not any(host.encode() in other.read_bytes()[:20_000] for host in hosts):
                continue
            published = read_published(str(other), raw=True)
        except (MockserverError, OSError):
            continue
        if _hosts(published) & hosts:
            yield published


@rule("LNT090", "Another document of the same host tells it otherwise", Severity.WARNING)
def one_story(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """A schema of the same name with other types or words: a client of one cannot read the other."""
    own = map_in(subject.root.get("components") or {}, "schemas")
    for other in _beside(subject):
        there = Subject(other)
        theirs = map_in(other.document.root.get("components") or {}, "schemas")
        for name in own.keys() & theirs.keys():
            mine, yours = f"/components/schemas/{name}", f"/components/schemas/{name}"
            differing = []
            first = ""
            for each, place in subject.properties(mine).items():
                other_place = there.properties(yours).get(each)
                here, that = (
                    subject.shape(subject.at(place)),
                    there.shape(there.at(other_place)) if other_place else None,
                )
                if here is None or that is None:
                    continue
                if set(here.types) != set(that.types) and here.types and that.types:
                    differing.append(f"`{each}` is {'/'.join(here.types)} here and {'/'.join(that.types)} there")
                    first = first or place
                    continue
                words, others = here.constants or [], that.constants or []
                if words and others and set(map(str, words)) != set(map(str, others)):
                    only, beyond = [w for w in words if w not in others], [w for w in others if w not in words]
                    differing.append(f"`{each}` has {shown(only)} here, {shown(beyond)} there")
                    first = f"{place}/enum"
            if differing:
                yield Deviation(
                    f"`{name}` of {other.name}: {'; '.join(differing)}.",
                    pointer=first or mine,
                    cause=f"{other.name} {name}",
                )


@rule("LNT091", "It says that it follows a known contract, and does not", Severity.WARNING)
def follows(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """A name of a bundled contract in the title, or 'in the style of' it in prose, beside other words and types."""
    from contract_tests.comparing import Effect, compare_published

    for name in bundled_names():
        claim = _claim(subject, name)
        if not claim or name == subject.published.name:
            continue
        try:
            reference = read_published(name)
        except MockserverError:
            continue
        if _hosts(reference) & _hosts(subject.published):
            continue
        found = [
            d
            for d in compare_published(subject.published, reference)
            if d.effect is not Effect.DIFFERS or d.code == "CMP025"
        ]
        shared = [d for d in found if d.is_shared or d.code == "CMP025"]  # what both have, and tell differently
        if shared:
            for number, difference in enumerate(shared[:6]):
                yield Deviation(
                    f"{difference.message} {'' if number else f'The text claims to be like {name}.'}".rstrip(),
                    difference.operation,
                    pointer=difference.pointer or claim,
                    cause=f"{name} {difference.code} {number}",
                )


def _claim(subject: Subject, name: str) -> str:
    """Where a document says that it is like a contract of some name; '' if it does not."""
    word = re.escape(name).replace(r"\-", "[- ]?")
    info = map_in(subject.root, "info")
    word = rf"(?<![a-z0-9]){word}(?![a-z0-9])"  # the letters of another script may follow at once
    if re.search(word, str(info.get("title") or ""), re.I):
        return "/info/title"
    pattern = re.compile(rf"{word}.{{0,12}}{_LIKE}|{_LIKE}.{{0,12}}{word}", re.I)
    texts = [("/info/description", info.get("description"))]
    for pointer, operation in subject.operations:
        texts += [(f"{pointer}/{key}", operation.raw.get(key)) for key in ("description", "summary")]
        texts += [(f"{pointer}/tags/{i}", t) for i, t in enumerate(operation.raw.get("tags") or [])]
    return next((at for at, text in texts if isinstance(text, str) and pattern.search(text)), "")


__all__ = ["follows", "one_story", "pointer_text"]
