"""Comparing two contracts: where a client that was written for one breaks on the other, and what that costs."""

from functools import cache
from pathlib import Path

import pytest

from contract_tests.comparing import TITLES, Difference, Effect, compare
from contract_tests.finding import Severity
from mockserver.errors import DocumentError
from mockserver.loading.providers import bundled_names

REFERENCE = "openai"


@cache
def differences(a: str, b: str = REFERENCE) -> tuple[Difference, ...]:
    return tuple(compare(a, b))


def told(a: str, code: str) -> list[str]:
    return [each.message for each in differences(a) if each.code == code]


@pytest.mark.parametrize("name", bundled_names())
def test_a_contract_is_like_itself(name: str) -> None:
    assert compare(name, name) == []


def test_the_worst_comes_first() -> None:
    for name in bundled_names():
        effects = [list(Effect).index(each.effect) for each in differences(name)]
        assert effects == sorted(effects)


def test_another_word_for_success_is_a_job_that_is_paid_for_and_lost() -> None:
    worst = differences("hingnet-sora")[0]
    assert (worst.code, worst.effect) == ("CMP010", Effect.COSTS)
    assert "`success`, expected `completed`" in worst.message
    assert "paid for" in worst.message


def test_another_word_for_work_lets_the_poll_helper_leave_early() -> None:
    found = [each for each in differences("hingnet-sora") if "`processing`" in each.message]
    assert [(each.code, each.effect) for each in found] == [("CMP010", Effect.SILENT)]
    assert "leaves at once" in found[0].message


def test_both_sides_show_their_clause() -> None:
    word = next(each for each in differences("hingnet-sora") if each.code == "CMP010")
    assert word.here is not None
    assert word.there is not None
    assert word.here.file.endswith("hingnet-sora/openapi.yaml")
    assert word.there.file.endswith("openai/openapi.yaml")
    assert "enum" in word.here.quote
    assert "enum" in word.there.quote
    for name in bundled_names():
        for each in differences(name):
            assert each.here or each.there, each
            assert (each.here or each.there).line, each  # type: ignore[union-attr]


def test_seconds_as_a_number_are_refused_on_the_way_in_and_misread_on_the_way_out() -> None:
    assert "`seconds` is sent as string; integer is taken." in told("hingnet-veo", "CMP006")
    assert "`seconds` is integer, expected string." in told("hingnet-veo", "CMP021")


def test_what_the_reference_offers_and_a_gateway_does_not() -> None:
    missing = " ".join(told("hingnet-veo", "CMP001"))
    for operation in ("DELETE /videos/{video_id}", "GET /videos (list)", "POST /videos/{video_id}/remix"):
        assert operation in missing
    assert "`size` refuses `1024x1792`, `1792x1024`" in " ".join(told("hingnet-veo", "CMP007"))
    assert any(text.startswith("`model` is required") for text in told("hingnet-veo", "CMP005"))


def test_a_list_without_its_end_lets_a_client_stop_after_one_page() -> None:
    found = [each for each in differences("hingnet-sora") if each.code == "CMP041"]
    assert {each.message.partition(" ")[0] for each in found} == {"`has_more`", "`last_id`"}
    assert {each.effect for each in found} == {Effect.SILENT}


def test_a_contract_of_another_family_differs_in_everything() -> None:
    codes = {each.code for each in differences("aitoearn")}
    assert codes >= {"CMP001", "CMP002", "CMP003", "CMP004", "CMP008", "CMP010", "CMP020", "CMP023", "CMP024", "CMP030",
                     "CMP040", "CMP041", "CMP051", "CMP060"}  # fmt: skip
    assert any("`after`" in text and "again and again" in text for text in told("aitoearn", "CMP003"))
    assert any("`seconds`" in text and "`duration`" in text for text in told("aitoearn", "CMP004"))
    assert told("aitoearn", "CMP060") == ["The key goes into header X-Api-Key, expected Authorization: Bearer."]
    assert told("aitoearn", "CMP023") == ["The job stands at /data, expected at the top: every field of it is missing."]
    assert "`created_at` is called `submittedAt`." in told("aitoearn", "CMP024")


def test_a_result_without_its_download_is_money_lost() -> None:
    lost = [each for each in differences("agicto-sora") if each.code == "CMP030"]
    assert [each.effect for each in lost] == [Effect.COSTS]
    assert "`video_url`" in lost[0].message
    assert any("failed cannot be told" in text for text in told("agicto-sora", "CMP011"))


def test_it_is_not_the_same_the_other_way_round() -> None:
    there = {each.code for each in differences("hingnet-veo")}
    back = {each.code for each in differences(REFERENCE, "hingnet-veo")}
    assert "CMP001" in there  # the gateway lacks operations
    assert "CMP001" not in back
    assert "CMP006" in back  # and the reference refuses what the gateway's clients send


def test_what_is_published_differs_more_than_what_overlays_make_of_it() -> None:
    raw = compare("hingnet-sora", REFERENCE, raw=True)
    assert any("`id` may be left out" in each.message for each in raw)
    assert not any("`id` may be left out" in each.message for each in differences("hingnet-sora"))


def test_a_difference_is_a_finding_for_the_writers() -> None:
    for name in bundled_names():
        for each in differences(name):
            finding = each.finding(f"mockserver compare {name} {REFERENCE}")
            assert finding.code in TITLES
            assert finding.title == TITLES[finding.code]
            assert finding.severity is each.effect.severity
            assert finding.clause is not None
            assert finding.repeat
    costly = differences("hingnet-sora")[0].finding()
    assert costly.severity is Severity.SILENT
    assert "openai/openapi.yaml:" in costly.message


def test_unknown_words_of_a_free_status_are_told(tmp_path: Path) -> None:
    """A status of any text: nobody knows what comes."""
    found = [each for each in compare("aitoearn", REFERENCE, raw=True) if each.code == "CMP010"]
    assert [each.effect for each in found] == [Effect.SILENT]
    assert "not told" in found[0].message


def test_documents_of_any_kind_can_be_compared() -> None:
    folder = Path(__file__).parent / "documents"
    for path in folder.glob("*"):
        for each in compare(str(path), REFERENCE):
            assert each.message.endswith("."), each


def test_a_name_of_nothing_is_refused() -> None:
    with pytest.raises(DocumentError, match="no such file"):
        compare("nothing-of-this-name", REFERENCE)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("CMP006", "`input_reference` is sent as object; array is taken"),  # one object, or a list of links
        ("CMP007", "`model` takes"),  # the models of the one, of the other
        ("CMP007", "`seconds` refuses `12`; it takes `4`, `6`, `8`"),
        ("CMP006", "`seconds` may be sent as string"),
        ("CMP007", "`size` refuses `1024x1792`, `1792x1024`"),
        ("CMP007", "`size` left out means 1280x720, and 720x1280"),
        ("CMP010", "`completed`, expected `success`"),
        ("CMP005", "`model` is required"),
        ("CMP021", "`seconds` is integer, expected string"),
    ],
)
def test_a_page_that_shows_two_contracts_at_once(code: str, words: str) -> None:
    """Its prose and its panel are two providers here; what people found wrong with the page is how these differ."""
    found = [each for each in differences("hingnet-veo", "hingnet-sora") if each.code == code]
    assert any(words in each.message for each in found), [each.message for each in found]
