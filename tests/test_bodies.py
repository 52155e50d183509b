"""The bodies that a check sends: cheap ones, bare ones, others, and ones that are wrong or at a bound in one place."""

import pytest

from contract_tests.contract import load_contract
from contract_tests.playing.bodies import LONG, Bodies
from contract_tests.playing.calls import Calls, creates_of

PICTURES = load_contract("tests/documents/pictures.yaml")
CALLS = Calls(PICTURES)
((PART, MEDIA, BODY),) = creates_of(CALLS, PICTURES.resources[0])
SCHEMA = PART.operation.body[MEDIA]["schema"]


@pytest.fixture
def bodies() -> Bodies:
    return CALLS.bodies


def test_a_bare_body_leaves_all_to_the_defaults(bodies: Bodies) -> None:
    assert set(BODY) == {"model", "prompt", "n"}
    assert set(bodies.bare(SCHEMA, BODY)) == {"model", "prompt"}


def test_other_values_are_valid_differ_and_cost_no_more_results(bodies: Bodies) -> None:
    varied = bodies.varied(SCHEMA, BODY)
    assert varied is not None
    assert bodies.is_valid(SCHEMA, varied)
    assert (varied["model"], varied["n"]) == (BODY["model"], BODY["n"])
    assert varied["output_format"] == "jpeg"
    assert len({varied["width"], varied["height"], 512}) == 3  # neither the default, nor alike
    assert BODY["prompt"] in varied["prompt"]
    assert LONG - 100 < len(varied["prompt"]) <= LONG


def test_what_is_at_a_bound_is_valid(bodies: Bodies) -> None:
    found = bodies.at_bounds(SCHEMA, BODY, is_form=False)
    assert all(bodies.is_valid(SCHEMA, each.body) and not each.is_refused for each in found)
    told = {each.detail for each in found}
    assert {"width: its minimum", "width: its maximum", "prompt: as long as its maxLength"} <= told
    assert "output_format: the last word of its enum" in told
    assert not [detail for detail in told if detail.startswith(("model", "n:"))]  # which cost more


def test_each_field_is_broken_once_before_any_is_broken_twice(bodies: Bodies) -> None:
    found = bodies.broken(SCHEMA, BODY, is_form=False)
    assert not [each.detail for each in found if bodies.is_valid(SCHEMA, each.body)]
    names = [each.detail.partition(":")[0] for each in found]
    properties = {"model", "prompt", "negative_prompt", "width", "height", "n", "output_format", "seed"}
    assert set(names[: len(properties)]) == properties
    assert "width: between its steps" in {each.detail for each in found}
    assert "n: a number in quotes" in {each.detail for each in found}


def test_null_is_tried_of_fields_that_the_body_does_not_have(bodies: Bodies) -> None:
    odd = {each.detail: each for each in bodies.odd(SCHEMA, BODY, is_form=False)}
    assert odd["null: prompt"].is_refused
    assert not odd["null: negative_prompt"].is_refused


def test_a_follow_up_says_something_else(bodies: Bodies) -> None:
    again = bodies.reworded(SCHEMA, BODY)
    assert again["prompt"] != BODY["prompt"]
    assert bodies.is_valid(SCHEMA, again)
