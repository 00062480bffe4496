from typing import Any

from common.commands import ServiceCommand
from messages.attachments import sweep_attachments


class Command(ServiceCommand):
    help = "Remove the bytes of attachments that no email names any more. Beat does so each hour."

    def handle(self, *_: Any, **__: Any) -> None:
        count = sweep_attachments()
        self.emit({"swept": count}, f"{count} removed")
