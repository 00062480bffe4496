"""The tables that grow with every mail, partitioned by month, and what keeps a month of each."""

from collections.abc import Sequence

from accounts.requests.retention import REQUESTS
from ledger.partitions import MonthlyTable
from messages.states import OPEN_STATUSES, Status
from webhooks.retention import DELIVERIES

# Retention removes rows by project; a month is dropped when it is empty. It also waits for the mail that was accepted
# in it or before, and is still open or scheduled.
_KEPT_ROWS = (
    "EXISTS (SELECT 1 FROM PARTITION) OR EXISTS (SELECT 1 FROM mail_message m"  # noqa: S608 - built from constants
    f" WHERE m.status IN ({OPEN_STATUSES}, '{Status.SCHEDULED}') AND m.id < %(end)s)"
)
EVENTS = MonthlyTable(
    name="tracking_event",
    key="id",
    storage={"autovacuum_vacuum_insert_scale_factor": "0.05", "autovacuum_analyze_scale_factor": "0.05"},
    needed=_KEPT_ROWS,
)
# By recipient, so that a recipient's attempts lie together and their number stays unique.
ATTEMPTS = MonthlyTable(
    name="mail_attempt",
    key="recipient_id",
    storage={
        "fillfactor": "50",
        "autovacuum_vacuum_scale_factor": "0.02",
        "autovacuum_analyze_scale_factor": "0.05",
    },
    needed=_KEPT_ROWS,
)
MONTHLY_TABLES: Sequence[MonthlyTable] = (EVENTS, ATTEMPTS, DELIVERIES, REQUESTS)
