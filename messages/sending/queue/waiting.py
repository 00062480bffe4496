"""The projects with due mail in a lane, found without a walk along their backlogs."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

from ledger.sql import Prepared, fetch_as, fetch_value
from messages.sending.queue.turns import Tenant
from messages.states import Lane

# In the queue and not leased: the condition of the index `recipient_turn`, which has these rows by lane, project and
# due time.
QUEUED = "lease_token IS NULL AND parked_by = '' AND crash_count = 0"
# The same for a row whose id is known, in words that the index does not match: with old statistics, as after a large
# batch, PostgreSQL would go along all of it in place of one step by the primary key.
STILL_QUEUED = "lease_token IS NULL AND parked_by || '' = '' AND crash_count + 0 = 0"
# The same for recipients whose last attempt crashed its worker; the index is `recipient_suspect`.
SUSPECT = "lease_token IS NULL AND parked_by = '' AND crash_count > 0"
# A tenant with this many due recipients counts as one with any number of them; one with fewer is light.
MANY = 50
# The list of tenants is read again after this many times the time that it took: the more projects wait, the less often.
REST_FACTOR = 20
# Without any, it is read again after this time.
EMPTY_SECONDS = 0.05

# Goes from project to project along the index: one step for each, however much mail it has.
_TENANTS = f"""
WITH RECURSIVE tenants AS (
    (SELECT is_simulated, project_id FROM mail_recipient
     WHERE lane = %(lane)s AND {QUEUED} AND next_attempt_at IS NOT NULL
     ORDER BY is_simulated, project_id LIMIT 1)
    UNION ALL
    SELECT step.is_simulated, step.project_id FROM tenants t, LATERAL (
        SELECT is_simulated, project_id FROM mail_recipient
        WHERE lane = %(lane)s AND {QUEUED} AND next_attempt_at IS NOT NULL
          AND (is_simulated, project_id) > (t.is_simulated, t.project_id)
        ORDER BY is_simulated, project_id LIMIT 1
    ) step
)
"""  # noqa: S608 - built from constants of this module
_WAITING = Prepared(
    f"""{_TENANTS}
SELECT t.project_id, t.is_simulated, COALESCE(p.turn_weight, 1) AS weight, due.count
FROM tenants t LEFT JOIN accounts_project p ON p.id = t.project_id, LATERAL (
    SELECT count(*) FROM (
        SELECT FROM mail_recipient
        WHERE lane = %(lane)s AND is_simulated = t.is_simulated AND project_id = t.project_id AND {QUEUED}
          AND next_attempt_at <= now()
        ORDER BY next_attempt_at LIMIT {MANY}
    ) head
) due
WHERE due.count > 0
"""  # noqa: S608 - built from constants of this module
)
_IS_DUE = Prepared(
    f"""{_TENANTS}
SELECT EXISTS (
    SELECT FROM tenants t, LATERAL (
        SELECT FROM mail_recipient
        WHERE lane = %(lane)s AND is_simulated = t.is_simulated AND project_id = t.project_id AND {QUEUED}
          AND next_attempt_at <= now()
        ORDER BY next_attempt_at LIMIT 1
    ) due
) OR EXISTS (
    SELECT FROM mail_recipient
    WHERE lane = %(lane)s AND {SUSPECT} AND next_attempt_at <= now()
)
"""  # noqa: S608 - built from constants of this module
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingTenant:
    """A tenant with due mail. `count` is the number of its due recipients, at most MANY."""

    project_id: UUID
    is_simulated: bool
    weight: int
    count: int

    @property
    def tenant(self) -> Tenant:
        return Tenant(self.project_id, self.is_simulated)

    @property
    def is_light(self) -> bool:
        return self.count < MANY


class WaitingList:
    """The tenants with due mail in one lane, read again from time to time; `forget` makes the next read a fresh one."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._fresh_until = float("-inf")
        self._found: Sequence[WaitingTenant] = ()
        # The tenants of the last read that are not light.
        self.heavy: frozenset[Tenant] = frozenset()

    def read(self) -> Sequence[WaitingTenant]:
        begun_at = monotonic()
        if begun_at >= self._fresh_until:
            self._found = fetch_as(WaitingTenant, _WAITING, {"lane": self._lane})
            self.heavy = frozenset(one.tenant for one in self._found if not one.is_light)
            now = monotonic()
            rest = REST_FACTOR * (now - begun_at)
            self._fresh_until = now + (rest if self._found else max(rest, EMPTY_SECONDS))
        return self._found

    def forget(self) -> None:
        self._fresh_until = float("-inf")


def write_is_due(lane: Lane) -> str:
    """The query of `is_due` as a part of another statement."""
    return _IS_DUE.replace("%(lane)s", f"'{lane}'")


def is_due(lane: Lane) -> bool:
    """Whether the lane has due recipients, whether or not a provider can take them now."""
    return bool(fetch_value(_IS_DUE, {"lane": lane}))
