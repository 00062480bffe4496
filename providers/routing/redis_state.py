"""State of providers that workers share through Redis. While it is unavailable each worker uses its own state."""

from typing import Any

from ledger.redis_state import Shared as Shared
from ledger.redis_state import shared as shared


class SharedPolicies:
    """A store of MTA-STS policies for all workers (`delivery.mx.mta_sts.PolicyStore`)."""

    def get(self, domain: str) -> str | None:
        """The stored text; None when there is none."""
        found: str | None = shared.ask(lambda client: client.get(f"mta-sts:{domain}"))
        return found

    def put(self, domain: str, text: str, seconds: float) -> None:
        """Store `text` for at most `seconds`."""
        shared.ask(lambda client: client.set(f"mta-sts:{domain}", text, ex=max(1, int(seconds))))


class SharedLogins:
    """The turns of all workers to try one provider's credentials (`delivery.smtp.credentials.LoginTurns`).

    While Redis is unavailable each worker takes its own turn. `key` changes with the provider's settings.
    """

    def __init__(self, key: str) -> None:
        self._key = f"login:{key}"

    def take(self, seconds: float) -> str | None:
        """See `LoginTurns`."""
        key, milliseconds = self._key, max(1, int(seconds * 1000))

        def claim(client: Any) -> str | None:
            if client.set(key, "", nx=True, px=milliseconds):
                return None
            found: str | None = client.get(key)
            return found or ""

        return shared.ask(claim)

    def give_back(self) -> None:
        """See `LoginTurns`."""
        shared.ask(lambda client: client.delete(self._key))

    def keep_rejection(self, text: str, seconds: float) -> None:
        """See `LoginTurns`."""
        shared.ask(lambda client: client.set(self._key, text, px=max(1, int(seconds * 1000))))
