from django.apps import AppConfig


class TemplatesConfig(AppConfig):
    name = "templates_app"
    # This label is in table names and migrations and never changes.
    label = "templates"
    verbose_name = "Templates"
