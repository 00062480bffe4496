"""The present state of the installation as gauges, read from PostgreSQL and Redis when it is asked for."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from heapq import nlargest

import structlog
from django.db import Error as DatabaseError
from django.db import connection, transaction

from domains.domain_status import DomainStatus
from ledger.sql import execute, fetch
from ledger.telemetry.families import clean_label
from ledger.telemetry.instruments import Gauge
from ledger.timer import read_worker_age
from messages.queue_stats import ProjectQueue, read_beat_age, read_project_queues
from messages.states import Lane
from providers.services import count_paused
from tracking.stats.backlog import read_event_lag, read_oldest_writer
from tracking.suppressions.wave_decisions import count_open
from webhooks.backlog import read_backlog

log = structlog.get_logger(__name__)

# Of the projects with due mail in a lane, those whose mail waits the longest.
TOP_PROJECTS = 20
# A statement that takes longer leaves its gauges out.
STATEMENT_MS = 5000
# The gauges are read again at the earliest after this time, and so rarely that reading takes a part of 1/n of the time.
LEAST_SECONDS = 3.0
SHARE = 20

Sample = tuple[Gauge, tuple[str, ...], float]
Values = dict[str, dict[tuple[str, ...], float]]

DATABASE_UP = Gauge("emailsvc_database_up", "Whether PostgreSQL answers.")
REDIS_UP = Gauge("emailsvc_redis_up", "Whether Redis answers; while it does not, the counters stand still.")
READ_SECONDS = Gauge("emailsvc_gauges_read_seconds", "Time that it took to read the gauges.")
QUEUE = Gauge("emailsvc_queue_recipients", "Recipients of open mail, as queue_status shows them.", ("lane", "state"))
OLDEST_DUE = Gauge("emailsvc_queue_oldest_due_seconds", "Time for which the oldest due mail has waited.", ("lane",))
PROJECT_DUE = Gauge(
    "emailsvc_project_due_recipients",
    f"Due recipients of the {TOP_PROJECTS} projects of a lane that wait the longest.",
    ("lane", "project"),
)
PROJECT_OLDEST_DUE = Gauge(
    "emailsvc_project_oldest_due_seconds",
    "Time for which the oldest due mail of a project has waited.",
    ("lane", "project"),
)
UNCERTAIN = Gauge("emailsvc_uncertain_recipients", "Recipients whose last attempt has an unknown outcome.", ("lane",))
WEBHOOKS_DUE = Gauge("emailsvc_webhook_deliveries", "Webhook deliveries that are not done.", ("state",))
WEBHOOKS_OLDEST = Gauge(
    "emailsvc_webhook_oldest_due_seconds", "Time for which the oldest due webhook delivery has waited."
)
ENDPOINTS = Gauge("emailsvc_webhook_endpoints", "Webhook endpoints, by state.", ("state",))
BEAT_AGE = Gauge("emailsvc_beat_age_seconds", "Time since beat last started its tick; every 30 s.")
WORKER_AGE = Gauge("emailsvc_worker_age_seconds", "Time since a worker last looked for due mail; every second.")
EVENT_LAG = Gauge("emailsvc_event_lag_seconds", "Age of the oldest event that statistics have not counted.")
OLDEST_WRITER = Gauge(
    "emailsvc_feed_held_back_seconds", "Age of the oldest transaction that writes: the event feed ends before it."
)
PROVIDERS_PAUSED = Gauge("emailsvc_providers_paused", "Enabled providers that are paused.", ("owner", "by"))
DOMAINS = Gauge("emailsvc_domains", "Sending domains, by status.", ("status",))
HELD_SUPPRESSIONS = Gauge("emailsvc_suppression_waves_open", "Held-back waves of suppressions that wait for a person.")


def read_queue_gauges() -> Iterator[Sample]:
    queues = read_project_queues()
    states: Counter[tuple[str, str]] = Counter({(lane, state): 0 for lane in Lane for state in ProjectQueue.STATES})
    oldest, uncertain = dict.fromkeys(Lane, 0.0), dict.fromkeys(Lane, 0)
    for queue in queues:
        states.update({(queue.lane, state): getattr(queue, state) for state in ProjectQueue.STATES})
        oldest[queue.lane] = max(oldest[queue.lane], queue.oldest_due_seconds)
        uncertain[queue.lane] += queue.uncertain
    yield from ((QUEUE, labels, count) for labels, count in states.items())
    yield from ((OLDEST_DUE, (lane,), seconds) for lane, seconds in oldest.items())
    yield from ((UNCERTAIN, (lane,), count) for lane, count in uncertain.items())
    for lane in Lane:
        waiting = [queue for queue in queues if queue.lane == lane and queue.due]
        for queue in nlargest(TOP_PROJECTS, waiting, key=lambda each: each.oldest_due_seconds):
            labels = (lane, clean_label(queue.project))
            yield PROJECT_DUE, labels, queue.due
            yield PROJECT_OLDEST_DUE, labels, queue.oldest_due_seconds


def read_webhook_gauges() -> Iterator[Sample]:
    backlog = read_backlog()
    for state in ("due", "later", "leased"):
        yield WEBHOOKS_DUE, (state,), getattr(backlog, state)
    yield WEBHOOKS_OLDEST, (), backlog.oldest_due_seconds
    yield from ((ENDPOINTS, (state,), count) for state, count in backlog.endpoints.items())


def read_program_gauges() -> Iterator[Sample]:
    """Beat and workers; one that was never seen has no value, so a rule asks for `absent` too."""
    ages = {BEAT_AGE: read_beat_age(), WORKER_AGE: read_worker_age()}
    return ((gauge, (), age) for gauge, age in ages.items() if age is not None)


def read_event_gauges() -> Iterator[Sample]:
    yield EVENT_LAG, (), read_event_lag()
    yield OLDEST_WRITER, (), read_oldest_writer()


def read_standing_gauges() -> Iterator[Sample]:
    """What waits for a person."""
    yield from ((PROVIDERS_PAUSED, labels, count) for labels, count in count_paused().items())
    counts = Counter(dict(fetch("SELECT status, count(*) FROM domains_domain GROUP BY status")))
    yield from ((DOMAINS, (str(status),), counts[status]) for status in DomainStatus)
    yield HELD_SUPPRESSIONS, (), count_open()


READERS: tuple[Callable[[], Iterator[Sample]], ...] = (
    read_queue_gauges,
    read_webhook_gauges,
    read_program_gauges,
    read_event_gauges,
    read_standing_gauges,
)


def read_gauges() -> Values:
    """The present values by family and labels. What cannot be read is left out."""
    begun_at = time.monotonic()
    values: Values = {}
    for reader in READERS:
        try:
            with transaction.atomic():
                execute(f"SET LOCAL statement_timeout = {STATEMENT_MS}")
                for gauge, labels, value in reader():
                    values.setdefault(gauge.name, {})[labels] = float(value)
        except DatabaseError as error:
            log.warning("gauges_not_read", reader=reader.__name__, error=type(error).__name__)
            connection.close()
    values[DATABASE_UP.name] = {(): float(len(values) > 0)}
    values[READ_SECONDS.name] = {(): round(time.monotonic() - begun_at, 4)}
    return values


class GaugeCache:
    """The gauges for many who ask: PostgreSQL is asked no more often than it can bear. Safe for threads."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._values: Values = {}
        self._valid_until = 0.0

    def read(self) -> Values:
        with self._mutex:
            begun_at = time.monotonic()
            if begun_at >= self._valid_until:
                self._values = read_gauges()
                seconds = time.monotonic() - begun_at
                self._valid_until = begun_at + max(LEAST_SECONDS, SHARE * seconds)
            return self._values

    def forget(self) -> None:
        self._valid_until = 0.0


gauges = GaugeCache()
