from django.apps import AppConfig


class MessagesConfig(AppConfig):
    name = "messages"
    # django.contrib.messages owns "messages"; this label is in table names and migrations and never changes.
    label = "mail"
    verbose_name = "Mail"
