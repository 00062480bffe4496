from argparse import ArgumentParser
from typing import Any

from common.commands import ServiceCommand
from messages.queue_stats import read_queue
from messages.sending.lost_leases import sweep_lost_leases
from messages.sending.queue.waiting import is_due
from messages.states import Lane
from messages.tasks import ring


class Command(ServiceCommand):
    help = (
        "Release recipients with expired leases, whose worker is gone. A recipient is due again if its message was not "
        "sent completely; otherwise its attempt is uncertain. Workers and beat also do this by themselves."
    )

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Only print their number.")

    def handle(self, *, dry_run: bool, **_: Any) -> None:
        if dry_run:
            count = sum(lane.lost for lane in read_queue().lanes)
            self.emit({"stuck": count}, f"{count} stuck")
            return
        count = sweep_lost_leases()
        for lane in Lane:
            if is_due(lane):
                ring(lane)
        self.emit({"released": count}, f"{count} released")
