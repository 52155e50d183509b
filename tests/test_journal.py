"""The journal as it is shown: chosen by filters, as JSON and as HAR, and never with a secret in it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus

import harfile
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from in_process import KEY, Service, start

from mockserver.instants import write_instant
from mockserver.masking import Masking, mask
from mockserver.sandbox.har import as_har
from mockserver.sandbox.journal import Entry, Journal
from mockserver.sandbox.sandbox import Sandbox
from mockserver.sandbox.showing import Filter, entry_data, matches

KEYS = frozenset({KEY})


@pytest.fixture
def service() -> Service:
    return start("openai")


def sandbox_of(service: Service, key: str = KEY) -> Sandbox:
    found: Sandbox = service.client._transport.app.sandboxes.of(key)  # type: ignore[attr-defined]
    return found


def journal_of(service: Service, key: str = KEY) -> Journal:
    return sandbox_of(service, key).journal


def last(service: Service, key: str = KEY) -> Entry:
    return [*journal_of(service, key)][-1]


def shown(service: Service) -> dict[str, Any]:
    return entry_data(last(service), keys=KEYS)


def texts_of(value: Any) -> Iterator[str]:
    """All texts of a JSON value, names of fields too."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from texts_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_of(inner)
    elif isinstance(value, (str, int, float)):
        yield str(value)


# -- an entry ---------------------------------------------------------------------------------------


def test_an_exchange_is_shown_whole(service: Service) -> None:
    service.clock.advance(90)
    id = service.post("/videos", json={"prompt": "a cat", "seconds": "8"}).json()["id"]
    data = shown(service)
    assert data["number"] == 1
    assert data["now"] == write_instant(service.clock.now())
    assert data["real"] != data["now"]
    assert (data["provider"], data["operation"], data["action"]) == ("openai", "POST /videos", "create")
    assert (data["method"], data["path"], data["query"], data["url"]) == ("POST", "/videos", "", "/videos")
    assert data["request"]["body"] == {"prompt": "a cat", "seconds": "8"}
    assert data["request"]["headers"]["authorization"] == f"Bearer {mask(KEY)}"
    assert (data["status"], data["answer"]["body"]["id"]) == (200, id)
    assert data["job"] == {"id": id, "state": "queued"}
    assert (data["refusal"], data["violations"], data["fault"], data["truncated"]) == (None, [], None, False)


def test_what_is_wrong_is_shown_as_objects(service: Service) -> None:
    service.post("/videos", json={"prompt": "a cat", "seconds": "7"})
    data = shown(service)
    assert (data["status"], data["refusal"], data["job"]) == (400, "invalid_request", None)
    [violation] = data["violations"]
    assert (violation["place"], violation["field"], violation["kind"]) == ("body", "seconds", "enum")


def test_forms_are_shown_by_field(service: Service) -> None:
    service.post(
        "/videos",
        data={"prompt": "a cat", "api_key": "abcdefghijklmnop"},
        files={"input_reference": ("cat.png", b"\x89PNG\r\n\x1a\n" + bytes(50), "image/png")},
    )
    data = shown(service)
    assert data["request"]["body"] is None
    assert data["request"]["form"] == [
        {"name": "prompt", "value": "a cat"},
        {"name": "api_key", "value": "abc***op"},
        {"name": "input_reference", "file": {"name": "cat.png", "type": "image/png", "bytes": 58}},
    ]
    service.post(
        "/videos",
        content="prompt=a+cat&password=hunter2",
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert shown(service)["request"]["form"][1] == {"name": "password", "value": "***"}


def test_what_is_no_json_is_text_and_what_is_no_text_is_counted(service: Service) -> None:
    service.post("/videos", content=b"{broken", headers={"content-type": "application/json"})
    assert shown(service)["request"]["body"] == "{broken"
    service.post("/videos", content=b"\x00\xff\xfe", headers={"content-type": "application/json"})
    assert shown(service)["request"]["body"] == {"bytes": 3}
    id = service.post("/videos", json={"prompt": "a cat"}).json()["id"]
    service.clock.advance(1000)
    film = service.get(f"/videos/{id}/content").content
    data = shown(service)
    assert data["answer"]["body"] == {"bytes": len(film)}
    assert (data["answer"]["truncated"], data["request"]["truncated"], data["truncated"]) == (True, False, True)


def test_what_was_cut_says_so(service: Service) -> None:
    service.post("/videos", json={"prompt": "c" * 20_000, "api_key": "abcdefghijklmnop"})
    data = shown(service)
    assert data["request"]["truncated"]
    assert data["truncated"]
    assert str(data["request"]["body"]).startswith('{"prompt":"ccc')
    service.get("/videos", params={"after": "x" * 3000})
    assert shown(service)["request"]["truncated"]


def test_deep_and_odd_json_is_shown_as_text(service: Service) -> None:
    service.post("/videos", content="[" * 500 + "]" * 500, headers={"content-type": "application/json"})
    assert shown(service)["request"]["body"] == "[" * 500 + "]" * 500


# -- filters ----------------------------------------------------------------------------------------


def test_entries_are_chosen_by_what_they_are(service: Service) -> None:
    id = service.post("/videos", json={"prompt": "a blue cat"}).json()["id"]
    service.get(f"/videos/{id}")
    service.clock.advance(60)
    service.get(f"/videos/{id}/content")
    service.get("/videos", params={"limit": "many"})
    entries = [*journal_of(service)]

    def numbers(**wanted: Any) -> list[int]:
        return [entry.number for entry in entries if matches(entry, Filter(**wanted))]

    assert numbers() == [1, 2, 3, 4]
    assert numbers(operation="GET /videos/{video_id}") == [2]
    assert numbers(action="content") == [3]
    assert numbers(provider="openai", method="get") == [2, 3, 4]
    assert numbers(provider="other") == []
    assert numbers(status=200) == numbers(status="2XX") == [1, 2]
    assert numbers(status="4xx") == [3, 4]
    assert numbers(status="404") == []
    assert numbers(job=id) == [1, 2, 3]
    assert numbers(refusal="invalid_request") == [4]
    assert numbers(since=2, until=3) == [2, 3]
    assert numbers(since=write_instant(service.clock.now())) == [3, 4]
    assert numbers(until=write_instant(service.clock.now() - 60)) == [1, 2]
    assert numbers(text="Blue Cat")[0] == 1
    assert numbers(text="limit=many") == [4]
    assert numbers(action="retrieve", status="4XX") == []
    assert numbers(scenario="x") == numbers(drift="x") == []


def test_scenarios_and_drifts_can_be_asked_for(service: Service) -> None:
    service.post("/videos", json={"prompt": "a cat"}, headers={"prefer": "scenario=never-ends"})
    entry = last(service)
    assert entry.scenarios == ("never-ends",)
    assert matches(entry, Filter(scenario="never-ends"))
    assert not matches(entry, Filter(scenario="fails-late"))
    assert matches(entry._replace(drifts=("x",)), Filter(drift="x"))


def test_what_is_masked_cannot_be_searched_for(service: Service) -> None:
    service.post("/videos", json={"prompt": f"the key is {KEY}"})
    entry = last(service)
    assert matches(entry, Filter(text="the key is"), keys=KEYS)
    assert not matches(entry, Filter(text=KEY[:12]), keys=KEYS)


@pytest.mark.parametrize("wrong", [{"status": "20"}, {"status": "9XX"}, {"status": "abc"}, {"since": "yesterday"}])
def test_a_filter_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Filter(**wrong)


# -- secrets ----------------------------------------------------------------------------------------

HIDDEN = "tr0ub4dor&3"


@pytest.mark.parametrize(
    "name",
    [
        "Authorization", "Proxy-Authorization", "X-Api-Key", "api-key", "X-Auth-Token", "x-secret", "X-Amz-Signature",
        "X-Amz-Credential", "Cookie", "Set-Cookie", "Own-Header",
    ],
)  # fmt: skip
def test_headers_that_carry_keys_are_masked(name: str) -> None:
    masked = Masking({"own-header"}).header(name, f"session={HIDDEN}; Path=/")
    assert HIDDEN not in masked


@pytest.mark.parametrize("name", ["Accept", "Idempotency-Key", "User-Agent", "Prefer", "x-keyboard", "x-tokens-left"])
def test_other_headers_are_shown(name: str) -> None:
    assert Masking().header(name, "plain") == "plain"


@pytest.mark.parametrize(
    "text",
    [
        f'{{"api_key": "{HIDDEN}"',
        f'{{"password":"{HIDDEN}"}}',
        f'{{"client_secret" : "a\\"{HIDDEN}"}}',
        f'"{{\\"accessToken\\": \\"{HIDDEN}\\"}}"',
        "https://u:tr0ub4dor@host/path",
        "see https://host/x?a=1&token=tr0ub4dor#top",
        "sk-tr0ub4dor_and_more",
        "the key sk_live_tr0ub4dor1 works",
        "whsec_tr0ub4dorABCDEFGH==",
        "Authorization: Bearer tr0ub4dor.and.more",
        "eyJhbGciOiJIUzI1NiJ9.tr0ub4dor.c2ln",
    ],
)
def test_what_looks_like_a_secret_is_masked_in_any_text(text: str) -> None:
    masked = Masking().text(text)
    assert "tr0ub4dor" not in masked
    assert "***" in masked


@pytest.mark.parametrize(
    "text",
    [
        "a task-based desk-top risk-averse ask-me-anything",
        "a monkey: eats=bananas",
        '{"prompt": "a secret garden", "max_tokens": 5, "next_page_token": "abc", "monkey": "x"}',
        "https://host/videos?after=video_123&limit=5",
        "key frames, token economy: password",
    ],
)
def test_what_does_not_is_shown(text: str) -> None:
    assert Masking().text(text) == text


def test_json_is_masked_by_the_names_of_its_fields() -> None:
    value = {
        "api_key": HIDDEN,
        "nested": [{"Password": HIDDEN, "token": {"value": HIDDEN, "kind": None}}],
        "secret": [HIDDEN, 5, True],
        "max_tokens": 12,
        "own": HIDDEN,
    }
    masked = Masking({"own"}).value(value)
    assert HIDDEN not in json.dumps(masked)
    assert masked["max_tokens"] == 12
    assert masked["secret"][1:] == [5, True]


def test_the_same_secret_looks_the_same_everywhere() -> None:
    secret = "abcdefghijklmnop"
    masking = Masking({"k"})
    looks = {
        masking.header("X-Api-Key", secret),
        masking.header("Authorization", f"Bearer {secret}").removeprefix("Bearer "),
        masking.query(f"k={secret}").removeprefix("k="),
        masking.header("Cookie", f"s={secret}").removeprefix("s="),
        masking.value({"password": secret})["password"],
        masking.text(f'{{"password":"{secret}"}}')[13:-2],
        masking.text(f"https://h/?token={secret}").rpartition("=")[2],
        Masking(keys={secret}).text(f"<{secret}>")[1:-1],
    }
    assert looks == {"abc***op"}


def test_half_a_key_at_a_cut_is_masked_too() -> None:
    masking = Masking(keys={KEY})
    assert masking.text(f"x {KEY[:14]}") == f"x {mask(KEY)}"
    assert masking.text(f"found '{KEY[:12]}… (90 characters)") == f"found '{mask(KEY)}… (90 characters)"


def test_short_keys_are_masked_where_they_are_words() -> None:
    masking = Masking(keys={"cat", "x", "!?"})
    assert masking.text("a cat concatenates x-ray x, really!?") == "a *** concatenates x-ray ***, really***"


ODD = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40)


def escaped(key: str) -> str:
    return "".join(f"\\u{ord(sign):04x}" for sign in key)


@given(
    key=ODD,
    left=st.text(max_size=4),
    right=st.text(max_size=4),
    way=st.integers(0, 2),
    body=st.integers(0, 5),
    kind=st.sampled_from([b"application/json", b"application/x-www-form-urlencoded", b"text/plain"]),
    has_form=st.booleans(),
)
def test_the_key_of_a_sandbox_never_appears(
    key: str, left: str, right: str, way: int, body: int, kind: bytes, has_form: bool
) -> None:
    """Wherever it stands, and however it is written there."""
    assume(key.strip("*"))
    keys = frozenset({key})
    own = entry_with("~absent~", left, right, way, body, kind, has_form)
    assume(not any(key in text for told in (entry_data(own), as_har([own])) for text in texts_of(told)))
    entry = entry_with(key, left, right, way, body, kind, has_form)
    for told in (entry_data(entry, keys=keys), as_har([entry], keys=keys)):
        for text in texts_of(told):
            assert key not in text
            assert key not in unquote_plus(text)


def entry_with(key: str, left: str, right: str, way: int, body: int, kind: bytes, has_form: bool) -> Entry:
    """An entry with a key in every place, written in one of the ways in which it may stand there."""
    around = f"{left}{key}{right}".encode("utf-8", "replace").decode()
    written = (around, f"{left}{quote(key, safe='')}{right}", f"{left}{escaped(key)}")[way]
    raw = written.encode("utf-8", "replace")
    bodies = [
        raw,
        json.dumps({"prompt": around, key: [around]}).encode(),
        json.dumps([json.dumps(around)]).encode(),
        b'{"prompt": "' + raw,
        quote_plus(around).encode(),
        f"a={quote_plus(around)}".encode(),
    ]
    return plain_entry()._replace(
        path=f"/videos/{quote(key, safe='')}/{written}",
        query=f"after={quote_plus(around)}&{quote_plus(key)}=1&q={written}",
        headers={
            b"x-odd": raw,
            b"host": b"mock.test",
            key.encode(): b"1",
            b"authorization": f"Bearer {key}".encode(),
            b"content-type": kind,
        },
        body=bodies[body],
        answer=json.dumps({"error": {"message": f"No {around}"}, "key": key}).encode(),
        answer_headers=[(b"location", f"/x?k={quote(key, safe='')}".encode()), (b"set-cookie", f"k={key}".encode())],
        form=((key, around), ("file", (around, "image/png", 5))) if has_form else None,
        violations=(("body", key, "enum", around, "else"),),
    )


def plain_entry() -> Entry:
    return Entry(
        1, 1_790_000_000.0, 1_790_000_000.0, "p", "GET /x", "retrieve", "GET", "/x", "", {}, b"", None, 200, [], b"", 0,
        "", "", "", (), (), (), "",
    )  # fmt: skip


def test_the_key_of_a_sandbox_is_masked_in_what_is_really_kept(service: Service) -> None:
    service.post("/videos", json={"prompt": KEY, "seconds": KEY, "size": f"https://x/?a={KEY}"})
    service.get(f"/videos/{KEY}", params={"key": KEY}, headers={"cookie": f"a={KEY}", "x-odd": f"<{KEY}>"})
    service.get(f"/nothing/{KEY}")
    service.post("/videos", data={"prompt": KEY, KEY: "1"}, files={"input_reference": (KEY, KEY.encode(), KEY)})
    service.post("/videos", json={"prompt": "c" * 16_340 + KEY})
    service.post("/videos", content=KEY * 100)
    entries = [*journal_of(service), *journal_of(service, "")]
    assert len(entries) == 6
    for told in (*(entry_data(entry, keys=KEYS) for entry in entries), as_har(entries, keys=KEYS)):
        assert not [text for text in texts_of(told) if KEY in text or KEY[:12] in text]


# -- HAR --------------------------------------------------------------------------------------------


def test_the_journal_is_a_har_log(service: Service) -> None:
    service.post("/videos", json={"prompt": "a cat"}, headers={"cookie": "a=1; b=secretsecretsecret"})
    id = service.post(
        "/videos",
        data={"prompt": "a cat"},
        files={"input_reference": ("c.png", b"\x89PNG\r\n\x1a\n" + bytes(9), "image/png")},
    ).json()["id"]
    service.clock.advance(1000)
    service.get(f"/videos/{id}")
    service.get(f"/videos/{id}/content")
    service.get("/videos", params={"after": "no such", "key": "abcdefghijklmnop"})
    service.post("/videos", json={"prompt": "c" * 20_000})
    log = as_har(journal_of(service), keys=KEYS)
    assert_is_har(log)
    first, form, _, content, refused, cut = log["log"]["entries"]
    assert first["request"]["url"] == "http://mock.test/videos"
    assert first["request"]["cookies"] == [{"name": "a", "value": "***"}, {"name": "b", "value": "sec***et"}]
    assert first["request"]["postData"]["text"] == '{"prompt":"a cat"}'
    assert first["startedDateTime"] == first["_real"]
    assert content["_now"] == write_instant(service.clock.now())
    params = form["request"]["postData"]["params"]
    assert params[0] == {"name": "prompt", "value": "a cat"}
    assert (params[1]["fileName"], params[1]["comment"]) == ("c.png", "17 bytes")
    assert "text" not in content["response"]["content"]
    assert "not shown" in content["response"]["content"]["comment"]
    assert refused["request"]["queryString"] == [
        {"name": "after", "value": "no such"},
        {"name": "key", "value": "abc***op"},
    ]
    assert (refused["_refusal"], refused["response"]["status"]) == ("invalid_request", 400)
    assert "beginning" in cut["request"]["postData"]["comment"]
    elsewhere = as_har(journal_of(service), prefixes={"openai": "/openai"})
    assert elsewhere["log"]["entries"][0]["request"]["url"] == "http://mock.test/openai/videos"
    assert as_har([])["log"]["entries"] == []


def assert_is_har(data: Any) -> None:
    """All fields that HAR 1.2 asks for, of the types that it asks for, and none that it does not know."""
    assert set(data) == {"log"}
    log = data["log"]
    assert log["version"] == "1.2"
    harfile.Creator(**log["creator"])
    written = StringIO()
    with harfile.HarFile(written) as file:
        for entry in log["entries"]:
            own = {name: value for name, value in entry.items() if not name.startswith("_")}
            request, response = own["request"], own["response"]
            post = request.get("postData")
            if post:
                params = [harfile.PostParameter(**param) for param in post["params"]] if "params" in post else None
                assert (params is None) != ("text" not in post) or params is None
                post = harfile.PostData(**{**post, "params": params})
            file.add_entry(
                **{
                    **own,
                    "request": harfile.Request(
                        **{**records(request, "cookies", "headers", "queryString"), "postData": post}
                    ),
                    "response": harfile.Response(
                        **{**records(response, "cookies", "headers"), "content": harfile.Content(**response["content"])}
                    ),
                    "timings": harfile.Timings(**own["timings"]),
                    "cache": harfile.Cache(**own["cache"]),
                }
            )
            assert {"cookies", "headers", "queryString", "headersSize", "bodySize", "httpVersion"} <= set(request)
            assert {"status", "statusText", "cookies", "headers", "content", "redirectURL", "bodySize"} <= set(response)
            assert isinstance(request["bodySize"], int)
            assert entry["startedDateTime"].endswith("Z")
    again = json.loads(written.getvalue())
    assert len(again["log"]["entries"]) == len(log["entries"])


def records(part: dict[str, Any], *names: str) -> dict[str, Any]:
    """A part of an entry with the lists of these names as harfile's own records."""
    kinds = {"cookies": harfile.Cookie, "headers": harfile.Record, "queryString": harfile.Record}
    return {**part, **{name: [kinds[name](**item) for item in part[name]] for name in names}}


# -- what is kept -----------------------------------------------------------------------------------


def test_shown_entries_are_counted_on_when_older_ones_are_dropped(service: Service) -> None:
    for _ in range(5):
        service.get("/videos")
    journal = journal_of(service)
    journal.drop_oldest()
    assert [entry.number for entry in journal] == [2, 3, 4, 5]
    assert replace(Filter(), since=4).since == 4
