"""The web server's configuration: `gunicorn emailsvc.wsgi:application -c emailsvc/web/gunicorn_config.py`."""

import gc
import resource
import signal

from django.conf import settings
from django.utils.module_loading import import_string
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

from emailsvc.embedded.parent_death import die_with_parent
from emailsvc.web.serving.limits import MIB, ServerLimits
from ledger.telemetry.gathering import gatherer


def raise_descriptor_limit(wanted: int) -> int:
    """Raise the limit on descriptors to `wanted`, or as far as allowed; returns it. Many systems start at 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


bind = ["127.0.0.1:8000"]
worker_class = "emailsvc.web.patient_worker.PatientWorker"
# A request has a thread while the application works on it; each thread has one database connection.
workers = 2
threads = 16
# One import for all workers: a faster start and shared pages of code.
preload_app = True
# Workers are replaced after a while, in case they leak; not both at the same time.
max_requests = 50_000
max_requests_jitter = 10_000
keepalive = 30
# An idle connection costs a descriptor and no thread; some descriptors are reserved for the database and files.
# A large body lies in a file, which is another descriptor.
worker_connections = (raise_descriptor_limit(4200) - 200) // 2
graceful_timeout = 3
# Django decides which proxies are trusted (TRUSTED_PROXIES).
secure_scheme_headers: dict[str, str] = {}
forwarded_allow_ips = ""
# By default this is a socket in the home folder.
control_socket_disable = True
accesslog = None
loglevel = "warning"


def on_starting(server: Arbiter) -> None:
    """Listen on METRICS_PORT too, at the first address of the web server; `./run` gives us its socket for it."""
    first = server.cfg.address[0]
    if settings.METRICS_PORT and isinstance(first, tuple):
        server.cfg.set("bind", [*server.cfg.bind, format_bind(first[0], settings.METRICS_PORT)])


def format_bind(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def when_ready(_server: Arbiter) -> None:
    """Do once what each worker would do for its first caller."""
    # Imported here, as in `post_fork`: this module is read before the application.
    import_string("emailsvc.web.warming.fill_caches")()
    # Freeze the imported objects: the garbage collector of the children then neither touches nor copies their pages.
    gc.freeze()


def post_fork(_server: Arbiter, worker: Worker) -> None:
    die_with_parent(worker.ppid, signal.SIGKILL)
    worker.limits = ServerLimits(
        connections_per_peer=settings.WEB_CONNECTIONS_PER_PEER,
        trusted_proxies=settings.TRUSTED_PROXIES,
        bytes_in_flight=settings.WEB_BYTES_IN_FLIGHT_MIB * MIB,
    )
    worker.warm_up = import_string("emailsvc.web.warming.warm_up")


def worker_exit(_server: Arbiter, _worker: Worker) -> None:
    """Write what the worker has counted."""
    gatherer.write()
