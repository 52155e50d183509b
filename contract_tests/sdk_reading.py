"""What a client library makes of an answer: read by its own models, and compared with what was sent.

Which library and which models is declared by the contract (`x-job.sdk`). It is imported late, by name, and only where
it is an installed distribution: a spec cannot have any other code run.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import packages_distributions
from typing import Any, Final

from mockserver.errors import MockserverError
from mockserver.jobs.resource import Action, Sdk

ABSENT: Final = object()
MAX_DEPTH = 12  # of models in models
MAX_ITEMS = 50  # of one list are looked at
MAX_SHOWN = 80  # characters of a value in a message


class SdkMissing(MockserverError):
    """The library is not installed, or has not what is declared of it."""


@dataclass(frozen=True, slots=True)
class Misread:
    """One thing that the library makes of an answer and that is not what its models promise.

    `kind`: `lost` (None where the model promises a value), `type`, `literal` (a value outside its Literal),
    `exception`, `page` (a list without its items). `path` leads into the answer, `*` standing for items; `value` is
    what came out.
    """

    kind: str
    path: tuple[str, ...]
    message: str
    value: Any = None


@dataclass(slots=True)
class Reader:
    """One library. Raises SdkMissing where a model is not to be had."""

    sdk: Sdk
    _models: dict[str, Any] = field(default_factory=dict)
    _adapters: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.sdk.package.partition(".")[0] not in packages_distributions():
            raise SdkMissing(f"the Python package `{self.sdk.package}` is not installed")

    def answer(self, action: Action, body: Any) -> Iterator[Misread]:
        """What is misread of an answer of an action; nothing where no model is declared for it."""
        if action is Action.LIST and self.sdk.page:
            yield from self._page(body)
        elif name := self.sdk.models.get(action):
            yield from self._read(self._model(name), body)

    def error(self, body: Any) -> Any:
        """The error that a client holds after a refusal: its model, or None where none is declared or can be made."""
        if not self.sdk.error:
            return None
        told = body
        for token in self.sdk.error_at:
            told = told.get(token) if isinstance(told, dict) else None
        told = body if told is None else told
        if not isinstance(told, dict):
            return None
        try:
            return self._parsed(self._model(self.sdk.error), told)
        except SdkMissing:
            raise
        except Exception:  # whatever it is, the client has no error to look at
            return None

    def leads_on(self, body: Any) -> bool | None:
        """Whether a page tells of a next one; None where that cannot be asked."""
        if not self.sdk.page or not self.sdk.next_page or not isinstance(body, dict):
            return None
        try:
            return getattr(self._parsed(self._page_model, body), self.sdk.next_page)() is not None
        except SdkMissing:
            raise
        except Exception:
            return None

    # -- parts ----------------------------------------------------------------------------------------

    @property
    def _page_model(self) -> Any:
        page, item = self._model(self.sdk.page), self.sdk.models.get(Action.LIST)
        return page[self._model(item)] if item else page

    def _page(self, body: Any) -> Iterator[Misread]:
        if not isinstance(body, dict):
            yield from self._read(self._page_model, body)
            return
        found = list(self._read(self._page_model, body))
        yield from found
        item = self.sdk.models.get(Action.LIST)
        if item and not any(each.kind == "exception" for each in found):
            made = self._parsed(self._page_model, body)
            model = self._model(item)
            lists = [value for name in type(made).model_fields if isinstance(value := getattr(made, name, None), list)]
            if not any(isinstance(each, model) for value in lists for each in value):
                yield Misread("page", (), "its page holds no job")

    def _model(self, name: str) -> Any:
        if name not in self._models:
            module, _, attribute = name.partition(":")
            try:
                found = getattr(import_module(module), attribute)
            except (ImportError, AttributeError) as error:
                raise SdkMissing(f"the installed `{self.sdk.package}` has no {name} ({error})") from None
            if not isinstance(getattr(found, "model_fields", None), dict):
                raise SdkMissing(f"{name} is no model whose fields can be read")
            self._models[name] = found
        return self._models[name]

    def _parsed(self, model: Any, body: Any) -> Any:
        parse = getattr(model, self.sdk.parse, None)
        if parse is None:
            raise SdkMissing(f"`{self.sdk.package}`: its models have no {self.sdk.parse}")
        # A model made field by field takes fields; one that validates takes the whole.
        return parse(body) if self.sdk.parse.startswith("model_validate") else parse(**body)

    def _read(self, model: Any, body: Any) -> Iterator[Misread]:
        if not isinstance(body, dict):
            yield Misread("exception", (), f"it has {_shown(body)}, and cannot make a {model.__name__} of it", body)
            return
        try:
            made = self._parsed(model, body)
        except SdkMissing:
            raise
        except Exception as error:
            yield Misread("exception", (), f"it fails with {type(error).__name__}: {str(error)[:200]}")
            return
        yield from self._compared(made, body, (), 0)

    def _compared(self, made: Any, sent: Any, path: tuple[str, ...], depth: int) -> Iterator[Misread]:
        if depth > MAX_DEPTH:
            return
        if isinstance(made, list):
            for index, each in enumerate(made[:MAX_ITEMS]):
                told = sent[index] if isinstance(sent, list) and index < len(sent) else ABSENT
                yield from self._compared(each, told, (*path, "*"), depth + 1)
            return
        fields = getattr(type(made), "model_fields", None)
        if not isinstance(fields, dict) or not isinstance(sent, dict):
            return
        for name, known in fields.items():
            key = known.alias or name
            value, told = getattr(made, name, None), sent.get(key, ABSENT)
            here = (*path, key)
            if value is None and told is not None:
                if told is not ABSENT:
                    yield Misread("lost", here, f"`{key}` is None; {_shown(told)} was sent", None)
                elif known.is_required():
                    yield Misread("lost", here, f"`{key}` is None; nothing was sent", None)
            else:
                problem = self._problem(type(made), name, known, value)
                if problem is not None:
                    yield Misread(problem[0], here, f"`{key}` is {_shown(value)}, {problem[1]}", value)
                yield from self._compared(value, told, here, depth + 1)

    def _problem(self, model: Any, name: str, known: Any, value: Any) -> tuple[str, str] | None:
        """Why a value is not what its field promises, if it is not: the kind, and what is promised."""
        place = f"{model.__module__}:{model.__qualname__}.{name}"
        if place not in self._adapters:
            self._adapters[place] = self._pydantic.TypeAdapter(known.annotation)
        try:
            self._adapters[place].validate_python(value, strict=True)
        except self._pydantic.ValidationError as error:
            faults = error.errors(include_url=False, include_input=False)
        else:
            return None
        if all(len(each["loc"]) and isinstance(each["loc"][0], int) for each in faults):
            return None  # items, which are looked at themselves
        if faults and all(each["type"] == "literal_error" for each in faults):
            return "literal", f"none of {faults[0]['ctx']['expected']}"
        promised = getattr(known.annotation, "__name__", "") if isinstance(known.annotation, type) else ""
        return "type", f"of type {type(value).__name__}; its type is {promised or _plain(known.annotation)}"

    @property
    def _pydantic(self) -> Any:
        try:
            return import_module("pydantic")
        except ImportError:
            raise SdkMissing("pydantic is not installed, by which the fields of models are read") from None


def _plain(annotation: Any) -> str:
    return str(annotation).replace("typing.", "").replace("typing_extensions.", "")[:MAX_SHOWN]


def _shown(value: Any) -> str:
    text = f"`{value}`" if isinstance(value, str) else repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"
