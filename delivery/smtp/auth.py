"""AUTH (RFC 4954): one attempt by one method, with a password or with an OAuth token.

PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195), OAUTHBEARER (RFC 7628), and XOAUTH2, which Google and Microsoft document.
"""

import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from delivery.replies import SmtpReply
from delivery.smtp.connection import Connection
from delivery.smtp.credentials import Credentials

CHALLENGE, ACCEPTED = 334, 235
# Mechanisms with a challenge that the client must read; those of the others are only prompts.
READS_CHALLENGE = {"CRAM-MD5"}


class NoMethodError(Exception):
    """The server offers no supported mechanism that is allowed on this connection."""


class AuthMethod(NamedTuple):
    """A mechanism, with or without an initial response (RFC 4954, 4): some servers accept only one of the two."""

    mechanism: str
    has_initial: bool = False

    def __str__(self) -> str:
        return f"{self.mechanism} with initial response" if self.has_initial else self.mechanism


# The client's side of a mechanism, one step for each challenge of the server.
Step = Callable[[Credentials, bytes], bytes]


def _write_plain(credentials: Credentials, _challenge: bytes) -> bytes:
    return f"\0{credentials.username}\0{credentials.secret}".encode()


def _write_username(credentials: Credentials, _challenge: bytes) -> bytes:
    return credentials.username.encode()


def _write_password(credentials: Credentials, _challenge: bytes) -> bytes:
    return credentials.secret.encode()


def _write_cram_md5(credentials: Credentials, challenge: bytes) -> bytes:
    digest = hmac.new(credentials.secret.encode(), challenge, "md5").hexdigest()
    return f"{credentials.username} {digest}".encode()


def _write_xoauth2(credentials: Credentials, _challenge: bytes) -> bytes:
    return f"user={credentials.username}\1auth=Bearer {credentials.secret}\1\1".encode()


def _write_oauthbearer(credentials: Credentials, _challenge: bytes) -> bytes:
    # RFC 5801, 4: `,` and `=` are escaped in the name.
    name = credentials.username.replace("=", "=3D").replace(",", "=2C")
    server = f"host={credentials.host}\1port={credentials.port}"
    return f"n,a={name},\1{server}\1auth=Bearer {credentials.secret}\1\1".encode()


def _write_nothing(_credentials: Credentials, _challenge: bytes) -> bytes:
    """The answer to XOAUTH2's description of an error; the rejection follows."""
    return b""


def _write_end(_credentials: Credentials, _challenge: bytes) -> bytes:
    """The answer to OAUTHBEARER's description of an error (RFC 7628, 3.2.3)."""
    return b"\1"


STEPS: Mapping[str, Sequence[Step]] = {
    "PLAIN": [_write_plain],
    "LOGIN": [_write_username, _write_password],
    "CRAM-MD5": [_write_cram_md5],
    "XOAUTH2": [_write_xoauth2, _write_nothing],
    "OAUTHBEARER": [_write_oauthbearer, _write_end],
}
# In order of choice.
PASSWORD_METHODS = (
    AuthMethod("PLAIN", has_initial=True),
    AuthMethod("PLAIN"),
    AuthMethod("LOGIN"),
    AuthMethod("CRAM-MD5"),
)
TOKEN_METHODS = (
    AuthMethod("XOAUTH2", has_initial=True),
    AuthMethod("XOAUTH2"),
    AuthMethod("OAUTHBEARER", has_initial=True),
    AuthMethod("OAUTHBEARER"),
)
# Anybody on the way can read the secret.
SHOWS_SECRET = {"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"}


def choose_methods(offered: str, methods: Sequence[AuthMethod], *, is_secret_safe: bool) -> list[AuthMethod]:
    """Those of `methods` that EHLO `offered` and that are allowed on this connection, in order. NoMethodError."""
    names = offered.upper().split()
    known = [method for method in methods if method.mechanism in names]
    usable = [method for method in known if is_secret_safe or method.mechanism not in SHOWS_SECRET]
    if usable:
        return usable
    if known:
        raise NoMethodError("the connection is not encrypted, so the credentials were not sent")
    raise NoMethodError(f"the server offers no supported authentication mechanism: {' '.join(names) or 'none'}")


async def try_method(
    connection: Connection, method: AuthMethod, credentials: Credentials, find_seconds: Callable[[], float]
) -> SmtpReply:
    """The server's last reply: 235 is success. Raises ConnectionBrokenError. `find_seconds` tells the time left."""
    connection.hide(credentials.secret.encode())
    command = f"AUTH {method.mechanism}".encode()
    steps = [*STEPS[method.mechanism]]
    if method.has_initial:
        command += b" " + _encode(connection, steps.pop(0)(credentials, b""))
    answer = await _ask(connection, command, find_seconds())
    for step in steps:
        if answer.code != CHALLENGE:
            break
        try:
            challenge = _read_challenge(answer, method)
        except binascii.Error:
            return await _ask(connection, b"*", find_seconds())
        answer = await _ask(connection, _encode(connection, step(credentials, challenge)), find_seconds())
    if answer.code == CHALLENGE:
        answer = await _ask(connection, b"*", find_seconds())
    return answer


def _encode(connection: Connection, said: bytes) -> bytes:
    """What is said, in Base64, which no reply on this connection shows."""
    encoded = b64encode(said)
    connection.hide(encoded)
    return encoded


def _read_challenge(answer: SmtpReply, method: AuthMethod) -> bytes:
    """The decoded challenge. Prompts are not decoded: some servers write them as plain text. binascii.Error."""
    return b64decode(answer.lines[0], validate=True) if method.mechanism in READS_CHALLENGE else b""


async def _ask(connection: Connection, data: bytes, seconds: float) -> SmtpReply:
    await connection.write(data + b"\r\n", seconds)
    return await connection.read_reply(seconds)
