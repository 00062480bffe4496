"""The newest OAuth refresh token of a provider, kept in its settings for all workers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.db import DatabaseError, connection, transaction

from providers.configuration.model import REFRESH_TOKEN
from providers.configuration.stored import find_settings, write_settings
from providers.models import Provider

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StoredRefreshToken:
    """See `providers.oauth.RefreshTokens`. Used once for each life of an access token, from a thread of its own."""

    provider_id: UUID

    def load(self) -> str:
        """See `RefreshTokens`."""
        with _database():
            provider = Provider.objects.filter(pk=self.provider_id).first()
            address = find_settings(provider) if provider else None
            return address.options.get(REFRESH_TOKEN, "") if address else ""
        return ""

    def save(self, token: str) -> None:
        """See `RefreshTokens`. It is no change of the provider, so that workers keep their connections."""
        with _database(), transaction.atomic():
            provider = Provider.objects.select_for_update().filter(pk=self.provider_id).first()
            address = find_settings(provider) if provider else None
            if address is not None:
                settings = {**write_settings(address), REFRESH_TOKEN: token}
                Provider.objects.filter(pk=self.provider_id).update(settings=settings)


@contextmanager
def _database() -> Iterator[None]:
    """Log a failure in place of raising it, and close a connection that this thread has opened."""
    was_open = connection.connection is not None
    try:
        yield
    except DatabaseError as error:
        log.warning("refresh_token_not_kept", error=type(error).__name__)
    finally:
        if not was_open:
            connection.close()
