"""Generated secrets of a fresh installation: `<data>/secrets.json`, readable by its owner only."""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cryptography.fernet import Fernet

from emailsvc.embedded.errors import EmbeddedError

FILE_NAME = "secrets.json"
ADMIN_USER = "admin"


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """`admin_password` is None once it was changed in the admin; `api_key` is empty until the first key is created."""

    SECRET_KEY: str
    ENCRYPTION_KEYS: str
    admin_password: str | None
    api_key: str = ""
    METRICS_TOKEN: str = ""

    def environment(self) -> dict[str, str]:
        """The part that our programs read from their environment."""
        return {name: getattr(self, name) for name in ("SECRET_KEY", "ENCRYPTION_KEYS", "METRICS_TOKEN")}


def keep_secrets(data: Path, given: Mapping[str, str]) -> Secrets:
    """The stored secrets, generated at the first call. Values in the environment `given` take precedence.

    Raises EmbeddedError if the file exists but cannot be read: new keys would make stored secrets unreadable.
    """
    path = data / FILE_NAME
    found = read_secrets(path) if path.exists() else generate_secrets()
    # A file of an earlier release has no token.
    kept = found if found.METRICS_TOKEN else replace(found, METRICS_TOKEN=generate_token())
    if not path.exists() or kept != found:
        write_secrets(path, kept)
    return replace(kept, **{name: given[name] for name in kept.environment() if given.get(name)})


def generate_secrets() -> Secrets:
    return Secrets(
        SECRET_KEY=secrets.token_urlsafe(48),
        ENCRYPTION_KEYS=Fernet.generate_key().decode(),
        admin_password=secrets.token_urlsafe(12),
        METRICS_TOKEN=generate_token(),
    )


def generate_token() -> str:
    return secrets.token_urlsafe(24)


def read_secrets(path: Path) -> Secrets:
    try:
        return Secrets(**json.loads(path.read_text()))
    except (OSError, TypeError, ValueError) as error:
        raise EmbeddedError(f"{path} cannot be read: {error}") from error


def write_secrets(path: Path, kept: Secrets) -> None:
    write_private(path, asdict(kept))


def write_private(path: Path, content: Mapping[str, object]) -> None:
    """Replace `path` by JSON in one step, mode 0600: a reader sees the old file or the complete new one."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123 - the mode
        json.dump(content, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
