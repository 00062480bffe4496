"""The Celery application, which carries wake-ups. Its settings are in `settings.py`, its tasks in the packages."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "emailsvc.settings")

app = Celery("emailsvc")
app.config_from_object("django.conf:settings", namespace="CELERY")
