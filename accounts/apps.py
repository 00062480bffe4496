from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        # Registers the system checks of this and every other app that has a module of this name.
        autodiscover_modules("checks")
