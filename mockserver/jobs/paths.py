"""Paths of operations as they are compared, and the words in them."""

import re
from collections.abc import Container
from functools import lru_cache
from itertools import chain, count

from mockserver.jobs.resource import IdPlace
from mockserver.jobs.vocabulary import Vocabulary, pieces, plain
from mockserver.openapi.document import Operation

MAX_KNOWN = 10_000  # paths and words that are remembered
VERSION = re.compile(r"v\d+\w*$|\d+$")


@lru_cache(maxsize=MAX_KNOWN)
def path_parameters(path: str) -> tuple[str, ...]:
    """The names of a path's parameters in order."""
    return tuple(piece.split("}")[0] for piece in path.split("{")[1:])


@lru_cache(maxsize=MAX_KNOWN)
def bare(path: str) -> str:
    """A path as it is compared: parameters without their names, no slash at the end."""
    return re.sub(r"\{[^}]*\}", "{}", path).rstrip("/")


@lru_cache(maxsize=MAX_KNOWN)
def collection_of(path: str) -> str:
    """The bare path that a job's path hangs below: all but the last parameter and what follows it."""
    stripped = bare(path)
    return stripped[: stripped.rindex("{")].rstrip("/") if "{" in stripped else stripped


@lru_cache(maxsize=MAX_KNOWN)
def nouns_of(vocabulary: Vocabulary, path: str) -> tuple[str, ...]:
    """What a path is about: its literal words in the singular, without versions and words that say nothing."""
    found = []
    for segment in bare(path).split("/"):
        for word in re.split(r"[.:_\-]|\{\}", segment):
            whole = singular(plain(word))
            for noun in dict.fromkeys((whole, *(singular(piece) for piece in pieces(word)))):
                if noun and noun not in vocabulary.filler and not VERSION.match(noun):
                    found.append(noun)
    return tuple(dict.fromkeys(found))


@lru_cache(maxsize=MAX_KNOWN)
def singular(noun: str) -> str:
    """A noun in the singular, as far as its ending tells."""
    if noun.endswith("ies"):
        return noun[:-3] + "y"
    if noun.endswith(("ches", "shes", "sses", "xes")):
        return noun[:-2]
    return noun[:-1] if noun.endswith("s") and not noun.endswith(("ss", "us", "is")) else noun


def last_word(operation: Operation) -> str:
    """The last literal word of a path."""
    words = [word for word in re.split("[/:.]", bare(operation.path)) if word and word != "{}"]
    if len(words) > 1 and words[-1] in ("json", "xml"):
        words.pop()
    return words[-1] if words else ""


def free_name(name: str, before: str, taken: Container[str]) -> str:
    """The name, or a longer one if it is taken: with the word before it in the path, then with a number."""
    longer = f"{before}_{name}" if before else name
    candidates = chain((name, longer), (f"{longer}_{number}" for number in count(2)))
    return next(candidate for candidate in candidates if candidate not in taken)


def path_to(path: str, place: IdPlace | None) -> str:
    """A bare path up to the parameter that is a place; '' if it has none."""
    names = path_parameters(path)
    if place is None or place.place != "path" or place.pointer[0] not in names:
        return ""
    count = names.index(place.pointer[0]) + 1
    return "{}".join(bare(path).split("{}")[:count]) + "{}"
