from django.apps import AppConfig
from django.conf import settings

# Imported so that every process, web and commands included, sends wake-ups to the configured broker.
from emailsvc.celery import app
from emailsvc.monitoring.error_reports import start_reports
from emailsvc.monitoring.tracing import write_spans
from ledger.telemetry.gathering import gatherer


class EmailsvcConfig(AppConfig):
    name = "emailsvc"

    def ready(self) -> None:
        app.set_default()
        if settings.IS_TRACED:
            gatherer.register(write_spans)
        if settings.IS_REPORTED:
            start_reports(settings.SENTRY_DSN, settings.SENTRY_ENVIRONMENT)
