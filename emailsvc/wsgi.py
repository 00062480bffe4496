"""The WSGI entry point that gunicorn serves."""

import os

import django
from django.conf import settings
from django.core.cache import close_caches
from django.core.signals import request_finished, request_started
from django.db import reset_queries

from ledger.limits import WorkKind, set_process_kind

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "emailsvc.settings")
set_process_kind(WorkKind.WEB)
django.setup(set_prefix=False)

from emailsvc.web.handler import Handler, use_own_receivers  # noqa: E402 - the settings are complete only now

application = Handler()
use_own_receivers()
# Each request would ask every cache: ours has nothing to close. Queries are kept by DEBUG only.
request_finished.disconnect(close_caches)
if not settings.DEBUG:
    request_started.disconnect(reset_queries)
