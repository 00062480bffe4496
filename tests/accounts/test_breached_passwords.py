"""Passwords that stand in a file of breached ones are refused; the file is searched and not read."""

from hashlib import sha1
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError

from accounts.people.breached import BreachedPasswordValidator


def digest(password: str) -> str:
    return sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


def write(path: Path, passwords: list[str], *, end: str = ":3\r\n") -> BreachedPasswordValidator:
    path.write_bytes(end.join(sorted(map(digest, passwords))).encode() + end.encode())
    return BreachedPasswordValidator(str(path))


def is_refused(validator: BreachedPasswordValidator, password: str) -> bool:
    try:
        validator.validate(password)
    except ValidationError as error:
        return error.messages == ["This password is known from a data breach."]
    return False


# With counts, as they are downloaded, without, and of different lengths.
@pytest.mark.parametrize("end", [":3\r\n", "\n", ":123456789\n"])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 200])
def test_exactly_the_passwords_of_the_file_are_refused(tmp_path: Path, count: int, end: str) -> None:
    known = [f"breached {number}" for number in range(count)]
    validator = write(tmp_path / "list", known, end=end)
    assert all(is_refused(validator, password) for password in known)
    assert not any(is_refused(validator, f"fresh {number}") for number in range(200))


def test_lower_case_and_a_last_line_without_an_end_are_read(tmp_path: Path) -> None:
    lines = sorted(digest(f"breached {number}").lower() for number in range(9))
    (tmp_path / "list").write_text("\n".join(lines))
    validator = BreachedPasswordValidator(str(tmp_path / "list"))
    assert all(is_refused(validator, f"breached {number}") for number in range(9))


def test_without_the_file_every_password_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="cannot be read"):
        BreachedPasswordValidator(str(tmp_path / "gone")).validate("a fresh one")
