"""Reading a status: which words a field can say, which state each means, and how sure that is."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from mockserver.jobs.lifecycle import State
from mockserver.jobs.vocabulary import Vocabulary, pieces, plain
from mockserver.openapi.document import Document
from mockserver.openapi.schema import Shape, shape_of

MAX_TEXT = 20_000  # characters of a description that are looked at
MAX_WORDS = 100  # of one status
MAX_KNOWN = 64  # texts that are remembered: an answer holds several objects, all with the same texts round them
TOLD = 0.4  # the least sureness at which a description is believed
_QUOTED = re.compile(r"[`'\"“‘]([A-Za-z][\w\- ]{1,40})[`'\"”’]")
_BOLD = re.compile(r"\*\*([A-Za-z][\w\-]{1,40})\*\*|<(?:code|b|strong)>([A-Za-z][\w\-]{1,40})</")
# Words with commas, arrows, "or" between them. A word is taken whole and begins where nothing of it stands before:
# trying each of its parts would take the square of its length. Single classes only: what Python 3.11 has matched of
# a possessive group with a lookahead in it is now and then a character too long, so `->` is made `→` beforehand.
_WORD = r"[A-Za-z][\w\-]*+"
_LISTED = re.compile(
    rf"(?<![\w\-])[\d_\-]*+{_WORD}(?:\s*(?:,|/|\||、|，|→|;|\bor\b|\band\b)+\s*(?:or\s+|and\s+)?{_WORD})+"
)
_ITEM = re.compile(
    r"^[^\S\n]*(?:[-*•|]\s*[`*'\"]*([A-Za-z][\w\-]{1,40})[`*'\"]*[^\S\n]*(?:[:(–|-]|$)|([A-Za-z][\w\-]{1,40})\s*[:：]\s)",
    re.M,
)
_ONE = re.compile(r"[A-Za-z][A-Za-z0-9_\-]*+")
# `1: running`, `2 = success`, `0 (queued)`, `-1 - failed`
_NUMBERED = re.compile(
    r"(?<![\w.])(-?\d{1,4})\s*(?:[:=：)(–—、.]|-+>?|→|is|means)\s*"
    r"[`'\"(]?([A-Za-z][A-Za-z _\-]{1,40}|[\u4e00-\u9fff]{1,12})"
)
_NAMED_NUMBER = re.compile(r"([A-Za-z][A-Za-z_\-]{1,40})\s*[:=(：]\s*(-?\d{1,4})(?![\w.])")


@dataclass(frozen=True, slots=True)
class Words:
    """What a status says in each state.

    `phases` are all words of a state in the contract's order; `unclear` those that nothing is known of; `passive`
    those that are understood and stand for no state of ours (paused, partial, …). `sureness` is 0 to 1: how much
    this looks like the life of a job.
    """

    phases: Mapping[State, tuple[Any, ...]] = field(default_factory=dict)
    unclear: tuple[str, ...] = ()
    passive: tuple[str, ...] = ()
    evidence: str = ""
    sureness: float = 0.0

    @property
    def by_state(self) -> dict[State, Any]:
        """The word for each state: of several, the first."""
        return {state: words[0] for state, words in self.phases.items()}


NO_WORDS = Words()
_PLACEHOLDER = "string"  # what generators of documents write as the example of a text
_ENDS = {State.SUCCEEDED, State.FAILED, State.CANCELLED, State.EXPIRED}


def read_words(
    document: Document, vocabulary: Vocabulary, name: str, schema: Any, texts: Iterable[str] = (), examples: Any = ()
) -> Words:
    """The words of a field called `name`.

    Looked for in its enum or consts, then in its description, then in `texts` (descriptions round it) and
    `examples` (values of it). A boolean that says whether the job is over has the words false and true.
    """
    shape = shape_of(document, schema)
    own = own_words(vocabulary, name, shape)
    return own if own is not None else told_words(vocabulary, shape, texts, examples)


def own_words(vocabulary: Vocabulary, name: str, shape: Shape) -> Words | None:
    """The words of a field by what it says of itself; None if it says too little, and what is round it may say more."""
    forms = (shape, *shape.branches)
    constants = [c for form in forms for c in form.constants or ()]
    kinds = {kind for form in forms for kind in form.types}
    if kinds == {"boolean"} or (constants and all(isinstance(c, bool) for c in constants)):
        return _flag(vocabulary, name)
    if "string" not in kinds and kinds & {"integer", "number"}:
        return None
    if texts_only := [c for c in constants if isinstance(c, str)]:
        return _judged(vocabulary, _labelled(vocabulary, forms, texts_only), "its enum")
    if kinds and "string" not in kinds:
        return NO_WORDS
    if (numbered := _numbered_texts(vocabulary, forms, shape)).sureness >= TOLD:
        return numbered
    found = _told(vocabulary, tuple(_described(shape)))
    return _sure(found, "its description") if found.sureness >= TOLD else None


def told_words(vocabulary: Vocabulary, shape: Shape, texts: Iterable[str], examples: Iterable[Any]) -> Words:
    """The words of a field that says too little itself."""
    forms = (shape, *shape.branches)
    kinds = {kind for form in forms for kind in form.types}
    if "string" not in kinds and kinds & {"integer", "number"}:
        constants = [c for form in forms for c in form.constants or ()]
        return _numbers(vocabulary, forms, constants, [*_described(shape), *texts])
    found = _told(vocabulary, tuple(texts))
    if found.sureness >= TOLD:
        return _sure(found, "a description")
    values = [v for v in (*_examples(forms), *examples) if isinstance(v, str) and 0 < len(v) <= 60]
    if values:
        shown = _judged(vocabulary, [(v, v) for v in dict.fromkeys(values)], "examples")
        if shown.phases:
            return Words(shown.phases, (), shown.passive, "examples", max(shown.sureness * 0.8, 0.35))
    return NO_WORDS


def _numbered_texts(vocabulary: Vocabulary, forms: Sequence[Shape], shape: Shape) -> Words:
    """Numbers as text whose meaning stands in the description (`"1: waiting, 2: running"`)."""
    found = _numbers(vocabulary, forms, [], _described(shape))
    phases = {state: tuple(map(str, told)) for state, told in found.phases.items()}
    return Words(phases, (), found.passive, "numbers as text that the description explains", found.sureness)


def _sure(found: Words, where: str) -> Words:
    return Words(found.phases, (), found.passive, where, found.sureness * 0.9)


def _described(shape: Shape) -> list[str]:
    texts = [str(form.get("description") or "")[:MAX_TEXT] for form in (shape, *shape.branches)]
    title = shape.get("title")
    return [*texts, title] if isinstance(title, str) else texts


def usual_words(vocabulary: Vocabulary, words: Words) -> Words:
    """The words, with the usual ones for states that nothing is said of: for a status of any text."""
    phases = {state: words.phases.get(state, (word,)) for state, word in vocabulary.usual_words.items()}
    for state, told in words.phases.items():
        phases.setdefault(state, told)
    evidence = f"{words.evidence}; the others are usual ones" if words.phases else "no word of it is given: usual ones"
    return Words(phases, words.unclear, words.passive, evidence, words.sureness)


def _examples(forms: Sequence[Shape]) -> list[Any]:
    found = []
    for form in forms:
        several = form.get("examples")
        found += [form.get("example"), form.get("default"), *(several if isinstance(several, list) else [])]
    return found


def _flag(vocabulary: Vocabulary, name: str) -> Words:
    if vocabulary.rank("roles", "done", name) is None:
        return NO_WORDS
    started, over = (State.QUEUED, State.RUNNING), (State.SUCCEEDED, State.FAILED, State.CANCELLED, State.EXPIRED)
    phases: dict[State, tuple[Any, ...]] = {**dict.fromkeys(started, (False,)), **dict.fromkeys(over, (True,))}
    return Words(phases, evidence="a flag that says whether it is over", sureness=0.6)


def _numbers(vocabulary: Vocabulary, forms: Sequence[Shape], constants: list[Any], texts: list[str]) -> Words:
    """Numbers whose meaning stands in an extension or a description (`1: running`)."""
    labels: dict[int, str] = {}
    for number, label in _labelled(vocabulary, forms, constants):
        if isinstance(number, int) and not isinstance(number, bool) and label != str(number):
            labels[number] = label
    if not labels:
        for text in texts:
            numbered = [(int(n), w) for n, w in _NUMBERED.findall(text)]
            named = [(int(n), w) for w, n in _NAMED_NUMBER.findall(text)]
            for pairs in (numbered, named):
                told = {n: w.strip() for n, w in pairs if not constants or n in constants}
                if sum(_meaning(vocabulary, w) is not None for w in told.values()) >= 2:
                    labels = labels or told
    return _judged(vocabulary, list(labels.items()), "numbers that the description explains")


def _meaning(vocabulary: Vocabulary, label: str) -> State | None:
    """The state of a label of several words: of the whole, else of its first words, longest first."""
    words = label.split()
    for count in range(min(len(words), 4), 0, -1):
        if state := vocabulary.state(" ".join(words[:count])):
            return state
    return None


def _labelled(vocabulary: Vocabulary, forms: Sequence[Shape], values: list[Any]) -> list[tuple[Any, str]]:
    """Values of an enum with the names or descriptions that an extension gives them, else with themselves."""
    for form in forms:
        for key in vocabulary.enum_names:
            names = form.get(key)
            if isinstance(names, list) and len(names) == len(form.constants or ()):
                return [(value, str(name)) for value, name in zip(form.constants or (), names, strict=True)]
            if isinstance(names, dict) and names:
                return [(value, str(names.get(str(value), value))) for value in values]
    return [(value, str(value)) for value in values]


@lru_cache(maxsize=MAX_KNOWN)
def _told(vocabulary: Vocabulary, texts: tuple[str, ...]) -> Words:
    """Words that descriptions put in quotes, in a list, or between commas."""
    best = NO_WORDS
    for text in texts:
        text = text[:MAX_TEXT].replace("->", "→")
        tries = [_QUOTED.findall(text), *([a or b for a, b in found.findall(text)] for found in (_BOLD, _ITEM))]
        tries += [_ONE.findall(run) for run in _LISTED.findall(text)]
        for words in (*tries, _ONE.findall(text)):  # the last is prose, or a list in another language
            if best.sureness >= 0.8:
                break
            known = [w for w in dict.fromkeys(words) if w not in ("or", "and") and _is_word(vocabulary, w)]
            found = _judged(vocabulary, [(w, w) for w in known[:MAX_WORDS]], "")
            if len(known) >= 2 and found.sureness > best.sureness:
                best = found
    return best


def _is_word(vocabulary: Vocabulary, word: str) -> bool:
    return vocabulary.state(word) is not None or plain(word) in vocabulary.other_words


def _judged(vocabulary: Vocabulary, pairs: list[tuple[Any, str]], evidence: str) -> Words:
    """Values with their labels sorted into states, and how much they look like a lifecycle."""
    phases: dict[State, list[Any]] = {}
    unclear: list[str] = []
    passive: list[str] = []
    strip = _shared_start([label for _, label in pairs])
    labels = {value: label for value, label in pairs[:MAX_WORDS] if isinstance(value, (str, int))}
    for value, label in pairs[:MAX_WORDS]:
        short = " ".join(pieces(label)[strip:]) if strip else label
        state = _meaning(vocabulary, label) or _meaning(vocabulary, short)
        if state is not None and plain(short) not in vocabulary.other_words:
            told = phases.setdefault(state, [])
            if value not in told:
                told.append(value)
        elif any(plain(text) in vocabulary.other_words for text in (label, short)) or _is_passive(vocabulary, short):
            passive.append(str(value))
        elif str(value).strip():
            unclear.append(str(value))
    for value in [v for told in phases.values() for v in told]:
        state, other = next(s for s in phases if value in phases[s]), vocabulary.otherwise.get(plain(str(value)))
        if other and other is not state and len(phases[state]) > 1:
            phases[state].remove(value)
            phases.setdefault(other, []).insert(0, value)
    if State.RUNNING not in phases:  # an unknown word by its ending: `dubbing`
        doing = [w for w in unclear if w.isascii() and w.lower().endswith("ing") and w.lower() != _PLACEHOLDER]
        if doing:
            phases[State.RUNNING] = list(doing)
            unclear = [word for word in unclear if word not in doing]
    for state in _ENDS & phases.keys():  # a plain word says more than that of a step (`UploadComplete`)
        phases[state].sort(key=lambda word: _plainness(vocabulary, labels.get(word, str(word))))
    if State.SUCCEEDED not in phases:  # `TERMINATED` may be how any job ends
        told = [w for w in phases.get(State.CANCELLED, []) if plain(str(w)) in vocabulary.over]
        if told:
            phases[State.SUCCEEDED] = told
            phases[State.CANCELLED] = [w for w in phases[State.CANCELLED] if w not in told]
            if not phases[State.CANCELLED]:
                del phases[State.CANCELLED]
    over = [w for w in phases.get(State.SUCCEEDED, []) if plain(str(w)) in vocabulary.over]
    if over and State.FAILED not in phases and len(over) == len(phases[State.SUCCEEDED]):
        phases[State.FAILED] = [over[0]]
    ordered = {state: tuple(phases[state]) for state in State if state in phases}
    return Words(ordered, tuple(unclear), tuple(passive), evidence, _sureness(ordered, unclear, passive))


def _plainness(vocabulary: Vocabulary, label: str) -> int:
    """0 for a word that is known as a whole, 1 for one that speaks of the job, 2 for others."""
    return 0 if plain(label) in vocabulary.states else 1 if vocabulary.job_nouns & set(pieces(label)) else 2


def _is_passive(vocabulary: Vocabulary, word: str) -> bool:
    return any(part in vocabulary.other_words for part in pieces(word))


def _shared_start(labels: list[str]) -> int:
    """How many parts all labels begin with (`JOB_STATE_RUNNING`, `JOB_STATE_FAILED`: two)."""
    if len(labels) < 2:
        return 0
    split = [pieces(label) for label in labels]
    shared = 0
    for tokens in zip(*split, strict=False):
        if len(set(tokens)) > 1:
            break
        shared += 1
    return min(shared, min(len(parts) for parts in split) - 1) if shared else 0


def _sureness(phases: Mapping[State, Any], unclear: list[str], passive: list[str]) -> float:
    begins = State.QUEUED in phases or State.RUNNING in phases
    fails = any(state in phases for state in (State.FAILED, State.CANCELLED, State.EXPIRED))
    if State.SUCCEEDED in phases:
        found = 1.0 if begins and fails else 0.8 if begins else 0.4 if fails else 0.2
    elif begins and fails:
        found = 0.5 if len(unclear) == 1 or passive else 0.4
    else:
        found = 0.2 if begins or fails else 0.0
    known = len(phases) + len(passive)
    return found * (1.0 if len(unclear) <= known else known / len(unclear) if unclear else 1.0)
