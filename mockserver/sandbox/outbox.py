"""What is to be told to webhooks: the ends of jobs, when they fall due on the sandbox's clock."""

from typing import Any


class Outbox:
    def __init__(self) -> None:
        self.endpoints: dict[str, Any] = {}
        self.waiting: list[Any] = []

    def forget_events(self) -> None:
        self.waiting.clear()
