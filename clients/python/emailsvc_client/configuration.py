"""Where the URL and the key come from: arguments, Django's settings, the environment, `emailsvc login`."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from emailsvc_client.errors import ConfigurationError

URL = "EMAILSVC_URL"
KEY = "EMAILSVC_API_KEY"
API = "/api/v1"


@dataclass
class Defaults:
    """What every client uses that is given no transport; tests put an outbox here."""

    transport: httpx.MockTransport | None = None


defaults = Defaults()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The URL of a service, without `/api/v1`, and a key."""

    url: str
    api_key: str

    def __repr__(self) -> str:
        return f"Account(url={self.url!r})"


def find_account(url: str | None = None, api_key: str | None = None, saved: Account | None = None) -> Account:
    """Each from its argument, else from Django's settings, else from the environment, else from `saved`.

    Raises ConfigurationError if there is none, or if the URL is not one.
    """
    found_url = find_url(url, saved)
    # A key that was saved for one service is not told to another.
    found_key = api_key or read_setting(KEY) or (saved.api_key if saved and found_url == saved.url else "")
    if not found_key:
        raise ConfigurationError(f"There is no API key: pass one, or set {KEY}.")
    if not found_key.isascii() or not found_key.isprintable():
        raise ConfigurationError("The API key holds characters that no key has.")
    return Account(url=found_url, api_key=found_key)


def find_url(url: str | None = None, saved: Account | None = None) -> str:
    """The URL alone, found as `find_account` finds it. Raises ConfigurationError."""
    found = url or read_setting(URL) or (saved.url if saved else "")
    if not found:
        raise ConfigurationError(f"There is no URL: pass one, or set {URL}.")
    return clean_url(found)


def clean_url(url: str) -> str:
    """Without a slash and without `/api/v1` at its end. Raises ConfigurationError if it is no URL."""
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ConfigurationError(f"{url!r} is not the URL of a service, such as https://mail.example.com.")
    return url.strip().rstrip("/").removesuffix(API).rstrip("/")


def read_setting(name: str) -> str:
    """From Django's settings if the program has loaded Django and they have it, else from the environment."""
    conf = sys.modules.get("django.conf")
    settings = getattr(conf, "settings", None)
    value = getattr(settings, name, None) if settings is not None and settings.configured else None
    return str(value or os.environ.get(name, "")).strip()


def find_account_file() -> Path:
    """The file of `emailsvc login`."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "emailsvc" / "account.json"


def read_saved_account(path: Path) -> Account | None:
    """None if nobody has logged in. Raises ConfigurationError if the file cannot be read."""
    try:
        values = json.loads(path.read_text("utf-8"))
        return Account(url=str(values["url"]), api_key=str(values["api_key"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path} cannot be read ({error}); log in again.") from error


def save_account(account: Account, path: Path) -> None:
    """Write the file whole, for its owner only (0600)."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        # An old file of this name would keep its own mode.
        os.fchmod(descriptor, 0o600)
        json.dump({"url": account.url, "api_key": account.api_key}, file)
    new.replace(path)
