"""The bucket of a pause that slows mail: it fills at `per_minute` and holds ten seconds' worth."""

from uuid import UUID

from ledger.sql import fetch_value

_HAVE = """LEAST(GREATEST(per_minute / 6.0, 1),
              permits + EXTRACT(EPOCH FROM clock_timestamp() - permits_at) * per_minute / 60.0)"""
_COUNT = f"SELECT floor({_HAVE})::int FROM mail_pause WHERE id = %s AND per_minute IS NOT NULL"  # noqa: S608 - constants
_TAKE = f"""
WITH bucket AS (SELECT id, {_HAVE} AS have FROM mail_pause WHERE id = %(pause)s FOR NO KEY UPDATE)
UPDATE mail_pause p SET permits = have - LEAST(%(count)s::int, floor(have)), permits_at = clock_timestamp()
FROM bucket WHERE p.id = bucket.id AND per_minute IS NOT NULL RETURNING LEAST(%(count)s::int, floor(have))::int
"""  # noqa: S608 - built from constants of this module


def count_permits(pause_id: UUID) -> int:
    """How many recipients the pause lets through now."""
    return int(fetch_value(_COUNT, [pause_id]) or 0)


def take_permits(pause_id: UUID, count: int) -> int:
    """Take up to `count` permits; returns their number."""
    return int(fetch_value(_TAKE, {"pause": pause_id, "count": count}) or 0)
