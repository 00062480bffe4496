from django.apps import AppConfig
from django.conf import settings

from domains.dns.resolver import default_resolver
from domains.trusted_senders import trusted_names


class DomainsConfig(AppConfig):
    name = "domains"

    def ready(self) -> None:
        """Reject wrong settings at start, before the first email needs them."""
        trusted_names(tuple(settings.TRUSTED_SENDER_DOMAINS))
        default_resolver()
