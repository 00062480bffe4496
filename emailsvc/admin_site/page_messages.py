"""Where the admin keeps its messages to people until the next page: Django's cookie, or the session if it is full."""

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage


class HostCookieStorage(CookieStorage):
    """The cookie under a name that browsers take from this host alone, where cookies are secure."""

    cookie_name = "__Host-messages" if settings.SESSION_COOKIE_SECURE else "messages"


class PageMessages(FallbackStorage):
    """Named by MESSAGE_STORAGE."""

    storage_classes = (HostCookieStorage, SessionStorage)
