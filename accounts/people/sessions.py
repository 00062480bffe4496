"""The store of the admin's sessions: rows with their person, so that sessions can be listed and ended, and an idle end.

Named by SESSION_ENGINE. The class has Django's name, because the name is the salt of the signed content.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db.models import QuerySet
from django.utils import timezone

from accounts.people.models import Session
from common.client_ip import find_origin, request_meta

# Precision of `seen_at`: a write by each request would be one too many.
SEEN_STEP = timedelta(minutes=1)
STARTED = "_started_at"
PLACE = "_place"


class SessionStore(DatabaseStore):
    """Sessions in our table. A session that nobody used for SESSION_IDLE_SECONDS does not exist any more."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        """The row of the session; sign-in time and place are kept in the content, since each save writes it whole."""
        user_id = data.get(SESSION_KEY)
        now = timezone.now()
        if user_id is not None:
            data.setdefault(STARTED, now.timestamp())
            data.setdefault(PLACE, describe_place())
        row: Session = super().create_model_instance(data)  # type: ignore[assignment]
        row.user_id = int(user_id) if user_id is not None else None
        row.seen_at = now
        row.started_at = datetime.fromtimestamp(data.get(STARTED, now.timestamp()), UTC)
        row.address, row.browser = data.get(PLACE, ("", ""))
        return row

    def _get_session_from_db(self) -> Session | None:
        row: Session | None = super()._get_session_from_db()  # type: ignore[misc]
        if row is None:
            return None
        unused = timezone.now() - row.seen_at
        if settings.SESSION_IDLE_TIME and unused > settings.SESSION_IDLE_TIME:
            row.delete()
            self._session_key = None
            return None
        if unused > SEEN_STEP:
            Session.objects.filter(pk=row.pk).update(seen_at=timezone.now())
        return row


def describe_place() -> tuple[str, str]:
    """The client's address and its browser, as it names itself."""
    meta: Mapping[str, Any] | None = request_meta.get()
    return (find_origin().place[:200], str(meta.get("HTTP_USER_AGENT", ""))[:300]) if meta else ("", "")


def list_sessions(user_id: int) -> QuerySet[Session]:
    """The person's sessions that go on, the one used last first."""
    now = timezone.now()
    rows = Session.objects.filter(user_id=user_id, expire_date__gt=now)
    if settings.SESSION_IDLE_TIME:
        rows = rows.filter(seen_at__gt=now - settings.SESSION_IDLE_TIME)
    return rows.order_by("-seen_at")


def end_sessions(user_id: int, *, but: str | None = None) -> int:
    """End the person's sessions, all or all but one; returns their number."""
    count, _ = Session.objects.filter(user_id=user_id).exclude(pk=but or "").delete()
    return count
