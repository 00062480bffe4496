"""Model fields for secrets."""

import json
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import models
from django.db.models.lookups import Exact


class SecretText(str):
    """A string with a masked `repr`. `str()` and formatting give the text."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'********'"


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]
    """Text that is encrypted in the database (Fernet: AES-128-CBC with HMAC-SHA-256).

    Written with the first of ENCRYPTION_KEYS, read with any of them. Values come back as `SecretText`. Queries cannot
    filter by them, only test for null; forms and the admin leave them out. A value that no key decrypts raises
    `ImproperlyConfigured` when its row is read; see `LenientSecretField` for rows that must be read all the same.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["editable"] = False
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("editable", None)
        return name, path, list(args), kwargs

    def get_prep_value(self, value: Any) -> Any:
        return None if value is None else encrypt(str(value))

    def from_db_value(self, value: str | None, *_: object) -> SecretText | None:
        return None if value is None else decrypt(value)

    def value_to_string(self, obj: models.Model) -> str:
        """The output of `dumpdata`: never the secret itself."""
        return str(self.get_prep_value(self.value_from_object(obj)) or "")

    def get_lookup(self, lookup_name: str) -> Any:
        # Each encryption of the same text differs, so only null can be compared.
        if lookup_name not in {"exact", "isnull"}:
            raise FieldError(f"{self.name} is encrypted: it cannot be filtered by {lookup_name}")
        return NullOnly if lookup_name == "exact" else super().get_lookup(lookup_name)


class LostSecret(SecretText):
    """The empty text in place of a secret that no key decrypts. `token` is the stored form, which saving keeps."""

    __slots__ = ("token",)
    token: str

    def __new__(cls, token: str) -> "LostSecret":
        made = super().__new__(cls, "")
        made.token = token
        return made


class LenientSecretField(EncryptedTextField):
    """An encrypted text that reads as a `LostSecret` when no key decrypts it: the rest of its row can still be read."""

    def get_prep_value(self, value: Any) -> Any:
        return value.token if isinstance(value, LostSecret) else super().get_prep_value(value)

    def from_db_value(self, value: str | None, *_: object) -> SecretText | None:
        try:
            return super().from_db_value(value)
        except ImproperlyConfigured:
            return LostSecret(value or "")


class EncryptedJsonField(LenientSecretField):
    """A JSON object, encrypted. It reads as a `LostSecret` when no key decrypts it, or when it is no JSON object."""

    # For django-stubs: a JSON object.
    _pyi_private_set_type: Any
    _pyi_private_get_type: Any

    def get_prep_value(self, value: Any) -> Any:
        return super().get_prep_value(json.dumps(value) if isinstance(value, dict) else value)

    def from_db_value(self, value: str | None, *_: object) -> Any:
        text = super().from_db_value(value)
        if text is None or isinstance(text, LostSecret):
            return text
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        return found if isinstance(found, dict) else LostSecret(value or "")


class NullOnly(Exact):
    """`filter(secret=None)`, the only supported value."""

    def __init__(self, lhs: Any, rhs: Any) -> None:
        if rhs is not None:
            raise FieldError("An encrypted field cannot be filtered by its text")
        super().__init__(lhs, rhs)


def encrypt(text: str) -> str:
    """`text` encrypted with the newest key."""
    return build_fernet(tuple(settings.ENCRYPTION_KEYS)).encrypt(text.encode()).decode()


def decrypt(token: str) -> SecretText:
    """The decrypted text. Raises `ImproperlyConfigured` if no key of ENCRYPTION_KEYS decrypts it."""
    try:
        return SecretText(build_fernet(tuple(settings.ENCRYPTION_KEYS)).decrypt(token.encode()).decode())
    except InvalidToken:
        raise ImproperlyConfigured("No key in ENCRYPTION_KEYS decrypts a stored secret") from None


@lru_cache(maxsize=4)
def build_fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])
