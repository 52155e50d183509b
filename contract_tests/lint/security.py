"""Who may call: what is declared, what is missing, and what prose says otherwise."""

import re
from collections.abc import Iterator

from contract_tests.finding import Deviation, Severity, Unjudged
from contract_tests.lint import rule
from contract_tests.lint.subject import Subject, shown
from mockserver.openapi.document import pointer_text

_KEY = re.compile(r"\bAPI[ -]?keys?\b|\bAuthorization\b|\bBearer\b|\baccess token\b|鉴权|密钥|令牌", re.I)
_API_KEY = re.compile(r"\bAPI[ -]?key\b|密钥", re.I)
_NEEDED = re.compile(r"require|\bneed|\bmust\b|需要|必须", re.I)
_PUBLIC = re.compile(r"\bpublic\b|\bno (?:API )?key\b|\bwithout (?:an? )?(?:API )?key\b|公开", re.I)


def _schemes(subject: Subject) -> dict[str, object]:
    schemes = (subject.root.get("components") or {}).get("securitySchemes") or {}
    return dict(schemes)


@rule("LNT050", "A key is asked for in one place and not in another", Severity.WARNING)
def asked_alike(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """`security: []` for the document says that none is needed, an operation that one is; or the reverse."""
    top = subject.root.get("security")
    keyed = [(p, o) for p, o in subject.operations if o.security and not any(each == {} for each in o.security)]
    free = [(p, o) for p, o in subject.operations if not o.security]
    if top == [] and keyed:
        yield Deviation(
            f"The document asks for no key (`security: []`), {keyed[0][1].name} does.",
            keyed[0][1].name,
            pointer="/security",
            cause="document",
        )
    if not keyed or not free or len(free) > len(keyed):
        return
    for pointer, operation in free:
        text = f"{operation.raw.get('summary')} {operation.raw.get('description')}"
        if _PUBLIC.search(text):
            continue
        at = f"{pointer}/security" if "security" in operation.raw else pointer
        yield Deviation(
            f"{operation.name} asks for no key, {len(keyed)} others do, and nothing says that it is public.",
            operation.name,
            pointer=at,
            severity=Severity.NOTE,
        )


@rule("LNT051", "No operation asks for a key", Severity.WARNING)
def asks_at_all(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """Jobs cost money and belong to someone: a service of them without keys is a document that forgot to say so."""
    if any(operation.security for _, operation in subject.operations):
        return
    if _schemes(subject):
        yield Deviation(
            f"{shown(list(_schemes(subject)))} are declared, and no operation asks for one.",
            pointer="/components/securitySchemes",
            cause="unused",
        )
    elif subject.jobs:
        written = [f"{p}/security" for p, o in subject.operations if "security" in o.raw]
        at = "/security" if "security" in subject.root else next(iter(written), "/paths")
        yield Deviation("Jobs can be read without any key.", pointer=at, cause="none")


@rule("LNT052", "A security scheme that is not declared", Severity.VIOLATION)
def declared(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """How the key is sent is told nowhere."""
    known = _schemes(subject)
    for pointer, operation in subject.operations:
        for name in (name for each in operation.security for name in each):
            if name not in known:
                at = f"{pointer}/security" if "security" in operation.raw else "/security"
                yield Deviation(f"`{name}` is asked for and not declared.", pointer=at, cause=name)


@rule("LNT053", "Two kinds of key are told for one scheme", Severity.WARNING)
def one_kind(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """`bearerFormat: JWT` beside prose about an API key: a client may try to read it, or to renew it."""
    for name in _schemes(subject):
        at = subject.home(pointer_text(("components", "securitySchemes", name)))
        node = subject.at(at)
        if not isinstance(node, dict) or str(node.get("bearerFormat", "")).upper() != "JWT":
            continue
        if _API_KEY.search(str(node.get("description") or "")):
            yield Deviation(
                "`bearerFormat` is JWT, the description speaks of an API key.", pointer=f"{at}/bearerFormat"
            )


@rule("LNT054", "Prose asks for a key, the contract does not", Severity.VIOLATION)
def said_and_declared(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """A generated client sends none, and is refused."""
    for pointer, operation in subject.operations:
        if operation.security:
            continue
        texts = [(f"{pointer}/description", operation.raw.get("description"))]
        texts += [
            (at, node.get("description"))
            for at, node in subject.parameters(pointer, operation)
            if str(node.get("name")).lower() == "authorization"
        ]
        for at, text in texts:
            if not isinstance(text, str) or _PUBLIC.search(text) or not _NEEDED.search(text):
                continue
            if found := _KEY.search(text):
                said = f"The description speaks of {found[0]!r}; no security is declared."
                yield Deviation(said, operation.name, pointer=at)
