"""The web server's configuration: `gunicorn emailsvc.wsgi:application -c emailsvc/web/gunicorn_config.py`."""

import gc
import resource
import signal

from django.urls import get_resolver
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

from emailsvc.embedded.parent_death import die_with_parent


def raise_descriptor_limit(wanted: int) -> int:
    """Let this process have `wanted` descriptors, or as many as it may; how many. Many systems begin with 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


bind = ["127.0.0.1:8000"]
worker_class = "emailsvc.web.patient_worker.PatientWorker"
# Threads, because a long poll of the inbox waits for seconds; each thread holds one database connection.
workers = 2
threads = 16
# One import for all workers: a faster start, and pages of code shared between them.
preload_app = True
# A worker that leaks is replaced some day, not both on the same day.
max_requests = 50_000
max_requests_jitter = 10_000
keepalive = 30
# Idle ones cost a descriptor each, and no thread; some descriptors are for the database and for files.
worker_connections = raise_descriptor_limit(4200) - 200
graceful_timeout = 3
# Who is trusted is Django's business (TRUSTED_PROXIES).
secure_scheme_headers: dict[str, str] = {}
forwarded_allow_ips = ""
# It would be a socket in the home folder.
control_socket_disable = True
accesslog = None
loglevel = "warning"


def when_ready(_server: Arbiter) -> None:
    """Load all views before the workers are forked: else each of them would, while its first caller waits."""
    get_resolver().url_patterns  # noqa: B018 - reading it loads them
    # What is imported stays: the collector of the children need not touch, and so copy, its pages.
    gc.freeze()


def post_fork(_server: Arbiter, worker: Worker) -> None:
    die_with_parent(worker.ppid, signal.SIGKILL)
