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
    leave_out_unused()
    django.setup()
    for name in MODULES:
        import_module(name)
    for name in settings.MIDDLEWARE:
        import_string(name)
    import_module("emailsvc.celery").app.finalize()
    import_module("emailsvc.launcher.rehearsal").rehearse()
    # The collectors of the children neither touch nor copy the pages of what is loaded.
    gc.freeze()
    gc.enable()


def leave_out_unused() -> None:
    """Keep libraries from loading what they use where it is there, and our programs do not need."""
    # Celery's command line offers a shell for AMQP, by 150 modules.
    shell = ModuleType("click_repl")
    shell.register_repl = lambda _group: None  # type: ignore[attr-defined]
    sys.modules.setdefault("click_repl", shell)
    # structlog would show tracebacks in colours, by 70 modules; our logs are JSON.
    leave_out("rich")
    # Celery's children declare prctl to cffi, which makes a parser of C for that, 5 MB. Without it they call glibc's by
    # ctypes.
    if "CS_GNU_LIBC_VERSION" in os.confstr_names:
        leave_out("cffi")


def leave_out(name: str) -> None:
    """Importing the module `name` raises ImportError from now on, unless it has been imported."""
    sys.modules.setdefault(name, None)  # type: ignore[arg-type]
