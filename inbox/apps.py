"""The local SMTP inbox: a listener that stores what it receives, a small JSON, and a page to read it."""

from django.apps import AppConfig


class InboxConfig(AppConfig):
    name = "inbox"
    label = "inbox"
    verbose_name = "Inbox"
