"""The certificate that the submission server makes for itself."""

from datetime import timedelta
from pathlib import Path

import pytest

from gateways.smtp import certificate
from gateways.smtp.certificate import keep_certificate


def test_a_certificate_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "own.pem"
    keep_certificate(path, ["mail.test", "127.0.0.1"])
    made = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    keep_certificate(path, ["mail.test"])
    assert path.read_bytes() == made


def test_one_that_ends_soon_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "own.pem"
    monkeypatch.setattr(certificate, "LIFETIME", timedelta(days=29))
    keep_certificate(path, ["mail.test"])
    made = path.read_bytes()
    keep_certificate(path, ["mail.test"])
    assert path.read_bytes() != made


def test_a_file_that_is_no_certificate_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "own.pem"
    path.write_text("somebody's notes")
    with pytest.raises(ValueError, match="PEM"):
        keep_certificate(path, ["mail.test"])
    assert path.read_text() == "somebody's notes"
