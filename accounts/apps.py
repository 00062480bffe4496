from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        # Each app's system checks and its extensions of the OpenAPI document register themselves on import.
        autodiscover_modules("checks", "schema", "api.schema")
