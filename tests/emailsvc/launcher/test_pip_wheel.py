"""pip's own wheel is fetched from a stand-in index according to pip's settings, and needs the pinned hash."""

import hashlib
import json
import os
import socket
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from emailsvc.launcher.pip_wheel.__main__ import main
from tests.certificates import CertificateAuthority
from tests.emailsvc.launcher.stand_in_index import Index, Page, running_index

WHEEL = b"a wheel"
NAME = "pip-1.2-py3-none-any.whl"
SHA256 = hashlib.sha256(WHEEL).hexdigest()
LOGIN = "Basic " + b64encode(b"ann:p@ss").decode()


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """An index that has the wheel and is named by PIP_INDEX_URL."""
    with running_index() as running:
        running.pages["/simple/pip/"] = Page(f'<a href="../../files/{NAME}#sha256={SHA256}">x</a>'.encode())
        running.pages[f"/files/{NAME}"] = Page(WHEEL)
        monkeypatch.setenv("PIP_INDEX_URL", f"{running.url}/simple")
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lock.txt").write_text(
        f"# pinned\npip==1.2 \\\n    --hash=sha256:{'0' * 64} \\\n    --hash=sha256:{SHA256}\n"
    )
    (tmp_path / "venv").mkdir()
    return tmp_path / "venv"


def fetch(folder: Path) -> int:
    return main(str(folder.parent / "lock.txt"), str(folder))


def refuse(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence that was said; nothing is left in the folder."""
    assert fetch(folder) == 1
    output, errors = capsys.readouterr()
    assert (output, errors.count("\n"), list(folder.iterdir())) == ("", 1, [])
    return errors


def test_the_wheel_is_fetched_once(index: Index, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fetch(folder) == 0
    assert capsys.readouterr().out == f"{folder / NAME}\n"
    assert (folder / NAME).read_bytes() == WHEEL
    index.asked.clear()
    assert fetch(folder) == 0
    assert index.asked == []


def test_a_wheel_that_was_changed_on_disk_is_fetched_again(index: Index, folder: Path) -> None:
    (folder / NAME).write_bytes(b"half a wh")
    assert fetch(folder) == 0
    assert (folder / NAME).read_bytes() == WHEEL


@pytest.mark.parametrize(
    "page",
    [
        Page(f'<base href="/files/"><A class=x HREF="{NAME}">pip</A>'.encode()),
        Page(f'<a href="/files/pip-1.1-py3-none-any.whl">x</a><a href=/files/{NAME}>x</a>'.encode()),
        Page(
            json.dumps({"files": [{"url": f"../../files/{NAME}", "hashes": {"sha256": SHA256}}]}).encode(),
            "application/vnd.pypi.simple.v1+json",
        ),
        Page(
            json.dumps({"files": [{"url": f"/files/{NAME}", "hashes": {}}]}).encode(),
            "application/vnd.pypi.simple.v1+json",
        ),
    ],
)
def test_pages_are_read_as_html_and_as_json(index: Index, folder: Path, page: Page) -> None:
    index.pages["/simple/pip/"] = page
    assert fetch(folder) == 0


def test_links_are_relative_to_where_a_redirect_leads(index: Index, folder: Path) -> None:
    index.pages["/simple/pip/"] = Page(status=301, headers={"Location": "/other/deep/pip/"})
    index.pages["/other/deep/pip/"] = Page(f'<a href="{NAME}">x</a>'.encode())
    index.pages[f"/other/deep/pip/{NAME}"] = Page(WHEEL)
    assert fetch(folder) == 0


def test_a_login_in_the_url_is_sent_to_its_own_host_only_and_never_shown(
    index: Index, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_index() as files:
        files.pages[f"/{NAME}"] = Page(WHEEL)
        index.pages["/simple/pip/"] = Page(f'<a href="/away/{NAME}">x</a>'.encode(), login=LOGIN)
        index.pages[f"/away/{NAME}"] = Page(status=302, headers={"Location": f"{files.url}/{NAME}"}, login=LOGIN)
        monkeypatch.setenv("PIP_INDEX_URL", f"http://ann:p%40ss@{index.place}/simple/")
        assert fetch(folder) == 0
        assert {login for _, login in index.asked} == {LOGIN}
        assert files.asked == [(f"/{NAME}", "")]
    (folder / NAME).unlink()
    monkeypatch.setenv("PIP_INDEX_URL", f"http://ann:secret@{index.place}/simple/")
    capsys.readouterr()
    said = refuse(folder, capsys)
    assert "it wants another login in its URL" in said
    assert "secret" not in said


def test_a_hash_that_differs_is_refused(index: Index, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index.pages[f"/files/{NAME}"] = Page(b"something else")
    assert "is not what requirements-pip.txt pins: name an index that you trust" in refuse(folder, capsys)


def test_the_next_index_is_asked_where_one_cannot(index: Index, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_index() as forged:
        forged.pages["/pip/"] = Page(f'<a href="{NAME}">x</a>'.encode())
        forged.pages[f"/pip/{NAME}"] = Page(b"something else")
        monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{forged.url}/none {index.url}/simple")
        monkeypatch.setenv("PIP_INDEX_URL", forged.url)
        assert fetch(folder) == 0
    assert (folder / NAME).read_bytes() == WHEEL


def test_without_a_network_the_error_names_a_remedy(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{held.getsockname()[1]}")
        said = refuse(folder, capsys)
    assert said.startswith("pip 1.2 cannot be fetched. http://127.0.0.1:")
    assert "Connection refused" in said
    assert said.endswith("check the network, or name another index in PIP_INDEX_URL\n")


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (Page(status=404), f"there is no {NAME}: name another index"),
        (Page(b"<a href='pip-9-py3-none-any.whl'>"), f"there is no {NAME}: name another index"),
        (Page(status=503), "it answers 503"),
        (Page(b"[]", "application/vnd.pypi.simple.v1+json"), "its response is not that of a package index"),
        (Page(b"cut", headers={"Content-Length": "99"}), "its answer broke off: try again"),
    ],
)
def test_an_index_without_the_wheel_is_reported(
    index: Index, folder: Path, capsys: pytest.CaptureFixture[str], page: Page, reason: str
) -> None:
    index.pages["/simple/pip/"] = page
    assert reason in refuse(folder, capsys)


def test_a_full_disk_is_reported(index: Index, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / NAME).with_suffix(".part").symlink_to("/dev/full")
    assert "cannot hold pip's wheel: No space left on device" in refuse(folder, capsys)


def test_certificates_are_checked_by_pips_own_setting(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    authority = CertificateAuthority(tmp_path)
    with running_index(authority.issue("127.0.0.1")) as index:
        index.pages["/pip/"] = Page(f'<a href="{NAME}">x</a>'.encode())
        index.pages[f"/pip/{NAME}"] = Page(WHEEL)
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        assert "its certificate is not trusted" in refuse(folder, capsys)
        assert index.asked == []
        monkeypatch.setenv("PIP_CERT", str(authority.ca_file))
        assert fetch(folder) == 0
        monkeypatch.setenv("PIP_CERT", str(tmp_path / "none.pem"))
        (folder / NAME).unlink()
        capsys.readouterr()
        assert "certificates that PIP_CERT or pip.conf names cannot be read" in refuse(folder, capsys)


def test_plain_http_is_asked_on_loopback_and_of_trusted_hosts_only(
    index: Index, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.test/simple")
    assert "it is not HTTPS" in refuse(folder, capsys)
    # A proxy on loopback stands for the trusted host.
    monkeypatch.setenv("PIP_TRUSTED_HOST", "index.test")
    monkeypatch.setenv("PIP_PROXY", index.url)
    index.pages["http://index.test/simple/pip/"] = Page(f'<a href="{NAME}">x</a>'.encode())
    index.pages[f"http://index.test/simple/pip/{NAME}"] = Page(WHEEL)
    assert fetch(folder) == 0


@pytest.mark.parametrize("form", ["{folder}", "file://{folder}", "{folder}/page.html"])
def test_find_links_are_folders_and_pages(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    (tmp_path / NAME).write_bytes(WHEEL)
    (tmp_path / "page.html").write_text(f'<a href="{NAME}">x</a>')
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", f"/nowhere/at/all {form.format(folder=tmp_path)}")
    assert fetch(folder) == 0


def test_an_index_may_be_a_folder(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "simple/pip").mkdir(parents=True)
    (tmp_path / "simple/pip" / NAME).write_bytes(WHEEL)
    monkeypatch.setenv("PIP_INDEX_URL", f"file://{tmp_path}/simple")
    assert fetch(folder) == 0


def test_without_any_index_the_settings_are_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "true")
    assert refuse(folder, capsys) == "pip 1.2 cannot be fetched. pip's settings name no index\n"
