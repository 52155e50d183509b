"""Two sandboxes of one server, moved in any order: each answers as it does on a server of its own, byte for byte."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from in_process import Service, start

from mockserver.sandbox.sandbox import sandbox_id

KEYS = ("sk-the-first-one", "sk-the-second-one")
BIRTH = "2026-11-20T12:00:00Z"
SCENARIOS = ["fails-late", "never-ends", "flaky-polls", "rate-limited-on-poll", "queue-of-one", "scenario:of-none"]
DRIFTS = ["progress-backwards", "status-succeeded"]
MODELS = ["sora-2", "sora-2-pro"]
WHO = st.sampled_from(range(len(KEYS)))


class World:
    """An application, as one or both keys use it."""

    def __init__(self, *keys: str) -> None:
        self.service: Service = start("openai", allowed_hosts=("mock.test",), seed=5)
        for key in keys:
            self.control("POST", "/sandboxes", {"api_key": key, "clock": {"mode": "frozen", "now": BIRTH}})

    def ask(self, key: str, method: str, path: str, **more: Any) -> tuple[int, list[tuple[str, str]], bytes]:
        headers = {"authorization": f"Bearer {key}", **more.pop("headers", {})}
        response = self.service.request(method, path, headers=headers, **more)
        return response.status_code, response.headers.multi_items(), response.content

    def control(self, method: str, path: str, body: Any = None) -> Any:
        response = self.service.request(method, f"/__mockserver{path}", json=body, headers={"authorization": ""})
        return response.status_code, response.json()


class TwoSandboxes(RuleBasedStateMachine):
    """Everything is done in a shared world, and in one in which the other key does not exist."""

    @initialize()
    def begin(self) -> None:
        self.shared = World(*KEYS)
        self.alone = [World(key) for key in KEYS]
        self.jobs: list[list[str]] = [[] for _ in KEYS]

    def both(self, who: int, method: str, path: str, **more: Any) -> bytes:
        here = self.shared.ask(KEYS[who], method, path, **more)
        there = self.alone[who].ask(KEYS[who], method, path, **more)
        assert here == there
        return here[2]

    def switch(self, who: int, method: str, path: str, body: Any = None) -> None:
        whole = f"/sandboxes/{sandbox_id(KEYS[who])}{path}"
        here, there = self.shared.control(method, whole, body), self.alone[who].control(method, whole, body)
        assert here[0] == there[0]

    @rule(who=WHO, model=st.sampled_from(MODELS), scenario=st.sampled_from(["", "fails-late", "never-ends"]))
    def create(self, who: int, model: str, scenario: str) -> None:
        headers = {"prefer": f"scenario={scenario}"} if scenario else {}
        body = self.both(who, "POST", "/videos", json={"prompt": "A cat", "model": model}, headers=headers)
        if b'"id"' in body:
            self.jobs[who].append(body.split(b'"id":"')[1].split(b'"')[0].decode())

    @precondition(lambda self: any(self.jobs))
    @rule(data=st.data(), what=st.sampled_from(["", "/content"]))
    def look(self, data: st.DataObject, what: str) -> None:
        who = data.draw(st.sampled_from([n for n in range(len(KEYS)) if self.jobs[n]]))
        id = data.draw(st.sampled_from(self.jobs[who]))
        self.both(who, "GET", f"/videos/{id}{what}")
        if id not in self.jobs[1 - who]:  # the same seed gives the same ids
            assert b"A cat" not in self.both(1 - who, "GET", f"/videos/{id}{what}")

    @rule(who=WHO)
    def list_all(self, who: int) -> None:
        body = self.both(who, "GET", "/videos?limit=100")
        assert not any(id.encode() in body for id in self.jobs[1 - who] if id not in self.jobs[who])

    @precondition(lambda self: any(self.jobs))
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from([n for n in range(len(KEYS)) if self.jobs[n]]))
        self.both(who, "DELETE", f"/videos/{self.jobs[who].pop()}")

    @rule(who=WHO, seconds=st.integers(0, 200))
    def advance(self, who: int, seconds: int) -> None:
        self.switch(who, "POST", "/clock/advance", {"by": seconds})

    @rule(who=WHO, mode=st.sampled_from(["frozen", "skipping"]))
    def change_clock(self, who: int, mode: str) -> None:
        self.switch(who, "POST", "/clock", {"mode": mode})

    @rule(who=WHO, name=st.sampled_from(SCENARIOS), times=st.sampled_from([1, 2]))
    def scenario(self, who: int, name: str, times: int) -> None:
        self.switch(who, "POST", "/scenarios", {"name": name, "times": times})

    @rule(who=WHO, by=st.sampled_from([{"by": "time"}, {"by": "polls", "polls": 2}, {"by": "immediate"}]))
    def progression(self, who: int, by: Any) -> None:
        self.switch(who, "PUT", "/progressions", {"*": by})

    @rule(who=WHO, seed=st.integers(0, 3))
    def reseed(self, who: int, seed: int) -> None:
        self.switch(who, "PATCH", "", {"seed": seed})
        self.jobs[who] = [id for id in self.jobs[who] if self.is_there(who, id)]

    @rule(who=WHO, names=st.lists(st.sampled_from(DRIFTS), unique=True))
    def drift(self, who: int, names: list[str]) -> None:
        self.switch(who, "PUT", "/drifts", {"names": names})

    @rule(who=WHO)
    def take_out_and_in_again(self, who: int) -> None:
        """An exported state goes on where it was, also on another server."""
        path = f"/sandboxes/{sandbox_id(KEYS[who])}/state"
        _, state = self.shared.control("GET", path)
        assert self.alone[who].control("GET", path) == (200, state)
        self.alone[who] = World(KEYS[who])
        for world in (self.shared, self.alone[who]):
            assert world.control("PUT", path, state)[0] == 200

    @rule(who=WHO)
    def reset(self, who: int) -> None:
        self.switch(who, "POST", "/reset")
        self.jobs[who].clear()

    @rule(who=WHO)
    def journal_is_its_own(self, who: int) -> None:
        _, found = self.shared.control("GET", f"/sandboxes/{sandbox_id(KEYS[who])}/journal")
        text = str(found)
        assert not any(id in text for id in self.jobs[1 - who] if id not in self.jobs[who])

    def is_there(self, who: int, id: str) -> bool:
        _, found = self.shared.control("GET", f"/sandboxes/{sandbox_id(KEYS[who])}/jobs")
        return any(job["id"] == id for job in found["data"])


TestTwoSandboxes = TwoSandboxes.TestCase
TestTwoSandboxes.settings = settings(max_examples=40, stateful_step_count=25, deadline=None, derandomize=True)
