"""Everything that our programs import, loaded once in the process that forks them. It opens no connection."""

import gc
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType

import django
from django.conf import settings
from django.utils.module_loading import import_string

# Beside the apps: the views, our programs, and what Celery, gunicorn and Django import by name when they start.
MODULES = (
    "emailsvc.urls",
    "emailsvc.celery_worker",
    "emailsvc.celery_consumer",
    "emailsvc.web.patient_worker",
    "gateways.management.commands.run_report_listener",
    "gateways.management.commands.run_submission",
    "inbox.management.commands.run_inbox",
    "billiard.popen_fork",
    "billiard.sharedctypes",
    "billiard.synchronize",
    "celery.app.amqp",
    "celery.app.control",
    "celery.app.events",
    "celery.app.log",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.bin.celery",
    "celery.concurrency.prefork",
    "celery.events.receiver",
    "celery.worker.autoscale",
    "celery.worker.components",
    "celery.worker.consumer.delayed_delivery",
    "celery.worker.strategy",
    "django.contrib.messages.storage.fallback",
    "accounts.people.sessions",
    "django.contrib.staticfiles.storage",
    "django.core.cache.backends.redis",
    "emailsvc.beat_scheduler",
    "gunicorn.app.wsgiapp",
    "gunicorn.glogging",
    "kombu.transport.redis",
)


def load_product(environment: Mapping[str, str]) -> None:
    """Read the settings from `environment`, which becomes ours, and import the product.

    A wrong setting is printed to stderr and raises SystemExit.
    """
    os.environ.update(environment)
    import_product()


def import_product() -> None:
    """Import what the programs need, ready to be shared by forks."""
    # `prepare` has made Django's checks; each worker and beat would repeat them, for half a second of a processor.
    os.environ["CELERY_SKIP_CHECKS"] = "1"
    # Next to nothing of what is loaded is garbage, and the search takes a fifth of the loading.
    gc.disable()
    django.setup()
    leave_out_shell()
    for name in MODULES:
        import_module(name)
    for name in settings.MIDDLEWARE:
        import_string(name)
    import_module("emailsvc.celery").app.finalize()
    # Each of Celery's children declares prctl to cffi, which makes a parser of C for that: 5 MB, once per process.
    if cffi := sys.modules.get("cffi"):
        cffi.FFI().cdef("int prctl(int, ...);")
    # The collectors of the children neither touch nor copy the pages of what is loaded.
    gc.freeze()
    gc.enable()


def leave_out_shell() -> None:
    """Celery's command line offers a shell for AMQP, by 150 modules that none of our programs uses."""
    shell = ModuleType("click_repl")
    shell.register_repl = lambda _group: None  # type: ignore[attr-defined]
    sys.modules.setdefault("click_repl", shell)
