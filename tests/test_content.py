"""Results: real files of the size and length that were asked for, by download and by link, in whole and in part."""

import re
from fractions import Fraction
from io import BytesIO
from typing import Any

import av
import httpx2
import pytest
from in_process import CREATES, START, Service, frozen_clock, run, start
from PIL import Image

from mockserver.loading.providers import load_provider
from mockserver.web.server import Settings, build_app

LATER = 1000  # seconds; every job has ended by then


def finished(service: Service, path: str, **arguments: Any) -> str:
    """The path of a job that has ended."""
    body = service.post(path, **arguments).json()
    service.clock.advance(LATER)
    return f"{path}/{body.get('data', body)['id']}"


def video(file: bytes) -> tuple[int, int, Fraction]:
    """Width, height and seconds of a film, by a real player; all of it is decoded."""
    with av.open(BytesIO(file)) as container:
        stream = container.streams.video[0]
        frames = sum(1 for _ in container.decode(stream))
        assert stream.average_rate
        return stream.width, stream.height, frames / stream.average_rate


def link_in(body: dict[str, Any]) -> str:
    """The link to the film, wherever the provider puts it."""
    job = body.get("data", body)
    return str(job.get("video_url") or job.get("videoUrl") or job["assets"][0]["url"])


# -- what was asked for -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        ("openai", {"seconds": "8", "size": "1280x720"}, (1280, 720, 8)),
        ("openai", {}, (720, 1280, 4)),
        ("openai", {"seconds": "12", "size": "1024x1792"}, (1024, 1792, 12)),
        ("hingnet-sora", {"seconds": 8, "size": "1792x1024"}, (1792, 1024, 8)),
        ("hingnet-veo", {"model": "veo-3.1-generate-preview", "seconds": 6, "size": "1080x1920"}, (1080, 1920, 6)),
        ("hingnet-veo", {"model": "veo-3.1-generate-preview", "seconds": 4}, (1280, 720, 4)),
    ],
)
def test_content_has_the_size_and_length_asked_for(name: str, fields: dict[str, Any], expected: Any) -> None:
    service = start(name)
    job = finished(service, CREATES[name][0], json={"prompt": "x", **fields})
    response = service.get(f"{job}/content")
    assert (response.status_code, response.headers["content-type"]) == (200, "video/mp4")
    assert video(response.content) == expected


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("hingnet-sora", CREATES["hingnet-sora"][1], (1280, 720, 8)),
        ("hingnet-veo", CREATES["hingnet-veo"][1], (1280, 720, 6)),
        ("agicto-sora", CREATES["agicto-sora"][1], (720, 1280, 10)),
        ("aitoearn", CREATES["aitoearn"][1], (1280, 720, 5)),
        ("aitoearn", {"json": {"model": "m", "prompt": "x", "duration": 2.5, "ratio": "9:16", "resolution": "1080p"}},
         (1080, 1920, 2.5)),
        ("aitoearn", {"json": {"model": "m", "prompt": "x", "duration": 3, "ratio": "1:1", "resolution": "480p"}},
         (480, 480, 3)),
    ],
)  # fmt: skip
def test_links_lead_to_it_without_a_key(name: str, arguments: Any, expected: Any) -> None:
    service = start(name)
    job = finished(service, CREATES[name][0], **arguments)
    link = link_in(service.get(job).json())
    assert re.fullmatch(r"http://mock\.test/\S+\.mp4", link)
    del service.client.headers["X-Api-Key" if name == "aitoearn" else "Authorization"]
    response, head = service.get(link), service.request("HEAD", link)
    assert (response.status_code, response.headers["content-type"]) == (200, "video/mp4")
    assert video(response.content) == expected
    assert (head.content, head.headers["etag"], head.headers["content-length"]) == (
        b"", response.headers["etag"], str(len(response.content)))  # fmt: skip


def test_an_extension_is_as_long_as_both_parts() -> None:
    service = start("openai")
    source = finished(service, "/videos", json={"prompt": "x", "seconds": "4", "size": "1280x720"}).split("/")[-1]
    body = {"prompt": "y", "seconds": "8", "video": {"id": source}}
    longer = finished(service, "/videos/extensions", json=body).split("/")[-1]
    assert video(service.get(f"/videos/{longer}/content").content) == (1280, 720, 12)


def test_variants_are_pictures() -> None:
    service = start("openai")
    job = finished(service, "/videos", json={"prompt": "x", "size": "1280x720"})
    id = job.split("/")[-1]
    table = [("video", "video/mp4", f"{id}.mp4"), ("thumbnail", "image/webp", f"{id}_thumbnail.webp"),
             ("spritesheet", "image/jpeg", f"{id}_spritesheet.jpg")]  # fmt: skip
    bodies = []
    for variant, media_type, filename in table:
        response = service.get(f"{job}/content", params={"variant": variant})
        assert response.headers["content-type"] == media_type
        assert response.headers["content-disposition"] == f'attachment; filename="{filename}"'
        bodies.append(response.content)
    thumbnail, sheet = (Image.open(BytesIO(body)) for body in bodies[1:])
    assert (thumbnail.format, thumbnail.size) == ("WEBP", (1280, 720))
    assert sheet.format == "JPEG"
    sheet.load()
    assert bodies[0] == service.get(f"{job}/content").content
    assert service.get(f"{job}/content", params={"variant": "audio"}).json()["error"]["param"] == "variant"


def test_cover_links_are_pictures_and_sizes_are_true() -> None:
    tasks = start("aitoearn")
    task = tasks.get(finished(tasks, CREATES["aitoearn"][0], **CREATES["aitoearn"][1])).json()["data"]
    assert Image.open(BytesIO(tasks.get(task["coverUrl"]).content)).size == (1280, 720)
    videos = start("hingnet-sora")
    for seconds, size in (("4", "720x1280"), ("12", "1792x1024")):
        body = {"prompt": "x", "seconds": seconds, "size": size}
        [asset] = videos.get(finished(videos, "/v1/videos", json=body)).json()["assets"]
        file = videos.get(asset["url"])
        assert asset["size_bytes"] == len(file.content) == int(file.headers["content-length"])
        assert (asset["quality"], asset["duration"]) == (size, int(seconds))


# -- where links point ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("public_url", "host", "site"),
    [
        ("", "mock.test", "http://mock.test"),
        ("", "localhost:4747", "http://localhost:4747"),
        ("https://fake.example/api/", "mock.test", "https://fake.example/api"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "hingnet-sora"])
def test_links_are_built_from_the_host_or_the_public_url(public_url: str, host: str, site: str, prefix: str) -> None:
    clock = frozen_clock(START)
    app = build_app({prefix: load_provider("hingnet-sora")}, Settings(public_url=public_url), clock)
    below = f"/{prefix}" if prefix else ""
    headers = {"authorization": "Bearer sk-1", "host": host}
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://mock.test", headers=headers)
    id = run(client.post(f"{below}/v1/videos", json={"prompt": "x"})).json()["id"]
    clock.advance(LATER)
    link = link_in(run(client.get(f"{below}/v1/videos/{id}")).json())
    assert link.startswith(f"{site}{below}/")
    assert run(client.get(link.removeprefix(site))).headers["content-type"] == "video/mp4"


# -- when there is nothing (yet, or any more) -------------------------------------------------------

REFUSED = {  # status and code before, after a failure, after expiry
    "openai": [(400, "video_not_ready"), (400, "video_failed"), (404, "video_expired")],
    "hingnet-sora": [(404, "video_not_ready"), (404, "video_failed"), (404, "video_expired")],
    "hingnet-veo": [(400, "video_not_ready"), (400, "video_failed"), (404, "video_expired")],
}


@pytest.mark.parametrize("name", REFUSED)
def test_content_is_refused_before_success_and_after_expiry(name: str) -> None:
    def refused(service: Service, job: str) -> tuple[int, str]:
        response = service.get(f"{job}/content")
        return response.status_code, response.json()["error"]["code"]

    path, arguments = CREATES[name]
    not_ready, failed, expired = REFUSED[name]
    service = start(name, rate=0.0)
    job = f"{path}/{service.post(path, **arguments).json()['id']}"
    assert refused(service, job) == not_ready
    service.clock.advance(15)
    assert refused(service, job) == not_ready
    service.clock.advance(500)
    assert service.get(f"{job}/content").status_code == 200
    service.clock.advance(200_000)
    assert refused(service, job) == expired
    assert service.get(job).json()["status"] in ("completed", "success")  # an expired job stays what it was
    failing = start(name, rate=1.0)
    assert refused(failing, finished(failing, path, **arguments)) == failed


@pytest.mark.parametrize(("name", "lasts"), [("hingnet-sora", 3600), ("hingnet-veo", 172_800)])
def test_links_expire_when_the_contract_says(name: str, lasts: int) -> None:
    service = start(name, rate=0.0)
    path, arguments = CREATES[name]
    job = finished(service, path, **arguments)
    body = service.get(job).json()
    link, ended = link_in(body), body["completed_at"]
    service.clock.advance(ended + lasts - 1 - service.clock.now())
    assert service.get(link).status_code == 200
    service.clock.advance(2)
    for response in (service.get(link), service.get(f"{job}/content")):
        assert (response.status_code, response.json()["error"]["code"]) == (404, "video_expired")


@pytest.mark.parametrize("name", ["aitoearn", "agicto-sora"])
def test_links_never_expire_where_no_page_says_so(name: str) -> None:
    service = start(name)
    link = link_in(service.get(finished(service, CREATES[name][0], **CREATES[name][1])).json())
    service.clock.advance(10 * 365 * 86_400)
    assert service.get(link).headers["content-type"] == "video/mp4"


def test_links_of_unfinished_failed_deleted_and_unknown_jobs_lead_nowhere() -> None:
    service = start("openai", rate=1.0)
    id = service.post("/videos", json={"prompt": "x"}).json()["id"]
    link = f"/__mockserver/assets/{id}.mp4"
    assert service.get(link).json()["error"]["code"] == "video_not_ready"
    service.clock.advance(LATER)
    assert service.get(link).json()["error"]["code"] == "video_failed"
    service.delete(f"/videos/{id}")
    for path in (link, "/__mockserver/assets/x.mp4", "/__mockserver/assets/", f"/__mockserver/assets/{id}.exe"):
        assert service.get(path).status_code == 404
    assert service.post(link).status_code == 405


# -- parts and conditions (RFC 9110) ----------------------------------------------------------------


@pytest.fixture(scope="module")
def film() -> tuple[Service, str, bytes]:
    """A service with the path of a finished film and its bytes."""
    service = start("openai")
    path = finished(service, "/videos", json={"prompt": "x"}) + "/content"
    return service, path, service.get(path).content


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-99", 0, 99),
        ("bytes=100-100", 100, 100),
        ("bytes=100-", 100, -1),
        ("bytes=-100", -100, -1),
        ("bytes=0-999999999", 0, -1),
        ("bytes=-999999999", 0, -1),
    ],
)
def test_one_range(film: tuple[Service, str, bytes], asked: str, first: int, last: int) -> None:
    service, path, whole = film
    first, last = first % len(whole), last % len(whole)
    part = service.get(path, headers={"range": asked})
    assert (part.status_code, part.content) == (206, whole[first : last + 1])
    assert part.headers["content-range"] == f"bytes {first}-{last}/{len(whole)}"
    assert int(part.headers["content-length"]) == last + 1 - first
    head = service.request("HEAD", path, headers={"range": asked})
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(whole)))  # ranges are for GET alone


def test_ranges_outside_are_not_satisfiable(film: tuple[Service, str, bytes]) -> None:
    service, path, whole = film
    for asked in (f"bytes={len(whole)}-", "bytes=999999999-1000000000", "bytes=-0"):
        response = service.get(path, headers={"range": asked})
        assert (response.status_code, response.content) == (416, b"")
        assert response.headers["content-range"] == f"bytes */{len(whole)}"


@pytest.mark.parametrize("asked", ["bytes=0-1,3-4", "items=0-1", "bytes=5-2", "bytes=a-b", "bytes=-", "bytes", ""])
def test_ranges_that_mean_nothing_here_are_ignored(film: tuple[Service, str, bytes], asked: str) -> None:
    service, path, whole = film
    response = service.get(path, headers={"range": asked})
    assert (response.status_code, response.content) == (200, whole)
    assert "content-range" not in response.headers


def test_a_broken_download_is_resumed(film: tuple[Service, str, bytes]) -> None:
    service, path, whole = film
    etag = service.get(path, headers={"range": "bytes=0-999"}).headers["etag"]
    rest = service.get(path, headers={"range": "bytes=1000-", "if-range": etag})
    assert (rest.status_code, rest.content) == (206, whole[1000:])
    for other in ('"another"', f"W/{etag}", "Mon, 21 Sep 2026 14:13:20 GMT"):
        again = service.get(path, headers={"range": "bytes=1000-", "if-range": other})
        assert (again.status_code, again.content) == (200, whole)


def test_what_a_client_has_already_is_not_sent_again(film: tuple[Service, str, bytes]) -> None:
    service, path, whole = film
    etag = service.get(path).headers["etag"]
    for condition in (etag, f"W/{etag}", f'"another", {etag}', "*"):
        for method in ("GET", "HEAD"):
            response = service.request(method, path, headers={"if-none-match": condition})
            assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", etag)
    assert service.get(path, headers={"if-none-match": '"another"'}).content == whole


def test_head_and_accept(film: tuple[Service, str, bytes]) -> None:
    service, path, whole = film
    head = service.request("HEAD", path)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(whole)))
    assert head.headers["accept-ranges"] == "bytes"
    for accept in ("application/binary", "application/json", "text/html;q=0.1", "nonsense"):
        assert service.get(path, headers={"accept": accept}).content == whole
