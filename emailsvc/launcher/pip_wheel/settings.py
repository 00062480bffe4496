"""Pip's settings for indexes: from its files and PIP_… variables, with pip's own precedence."""

import os
import sys
from collections.abc import Iterator, Mapping
from configparser import Error, RawConfigParser
from dataclasses import dataclass
from pathlib import Path

DEFAULT_INDEX = "https://pypi.org/simple"
# The section of one command takes precedence over the common section.
SECTIONS = ("global", "install")
YES = {"1", "on", "true", "yes"}


class SettingsError(Exception):
    """The reason why pip's settings cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where to look, in this order, `find_links` first, and with which options; paths and URLs are as written."""

    indexes: tuple[str, ...] = (DEFAULT_INDEX,)
    find_links: tuple[str, ...] = ()
    certificates: str = ""
    client_certificate: str = ""
    proxy: str = ""
    trusted_hosts: frozenset[str] = frozenset()


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings as pip itself would read them. Raises SettingsError with the name of an unreadable file."""
    found = collect(environ)
    first = found.get("index-url") or found.get("pypi-url") or DEFAULT_INDEX
    indexes = () if found.get("no-index", "").lower() in YES else (first, *found.get("extra-index-url", "").split())
    return Settings(
        indexes=indexes,
        find_links=tuple(found.get("find-links", "").split()),
        certificates=found.get("cert") or environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE") or "",
        client_certificate=found.get("client-cert", ""),
        proxy=found.get("proxy", ""),
        trusted_hosts=frozenset(found.get("trusted-host", "").split()),
    )


def collect(environ: Mapping[str, str]) -> dict[str, str]:
    """Each option with its effective value. Like pip, treats an empty value as unset."""
    sections: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    for path in list_files(environ):
        for section, options in read_file(path).items():
            sections.setdefault(section, {}).update(options)
    from_environment = {name[4:]: value for name, value in environ.items() if name.startswith("PIP_")}
    found: dict[str, str] = {}
    for options in (*(sections[section] for section in SECTIONS), from_environment):
        found.update({normalise(name): value for name, value in options.items() if value.strip()})
    return found


def normalise(name: str) -> str:
    return name.lower().replace("_", "-").removeprefix("--")


def list_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """The locations of pip.conf, in ascending precedence."""
    named = environ.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return
    home = Path(environ.get("HOME") or Path.home())
    for folder in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep):
        yield Path(folder) / "pip/pip.conf"
    yield Path("/etc/pip.conf")
    if not (named and Path(named).exists()):
        yield home / ".pip/pip.conf"
        yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip/pip.conf"
    yield from dict.fromkeys(
        Path(folder) / "pip.conf" for folder in (sys.prefix, environ.get("VIRTUAL_ENV") or sys.prefix)
    )
    if named:
        yield Path(named)


def read_file(path: Path) -> dict[str, dict[str, str]]:
    parser = RawConfigParser()
    try:
        parser.read_string(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError, Error) as error:
        raise SettingsError(f"pip's settings in {path} cannot be read ({type(error).__name__})") from error
    return {section: dict(parser[section]) for section in parser.sections()}
