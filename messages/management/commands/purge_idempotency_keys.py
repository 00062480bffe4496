from typing import Any

from accounts.idempotency import purge_keys
from common.commands import ServiceCommand


class Command(ServiceCommand):
    help = "Forget idempotency keys whose 24 hours are over. Beat does so each hour."

    def handle(self, *_: Any, **__: Any) -> None:
        count = purge_keys()
        self.emit({"purged": count}, f"{count} forgotten")
