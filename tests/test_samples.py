"""Samples: valid against their schema whatever that asks for, sensible by their names, the same for the same seed."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mockserver.engine.sampling import Sampler, sample
from mockserver.errors import DocumentError
from mockserver.loading.providers import load_vocabulary
from mockserver.openapi.document import Document
from mockserver.openapi.schema import Validator

VOCABULARY = load_vocabulary()


def document(version: str = "3.1.0", **schemas: Any) -> Document:
    return Document({"openapi": version, "paths": {}, "components": {"schemas": schemas}}, "api.yaml")


def draw(schema: Any, turn: str = "", version: str = "3.1.0", seed: str = "7", name: str = "", **schemas: Any) -> Any:
    made = document(version, **schemas)
    value = Sampler(made, schema, vocabulary=VOCABULARY, seed=seed, name=name).draw(turn)
    assert Validator(made, schema, "response").is_valid(value), (schema, value)
    return value


def field(name: str, schema: Any, **options: Any) -> Any:
    return draw({"type": "object", "properties": {name: schema}}, **options)[name]


SCHEMAS: dict[str, Any] = {
    "a bound that is excluded": {"type": "integer", "exclusiveMinimum": 4, "exclusiveMaximum": 6},
    "a narrow number": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001},
    "a multiple": {"type": "integer", "minimum": 100, "multipleOf": 7},
    "a multiple of a hundredth": {"type": "number", "minimum": 0.015, "maximum": 0.025, "multipleOf": 0.01},
    "a negative number": {"type": "number", "maximum": -5},
    "a text of a length": {"type": "string", "minLength": 40, "maxLength": 40},
    "a text without characters": {"type": "string", "maxLength": 0},
    "a pattern": {"type": "string", "pattern": "^vs_[A-Za-z0-9]{24}$"},
    "a pattern and a length": {"type": "string", "pattern": "^[A-Z]+$", "minLength": 30, "maxLength": 32},
    "a pattern of JavaScript": {"type": "string", "pattern": r"^(?<year>\d{4})-\d{2}$"},
    "a pattern of letters": {"type": "string", "pattern": r"^\p{L}{3,8}$"},
    "distinct words": {"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 3, "uniqueItems": True},
    "distinct numbers": {"type": "array", "items": {"type": "integer"}, "minItems": 20, "uniqueItems": True},
    "distinct texts": {"type": "array", "items": {"type": "string"}, "minItems": 20, "uniqueItems": True},
    "distinct objects": {
        "type": "array",
        "minItems": 5,
        "uniqueItems": True,
        "items": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
    },
    "a tuple": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False},
    "a list that contains": {"type": "array", "items": {"type": "integer"}, "contains": {"minimum": 90}},
    "a map": {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 3},
    "a map with named keys": {
        "type": "object",
        "propertyNames": {"pattern": "^[a-z]{2}$"},
        "additionalProperties": {"type": "integer"},
        "minProperties": 2,
    },
    "a map by pattern": {
        "type": "object",
        "patternProperties": {"^x-[a-z]+$": {"type": "boolean"}},
        "additionalProperties": False,
        "minProperties": 1,
    },
    "few properties": {"type": "object", "properties": {n: {"type": "string"} for n in "abcdef"}, "maxProperties": 2},
    "bounds that meet": {"allOf": [{"type": "number", "minimum": 3}, {"type": "integer", "maximum": 3}]},
    "words that meet": {"allOf": [{"enum": ["a", "b"]}, {"enum": ["b", "c"]}]},
    "exactly one": {"oneOf": [{"type": "number"}, {"type": "integer"}]},
    "exactly one text": {"oneOf": [{"type": "string", "maxLength": 9}, {"type": "string", "minLength": 3}]},
    "exactly one object": {
        "oneOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"type": "object", "properties": {"b": {"type": "integer"}}, "required": ["b"]},
        ]
    },
    "exactly one of two that look alike": {
        "oneOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}},
            {"type": "object", "properties": {"b": {"type": "integer"}}},
        ]
    },
    "null alone": {"type": "null"},
    "nothing but null": {"anyOf": [{"type": "null"}]},
    "not a word": {"type": "string", "enum": ["a", "b"], "not": {"const": "a"}},
    "not together": {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "not": {"required": ["a", "b"]},
    },
    "if then": {
        "type": "object",
        "properties": {"kind": {"enum": ["x", "y"]}, "size": {"type": "integer"}},
        "required": ["kind"],
        "if": {"properties": {"kind": {"const": "x"}}},
        "then": {"required": ["size", "more"], "properties": {"size": {"minimum": 50}}},
    },
    "depending": {
        "type": "object",
        "properties": {"card": {"type": "string"}},
        "dependentRequired": {"card": ["address"]},
    },
    "an example that is wrong": {"type": "integer", "example": "ten", "minimum": 4},
    "an example inside that is wrong": {
        "type": "object",
        "example": {"a": "x", "b": "kept"},
        "properties": {"a": {"type": "integer"}, "b": {"type": "string"}},
    },
    "closed": {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False},
    "a number of any type": {"minimum": 3},
    "anything": {},
    "everything": True,
}


@pytest.mark.parametrize("turn", ["", "1", "2"])
@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_a_sample_is_valid(schema: Any, turn: str) -> None:
    draw(schema, turn)


def test_both_spellings_of_an_excluded_bound() -> None:
    assert draw({"type": "integer", "minimum": 4, "exclusiveMinimum": True}, version="3.0.3") > 4
    assert draw({"type": "number", "maximum": 0, "exclusiveMaximum": True}, version="3.0.3") < 0


def test_a_schema_that_holds_itself_is_cut_off() -> None:
    node = {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string"},
            "children": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}},
            "parent": {"$ref": "#/components/schemas/Node"},
        },
    }
    value = draw({"$ref": "#/components/schemas/Node"}, Node=node)
    assert value["children"] == []
    assert "parent" not in value


def test_a_discriminator_has_the_word_of_its_branch() -> None:
    cat = {"type": "object", "properties": {"kind": {"type": "string"}, "lives": {"type": "integer"}}}
    schema = {
        "oneOf": [{"$ref": "#/components/schemas/Cat"}],
        "discriminator": {"propertyName": "kind", "mapping": {"feline": "#/components/schemas/Cat"}},
    }
    assert draw(schema, Cat=cat)["kind"] == "feline"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "minimum": 5, "maximum": 4},
        {"allOf": [{"type": "string"}, {"type": "integer"}]},
        {"type": "object", "required": ["a"], "properties": {"a": {"not": {}}}},
        {"type": "string", "pattern": "^a$", "minLength": 2},
        False,
    ],
)
def test_what_cannot_be_satisfied_is_said_with_its_place(schema: Any) -> None:
    with pytest.raises(DocumentError, match=r"no value is found that its schema allows \("):
        draw(schema)


# -- sense -----------------------------------------------------------------------------------------------


def test_names_have_values_that_make_sense() -> None:
    assert "@" in field("billing_email", {"type": "string"})
    assert field("websiteUrl", {"type": "string"}).startswith("https://")
    assert field("created_at", {"type": "string"}).endswith("Z")
    assert field("createdAt", {"type": "integer"}) > 1_700_000_000
    assert field("created_at_ms", {"type": "integer"}) == 1000 * field("created_at", {"type": "integer"})
    assert field("count", {"type": "integer"}) > 0
    assert 0 < field("confidence", {"type": "number"}) < 1
    assert field("file_id", {"type": "string"}).startswith("file_")
    assert field("created_at", {"type": "string"}) < field("expires_at", {"type": "string"})
    assert field("percent", {"type": "integer", "maximum": 5}) <= 5, "the schema says more than the name"


def test_a_type_that_is_told_in_words_is_used() -> None:
    told = {"type": "string", "description": "The type of this object (`storage.file`)."}
    assert field("object", told) == "storage.file"
    assert field("type", {"type": "string", "description": "What it is."}) != "storage.file"


def test_a_made_up_list_has_one_page() -> None:
    properties = {
        "has_more": {"type": "boolean"},
        "next_cursor": {"type": ["string", "null"]},
        "next_page_token": {"type": "string"},
    }
    assert draw({"type": "object", "properties": properties}) == {"has_more": False, "next_cursor": None}
    needed = {"type": "object", "properties": properties, "required": ["next_page_token"]}
    assert draw(needed, "1")["next_page_token"] == ""


def test_the_documents_own_values_come_first() -> None:
    assert draw({"type": "string", "example": "Tom"}) == "Tom"
    assert draw({"type": "string", "examples": ["Tim", "Tom"]}) == "Tim"
    assert draw({"type": "integer", "default": 12}) == 12
    assert draw({"type": "string", "enum": ["b", "a"]}) == "b"
    kept = draw(SCHEMAS["an example inside that is wrong"])
    assert kept["b"] == "kept", "only the wrong part of an example is replaced"


def test_optional_fields_are_given_and_deprecated_ones_are_not() -> None:
    properties = {
        "a": {"type": "string"},
        "old": {"type": "string", "deprecated": True},
        "secret": {"type": "string", "writeOnly": True},
    }
    assert set(draw({"type": "object", "properties": properties})) == {"a"}


@pytest.mark.parametrize(("wish", "looks"), [("name.firstName", str.istitle), ("first_name", str.istitle),
                                             ("internet.email", lambda text: "@" in text)])  # fmt: skip
def test_x_faker_is_followed_in_both_spellings(wish: str, looks: Any) -> None:
    value = field("x", {"type": "string", "x-faker": wish})
    assert looks(value)
    assert value == field("x", {"type": "string", "x-faker": wish})
    assert value != field("x", {"type": "string", "x-faker": wish}, seed="8")


def test_an_unknown_x_faker_is_passed_over() -> None:
    assert field("email", {"type": "string", "x-faker": "seed_instance"}).endswith("example.com")


# -- the seed --------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_value_and_turns_give_others() -> None:
    schema = {"type": "object", "properties": {"id": {"type": "string", "format": "uuid"}, "n": {"type": "integer"}}}
    assert draw(schema) == draw(schema)
    assert draw(schema) != draw(schema, seed="8")
    assert draw(schema, "1") == draw(schema, "1")
    turns = [draw(schema, str(turn)) for turn in range(20)]
    assert len({str(turn) for turn in turns}) == 20


def test_turns_vary_words_numbers_and_lengths() -> None:
    schema = {"type": "array", "items": {"enum": ["a", "b", "c"]}, "maxItems": 5}
    assert {len(draw(schema, str(turn))) for turn in range(30)} >= {1, 2, 3}
    assert {draw({"enum": ["a", "b", "c"], "default": "a"}, str(turn)) for turn in range(30)} == {"a", "b", "c"}
    numbers = {draw({"type": "integer", "minimum": 3, "maximum": 6}, str(turn)) for turn in range(60)}
    assert numbers == {3, 4, 5, 6}


# -- any schema ------------------------------------------------------------------------------------------

NUMBERS = st.builds(
    lambda kind, low, width, step: {"type": kind, "minimum": low, "maximum": low + width, **step},
    st.sampled_from(["integer", "number"]),
    st.integers(-100, 100),
    st.integers(10, 50),
    st.sampled_from([{}, {"multipleOf": 3}, {"multipleOf": 0.5}, {"exclusiveMaximum": 1000}]),
)
TEXTS = st.builds(
    lambda least, more, extra: {"type": "string", "minLength": least, "maxLength": least + more, **extra},
    st.integers(0, 30),
    st.integers(0, 20),
    st.sampled_from([{}, {"pattern": "^[a-z ]*$"}, {"pattern": "[0-9a-z]*"}]),
)
FORMATS = st.sampled_from(["date-time", "date", "time", "uuid", "uri", "email", "ipv4", "ipv6", "hostname", "duration"])
LEAVES = st.one_of(
    NUMBERS,
    TEXTS,
    FORMATS.map(lambda form: {"type": "string", "format": form}),
    st.lists(st.sampled_from(["a", "b", 1, 2.5, True]), min_size=1, max_size=4).map(lambda words: {"enum": words}),
    st.just({"type": ["null", "boolean"]}),
    st.just({}),
)


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(["id", "name", "email", "count", "createdAt", "tags", "x", "price"])
    objects = st.builds(
        lambda properties, required, more: {
            "type": "object",
            "properties": properties,
            "required": sorted(required & properties.keys()),
            **more,
        },
        st.dictionaries(names, inner, max_size=4),
        st.sets(names),
        st.sampled_from([{}, {"additionalProperties": False}, {"additionalProperties": {"type": "integer"}}]),
    )
    arrays = st.builds(
        lambda items, least: {"type": "array", "items": items, "minItems": least, "maxItems": least + 2},
        inner,
        st.integers(0, 3),
    )
    kinds = [{"properties": {"kind": {"const": word}}, "required": ["kind"]} for word in "ab"]
    choices = st.builds(
        lambda first, second: {"oneOf": [{"allOf": [first, kinds[0]]}, {"allOf": [second, kinds[1]]}]},
        inner.map(lambda schema: {"type": "object", "properties": {"x": schema}}),
        inner.map(lambda schema: {"type": "object", "properties": {"y": schema}, "required": ["y"]}),
    )
    loose = st.lists(inner, min_size=1, max_size=3).map(lambda options: {"anyOf": options})
    return st.one_of(objects, arrays, choices, loose)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.recursive(LEAVES, _objects, max_leaves=8), st.sampled_from(["", "1"]))
def test_any_schema_has_a_valid_sample(schema: Any, turn: str) -> None:
    draw(schema, turn)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.recursive(LEAVES, _objects, max_leaves=6))
def test_the_least_sample_is_valid_too(schema: Any) -> None:
    made = document()
    assert Validator(made, schema, "response").is_valid(sample(made, schema))
