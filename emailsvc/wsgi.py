"""The WSGI entry point that gunicorn serves."""

import os

from django.core.wsgi import get_wsgi_application

from ledger.limits import WorkKind, set_process_kind

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "emailsvc.settings")
set_process_kind(WorkKind.WEB)
application = get_wsgi_application()
