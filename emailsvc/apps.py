from django.apps import AppConfig

# Imported so that every process, web and commands included, sends wake-ups to the configured broker.
from emailsvc.celery import app


class EmailsvcConfig(AppConfig):
    name = "emailsvc"

    def ready(self) -> None:
        app.set_default()
