"""What a client's connection needs of the event loop."""

from collections.abc import Callable
from typing import Any, Protocol

from emailsvc.web.serving.budget import ByteBudget
from emailsvc.web.serving.exchange import Outcome, Server
from emailsvc.web.serving.limits import ServerLimits
from emailsvc.web.serving.work_queue import WorkQueue


class Loop(Server, Protocol):
    """What a connection needs of the worker."""

    limits: ServerLimits
    budget: ByteBudget
    work: WorkQueue

    def watch(self, connection: Any, events: int) -> None: ...
    def run_job(self, connection: Any, job: Callable[[], Outcome | None]) -> None: ...
    def wake_at(self, when: float, connection: Any) -> None: ...
    def forget(self, connection: Any) -> None: ...
