"""The Celery application, which carries wake-ups. Its settings are in `settings.py`, its tasks in the packages."""

import os
import sys

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "emailsvc.settings")

app = Celery("emailsvc")
# By default Celery closes the connection before and after each task, and opening one costs more than most periodic
# tasks do. Workers look at it before each task instead (celery_worker), and Django ends it by its age.
app.add_defaults(lambda: {"CELERY_DB_REUSE_MAX": sys.maxsize})
app.config_from_object("django.conf:settings", namespace="CELERY")
