"""The newest OAuth refresh token of a provider, kept in its settings for all workers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.db import DatabaseError, connection, transaction

from providers.models import Provider
from providers.provider_url import REFRESH_TOKEN, build_provider_url, split_provider_url

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StoredRefreshToken:
    """See `providers.oauth.RefreshTokens`. Used once for each life of an access token, from a thread of its own."""

    provider_id: UUID

    def load(self) -> str:
        """See `RefreshTokens`."""
        with _database():
            provider = Provider.objects.filter(pk=self.provider_id).first()
            return split_provider_url(provider.url)[1].get(REFRESH_TOKEN, "") if provider else ""
        return ""

    def save(self, token: str) -> None:
        """See `RefreshTokens`. It is no change of the provider, so that workers keep their connections."""
        with _database(), transaction.atomic():
            provider = Provider.objects.select_for_update().filter(pk=self.provider_id).first()
            if provider is not None:
                kind, settings = split_provider_url(provider.url)
                url = build_provider_url(kind, {**settings, REFRESH_TOKEN: token})
                Provider.objects.filter(pk=self.provider_id).update(url=url)


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
