"""Plain collections beside the jobs: what was created can be read, listed, changed and deleted."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from in_process import START, Service, start

from mockserver.engine.records import Record, Records
from mockserver.jobs.resource import RecordAction
from mockserver.loading.providers import load_provider
from mockserver.openapi.schema import Validator

SHOP = str(Path(__file__).parent / "documents" / "shop.yaml")


@pytest.fixture
def shop() -> Service:
    return start(SHOP)


def pet(service: Service, **fields: Any) -> Any:
    made = service.post("/pets", json={"name": "Tom", **fields})
    assert made.status_code == 201
    return valid(service, "POST /pets", made)


def valid(service: Service, operation: str, answer: Any) -> Any:
    document = service.provider.contract.document
    found = document.find(operation)
    assert found
    declared = found.answer_for(answer.status_code)
    assert declared, f"{answer.status_code} {answer.text}"
    media = declared.json_media()
    assert media
    errors = list(Validator(document, media[1]["schema"], "response").iter_errors(answer.json()))
    assert not errors, errors
    return answer.json()


def test_collections_are_found_beside_the_jobs() -> None:
    contract = load_provider(SHOP).contract
    assert [r.name for r in contract.resources] == ["job"]
    pets, visits = contract.collections
    assert (pets.name, visits.name) == ("pet", "visit")
    assert [p.action.value for p in pets.operations] == ["list", "create", "read", "update", "delete", "update"]
    assert visits.first(RecordAction.READ).pointer == ("visit",)
    topics = {c.topic: c.value for c in contract.conclusions}
    assert topics["pet: list"] == "GET /pets"
    assert "GET /weather: no part of a job" in {c.value for c in contract.conclusions}


def test_what_was_created_can_be_read(shop: Service) -> None:
    made = pet(shop, tag="grey", secret="x", weight=4.5)
    assert (made["name"], made["tag"], made["mood"]) == ("Tom", "grey", "calm")
    assert made["created_at"] == int(START)
    assert "secret" not in made, "what the answer has no field for is not shown"
    assert made["weight"] == 4, "in the type that the answer has"
    assert made["id"].startswith("pet_")
    assert shop.get(f"/pets/{made['id']}").json() == made


def test_what_was_not_said_is_not_made_up(shop: Service) -> None:
    made = pet(shop)
    assert "tag" not in made
    assert made["kind"] == "cat", "what nobody could say is"


def test_an_object_that_lacks_something_is_completed(shop: Service) -> None:
    assert pet(shop, toys={"ball": False})["toys"]["ball"] is False


def test_an_unknown_record_is_refused_in_the_providers_way(shop: Service) -> None:
    for method, path in (("GET", "/pets/pet_x"), ("DELETE", "/pets/pet_x"), ("PATCH", "/pets/pet_x")):
        answer = shop.request(method, path, **({"json": {}} if method == "PATCH" else {}))
        assert answer.status_code == 404
        assert "pet_x" in answer.json()["message"]


def test_a_record_is_changed_and_replaced(shop: Service) -> None:
    made = pet(shop, tag="grey")
    shop.clock.advance(60)
    changed = valid(shop, "PATCH /pets/{pet_id}", shop.request("PATCH", f"/pets/{made['id']}", json={"name": "Tim"}))
    assert (changed["name"], changed["tag"], changed["id"]) == ("Tim", "grey", made["id"])
    assert changed["created_at"] == made["created_at"]
    assert changed["updated_at"] > made["updated_at"]
    assert shop.get(f"/pets/{made['id']}").json() == changed
    cleared = shop.request("PATCH", f"/pets/{made['id']}", json={"tag": None})
    assert "tag" not in valid(shop, "PATCH /pets/{pet_id}", cleared)
    replaced = shop.request("PUT", f"/pets/{made['id']}", json={"name": "Kim"})
    assert "tag" not in valid(shop, "PUT /pets/{pet_id}", replaced)
    assert shop.request("PATCH", f"/pets/{made['id']}", json={"name": 5}).status_code == 400


def test_a_deleted_record_is_gone(shop: Service) -> None:
    made = pet(shop)
    assert shop.delete(f"/pets/{made['id']}").json() == {"id": made["id"], "deleted": True}
    assert shop.get(f"/pets/{made['id']}").status_code == 404
    assert shop.get("/pets").json()["data"] == []


def test_a_list_is_paged(shop: Service) -> None:
    empty = valid(shop, "GET /pets", shop.get("/pets"))
    assert (empty["data"], empty["has_more"]) == ([], False)
    ids = [pet(shop, name=f"n{number}")["id"] for number in range(5)]
    first = valid(shop, "GET /pets", shop.get("/pets", params={"limit": 2}))
    assert [item["id"] for item in first["data"]] == ids[:2:-1], "the newest first"
    assert (first["has_more"], first["first_id"], first["last_id"]) == (True, ids[4], ids[3])
    rest = shop.get("/pets", params={"after": first["last_id"], "limit": 50}).json()
    assert [item["id"] for item in rest["data"]] == ids[2::-1]
    assert rest["has_more"] is False
    oldest = shop.get("/pets", params={"order": "asc", "limit": 1}).json()
    assert [item["name"] for item in oldest["data"]] == ["n0"]
    assert shop.get("/pets", params={"after": "pet_x"}).status_code == 400


def test_records_hang_below_the_parameters_of_their_path(shop: Service) -> None:
    tom, tim = pet(shop)["id"], pet(shop)["id"]
    visit = valid(shop, "POST /pets/{pet_id}/visits", shop.post(f"/pets/{tom}/visits", json={"reason": "cough"}))
    visit = visit["visit"]
    assert (visit["reason"], visit["pet_id"]) == ("cough", tom)
    assert visit["id"] <= 100_000, "the path's parameter allows no more"
    assert shop.get(f"/pets/{tom}/visits/{visit['id']}").json()["visit"] == visit
    assert shop.get(f"/pets/{tim}/visits/{visit['id']}").status_code == 404
    assert [v["reason"] for v in shop.get(f"/pets/{tom}/visits").json()] == ["cough"]
    assert shop.get(f"/pets/{tim}/visits").json() == []
    assert shop.delete(f"/pets/{tom}/visits/{visit['id']}").status_code == 204
    assert shop.get(f"/pets/{tom}/visits/{visit['id']}").status_code == 404


def test_the_same_seed_gives_the_same_ids() -> None:
    first, again, other = (pet(start(SHOP, seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first["id"] != other["id"]


def test_another_key_does_not_see_them() -> None:
    provider = load_provider(str(Path(SHOP)))
    provider.contract.document.root["security"] = [{"key": []}]
    provider.contract.document.root["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    provider.contract.document._operations.clear()
    service = start(provider)
    made = pet(service)
    other = {"authorization": "Bearer sk-somebody-else"}
    assert service.get(f"/pets/{made['id']}").status_code == 200
    assert service.get(f"/pets/{made['id']}", headers=other).status_code == 404
    assert service.get("/pets", headers=other).json()["data"] == []


def test_a_client_may_choose_the_id_once(tmp_path: Path) -> None:
    root = load_provider(SHOP).contract.document.root
    root["components"]["schemas"]["NewPet"]["properties"]["id"] = {"type": "string"}
    path = tmp_path / "shop.json"
    path.write_bytes(orjson.dumps(root))
    service = start(str(path))
    assert pet(service, id="pet_abcdefgh")["id"] == "pet_abcdefgh"
    assert service.get("/pets/pet_abcdefgh").json()["name"] == "Tom"
    assert service.post("/pets", json={"name": "Tim", "id": "pet_abcdefgh"}).status_code == 409


def test_the_oldest_records_make_room() -> None:
    records = Records(most=3, most_bytes=100)
    place = ("pet", ())
    for number in range(5):
        records.add(place, Record(f"{number}", "me", "pet", 0.0, 0.0, {}, 10))
    assert list(records.shelf(place, "me")) == ["2", "3", "4"]
    records.add(place, Record("large", "me", "pet", 0.0, 0.0, {}, 95))
    assert list(records.shelf(place, "me")) == ["large"]
