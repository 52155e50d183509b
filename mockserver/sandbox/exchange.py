"""One request being answered: by whom, when, about which job, and what came of it."""

from typing import TYPE_CHECKING, Any

from mockserver.jobs.job import Job
from mockserver.message import Fault, RawHeaders, Request
from mockserver.openapi.document import Operation

if TYPE_CHECKING:
    from mockserver.sandbox.sandbox import Account, Sandbox

NOTHING: tuple[str, ...] = ()


class Marks:
    """What is out of the ordinary about an exchange.

    `refusal` is the kind of refusal and `violations` what is wrong with the request; `scenarios` and `drifts` name
    what was applied; `extra` are further headers of the answer, `fault` is how it is broken on its way; `plan` makes a
    new job follow its scenarios. `plain`: nothing that is switched on has a say. `planned`: a scenario has refused it.
    """

    __slots__ = ("drifts", "extra", "fault", "plain", "plan", "planned", "refusal", "scenarios", "violations")

    def __init__(self) -> None:
        self.refusal = ""
        self.violations: tuple[Any, ...] = NOTHING
        self.scenarios = NOTHING
        self.drifts = NOTHING
        self.fault: Fault | None = None
        self.extra: RawHeaders = []
        self.plain = False
        self.plan: Any = None
        self.planned = False


class Exchange:
    """What the engine knows of a request while it answers it.

    `real` and `now` are the machine's instant and the sandbox's, in seconds since the epoch. `job` is what it is about;
    `action` what its operation does to jobs ('' for none). A plain object with slots, and with as few as may be: one is
    made for every request.
    """

    __slots__ = ("account", "action", "job", "marks", "name", "now", "operation", "real", "request", "request_id")

    def __init__(self, request: Request, real: float) -> None:
        self.request = request
        self.account: Account = None  # type: ignore[assignment]  # known as soon as the key is
        self.real = real
        self.now = real
        self.operation: Operation | None = None
        self.name = ""  # of the operation
        self.action = ""
        self.request_id = b""
        self.job: Job | None = None
        self.marks: Marks | None = None

    @property
    def marked(self) -> Marks:
        """What is out of the ordinary, to be written into."""
        if self.marks is None:
            self.marks = Marks()
        return self.marks

    @property
    def owner(self) -> str:
        """Whose jobs it is about."""
        return self.account.owner

    @property
    def sandbox(self) -> "Sandbox":
        return self.account.sandbox
