from typing import Any

from common.commands import ServiceCommand
from messages.sending.queue.waiting import is_due
from messages.sending.schedule import release_due
from messages.states import Lane
from messages.tasks import ring


class Command(ServiceCommand):
    help = (
        "Queue scheduled emails whose time has come, and wake the workers. Workers and beat also do this by themselves."
    )

    def handle(self, *_: Any, **__: Any) -> None:
        count = release_due()
        for lane in Lane:
            if is_due(lane):
                ring(lane)
        self.emit({"released": count}, f"{count} queued")
