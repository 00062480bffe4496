from typing import Any

from common.commands import ServiceCommand
from messages.attachments import sweep_attachments


class Command(ServiceCommand):
    help = "Delete the bytes of attachments that no email uses any more. Beat does this every hour."

    def handle(self, *_: Any, **__: Any) -> None:
        count = sweep_attachments()
        self.emit({"swept": count}, f"{count} removed")
