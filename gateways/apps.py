"""Other ways in beside the API: other APIs' dialects, and returning mail."""

from django.apps import AppConfig


class GatewaysConfig(AppConfig):
    name = "gateways"
