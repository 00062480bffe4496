"""Doors beside the API: for clients that speak another dialect, and for mail that comes back."""

from django.apps import AppConfig


class GatewaysConfig(AppConfig):
    name = "gateways"
