"""The local SMTP inbox: a listener that stores received mail, a small JSON API, and a page."""

from django.apps import AppConfig


class InboxConfig(AppConfig):
    name = "inbox"
    label = "inbox"
    verbose_name = "Inbox"
