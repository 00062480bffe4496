"""When an email is over: it has left its open states, and its last change of status is some time ago."""

from messages.states import OPEN_STATUSES, TIMESTAMPS, Status

# Of a row `m` of the messages' table. `sent_at` is no column of `TIMESTAMPS`: two states set it.
LAST_CHANGE = f"GREATEST(m.created_at, m.sent_at, {', '.join(f'm.{name}' for name in TIMESTAMPS.values())})"
# Scheduled mail and mail that may get another attempt loses nothing. `sent` counts as ended.
HAS_ENDED = f"m.status NOT IN ({OPEN_STATUSES}, '{Status.SCHEDULED}')"
IS_OVER = f"{HAS_ENDED} AND {LAST_CHANGE} < %(before)s"
