"""One-time passwords, with the test values of RFC 6238, appendix B."""

from base64 import b32encode

import pytest

from accounts.people.totp import build_uri, code_at, find_step, new_key

KEY = b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("at", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037"), (20000000000, "353130")],
)
def test_codes_are_those_of_the_standard(at, code):
    assert code_at(KEY, at // 30) == code


def test_a_code_holds_a_step_early_and_late_but_never_twice():
    assert [find_step(KEY, code_at(KEY, step), 3000, after=0) for step in (98, 99, 100, 101, 102)] == [
        *(None, 99, 100, 101),
        None,
    ]
    assert find_step(KEY, code_at(KEY, 100), 3000, after=100) is None
    assert find_step(KEY, "x" * 6, 3000, after=0) is None
    assert find_step(KEY, "é", 3000, after=0) is None


def test_an_app_gets_the_key_and_names():
    key = new_key()
    assert len(key) == 32
    assert build_uri(key, name="ann", issuer="mail.test:80") == (
        f"otpauth://totp/mail.test%3A80%3Aann?secret={key}&issuer=mail.test%3A80"
    )
