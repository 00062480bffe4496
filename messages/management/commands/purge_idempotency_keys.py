from typing import Any

from accounts.idempotency import purge_keys
from common.commands import ServiceCommand


class Command(ServiceCommand):
    help = "Delete idempotency keys older than 24 hours. Beat does this every hour."

    def handle(self, *_: Any, **__: Any) -> None:
        count = purge_keys()
        self.emit({"purged": count}, f"{count} deleted")
