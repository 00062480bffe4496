"""Every counter and histogram of the service: the code that counts imports them from here.

A label holds no address, subject, key or path: only words of the code, and names that operators give.
"""

from functools import lru_cache

from ledger.telemetry.instruments import Counter, Histogram

LATENCIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
HANDOVERS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)
MAX_LABEL = 60

EMAILS_ACCEPTED = Counter(
    "emailsvc_emails_accepted_total", "Emails accepted, by the way in which they came.", ("door", "priority", "test")
)
REQUEST_SECONDS = Histogram(
    "emailsvc_http_request_duration_seconds",
    "Time of the application for a request, without its way over the network.",
    ("method", "route", "status"),
    bounds=LATENCIES,
    most=2000,
)
ATTEMPTS = Counter(
    "emailsvc_attempts_total",
    "Attempts with a recorded reply. Providers of projects are told by their kind alone.",
    ("kind", "provider", "outcome"),
)
HANDOVER_SECONDS = Histogram(
    "emailsvc_handover_seconds",
    "Time from the moment at which mail was queued to its hand-over, of mail that one attempt was enough for.",
    ("lane",),
    bounds=HANDOVERS,
)
WEBHOOK_ATTEMPTS = Counter("emailsvc_webhook_attempts_total", "Posts to webhook endpoints.", ("outcome",))
WEBHOOK_SECONDS = Histogram(
    "emailsvc_webhook_duration_seconds",
    "Time of a post to a webhook endpoint, until its answer or its failure.",
    ("outcome",),
    bounds=LATENCIES,
)
LIMITS_HIT = Counter(
    "emailsvc_limits_hit_total", "Requests that a limit refused (429, or 503 for one of the server).", ("limit",)
)
EVENTS = Counter("emailsvc_events_total", "Events about mail that were written after it was accepted.", ("type",))
WAKE_UPS_FAILED = Counter("emailsvc_wake_ups_failed_total", "Wake-ups for workers that the broker did not take.")
TASKS_FAILED = Counter("emailsvc_task_failures_total", "Runs of tasks that ended with an error.", ("task",))
REQUESTS_NOT_LOGGED = Counter(
    "emailsvc_requests_not_logged_total", "Requests that are missing in the request log since the database was away."
)


@lru_cache(maxsize=1000)
def clean_label(text: str) -> str:
    """A name that people gave, as a label: short, printable, and no address."""
    shown = "".join(char for char in text if char.isprintable())[:MAX_LABEL]
    return shown.replace("@", "_")


@lru_cache(maxsize=1000)
def label_provider(name: str, *, is_shared: bool) -> str:
    """A shared provider by its name; those of projects together, since there may be many."""
    return clean_label(name) if is_shared else "project"
