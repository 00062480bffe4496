"""The WSGI entry point that gunicorn serves."""

import os

from django.conf import settings
from django.core.cache import close_caches
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import reset_queries

from ledger.limits import WorkKind, set_process_kind

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "emailsvc.settings")
set_process_kind(WorkKind.WEB)
application = get_wsgi_application()
# Each request would ask every cache and connection: our cache has nothing to close, and queries are kept by DEBUG only.
request_finished.disconnect(close_caches)
if not settings.DEBUG:
    request_started.disconnect(reset_queries)
