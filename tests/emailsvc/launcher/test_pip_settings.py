"""pip's settings are read from pip's own locations, with pip's precedence."""

import os
import sys
from pathlib import Path

import pytest

from emailsvc.launcher.pip_wheel.settings import SettingsError, list_files, read_settings

# The weakest first; /etc/pip.conf and the environment that Python lies in are this machine's own.
PLACES = ("xdg/pip/pip.conf", "home/.pip/pip.conf", "home/.config/pip/pip.conf", "activated/pip.conf", "named.conf")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    for place in PLACES:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    return {
        "HOME": str(tmp_path / "home"),
        "XDG_CONFIG_DIRS": str(tmp_path / "xdg"),
        "VIRTUAL_ENV": str(tmp_path / "activated"),
    }


@pytest.mark.parametrize("place", PLACES)
def test_each_place_counts_and_is_stronger_than_those_before_it(
    environ: dict[str, str], tmp_path: Path, place: str
) -> None:
    for number, name in enumerate(PLACES[: PLACES.index(place) + 1]):
        (tmp_path / name).write_text(f"[global]\nindex-url = https://number{number}.test/\n")
    if place == "named.conf":
        environ["PIP_CONFIG_FILE"] = str(tmp_path / place)
    assert read_settings(environ).indexes[0] == f"https://number{PLACES.index(place)}.test/"


def test_a_named_file_replaces_the_users_file(environ: dict[str, str], tmp_path: Path) -> None:
    environ["PIP_CONFIG_FILE"] = str(tmp_path / "named.conf")
    (tmp_path / "named.conf").write_text("")
    (tmp_path / "home/.config/pip/pip.conf").write_text("[global]\nproxy = http://proxy.test\n")
    assert read_settings(environ).proxy == ""


def test_the_systems_files_are_among_them_and_the_null_device_turns_all_off(environ: dict[str, str]) -> None:
    files = list(list_files(environ))
    assert Path("/etc/pip.conf") in files
    assert Path(sys.prefix) / "pip.conf" in files
    assert Path("/etc/xdg/pip/pip.conf") in list_files({})
    assert list(list_files({**environ, "PIP_CONFIG_FILE": os.devnull})) == []


def test_a_commands_section_and_the_environment_are_stronger(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "home/.pip/pip.conf").write_text(
        "[install]\nfind_links =\n    /one\n    /two\ncert = /a.pem\n[global]\nfind-links = /never\n"
        "extra-index-url = https://b.test https://c.test\ntrusted-host = c.test\nclient-cert = /me.pem\n"
        "index-url = https://a.test\n"
    )
    settings = read_settings(
        {**environ, "PIP_CERT": "/b.pem", "PIP_INDEX_URL": "", "PIP_TRUSTED_HOST": "d.test e.test"}
    )
    assert settings.indexes == ("https://a.test", "https://b.test", "https://c.test")
    assert settings.find_links == ("/one", "/two")
    assert (settings.certificates, settings.client_certificate) == ("/b.pem", "/me.pem")
    assert settings.trusted_hosts == {"d.test", "e.test"}


def test_a_file_that_cannot_be_read_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "home/.pip/pip.conf").write_text("index-url = https://a.test\n")
    with pytest.raises(SettingsError, match=r"home/\.pip/pip\.conf cannot be read"):
        read_settings(environ)
