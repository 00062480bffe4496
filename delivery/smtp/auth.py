"""AUTH (RFC 4954): PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195)."""

import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from time import monotonic

from delivery.replies import SmtpReply
from delivery.smtp.config import SmtpConfig
from delivery.smtp.connection import Connection

# The client's side of a mechanism, one step per challenge of the server.
Step = Callable[[SmtpConfig, bytes], bytes]
CHALLENGE, ACCEPTED = 334, 235
# The server rejects the mechanism, not the credentials: the next mechanism may succeed.
NOT_THIS_MECHANISM = {504, 534}


class NoMechanismError(Exception):
    """The server offers no supported mechanism that is allowed on this connection."""


def _say_plain(config: SmtpConfig, _challenge: bytes) -> bytes:
    return f"\0{config.username}\0{config.password}".encode()


def _say_username(config: SmtpConfig, _challenge: bytes) -> bytes:
    return config.username.encode()


def _say_password(config: SmtpConfig, _challenge: bytes) -> bytes:
    return config.password.encode()


def _say_cram_md5(config: SmtpConfig, challenge: bytes) -> bytes:
    digest = hmac.new(config.password.encode(), challenge, "md5").hexdigest()
    return f"{config.username} {digest}".encode()


# In order of choice.
MECHANISMS: Mapping[str, Sequence[Step]] = {
    "PLAIN": [_say_plain],
    "LOGIN": [_say_username, _say_password],
    "CRAM-MD5": [_say_cram_md5],
}
SHOWS_PASSWORD = {"PLAIN", "LOGIN"}


def choose_mechanisms(offered: str, *, is_password_safe: bool) -> list[str]:
    """The usable mechanisms of those that EHLO `offered`, best first. Raises NoMechanismError."""
    names = offered.upper().split()
    usable = [name for name in MECHANISMS if name in names and (is_password_safe or name not in SHOWS_PASSWORD)]
    if usable:
        return usable
    if SHOWS_PASSWORD.intersection(names):
        raise NoMechanismError("the connection is not encrypted, so the password was not sent")
    raise NoMechanismError(f"the server offers no supported authentication mechanism: {' '.join(names) or 'none'}")


async def authenticate(connection: Connection, config: SmtpConfig, mechanisms: Sequence[str]) -> SmtpReply:
    """The server's last reply: 235 is success. Raises ConnectionBrokenError."""
    deadline = monotonic() + config.timeouts.auth.total_seconds()
    for name in mechanisms:
        answer = await _try_mechanism(connection, config, name, deadline)
        if answer.code not in NOT_THIS_MECHANISM:
            break
    return answer


async def _try_mechanism(connection: Connection, config: SmtpConfig, name: str, deadline: float) -> SmtpReply:
    said: list[bytes] = []
    answer = await _ask(connection, b"AUTH " + name.encode(), deadline)
    for step in MECHANISMS[name]:
        if answer.code != CHALLENGE:
            break
        try:
            challenge = b64decode(answer.lines[0], validate=name == "CRAM-MD5")
        except binascii.Error:
            return await _ask(connection, b"*", deadline)
        said.append(b64encode(step(config, challenge)))
        answer = await _ask(connection, said[-1], deadline)
    return _hide_secrets(answer, said)


async def _ask(connection: Connection, data: bytes, deadline: float) -> SmtpReply:
    seconds = max(0.0, deadline - monotonic())
    await connection.write(data + b"\r\n", seconds)
    return await connection.read_reply(seconds)


def _hide_secrets(answer: SmtpReply, said: Sequence[bytes]) -> SmtpReply:
    """The reply without credentials: a server out of step may quote the line with the password."""
    text = b" ".join(answer.lines)
    if any(secret and secret in text for secret in said):
        return SmtpReply(answer.code, (b"(not shown: the reply repeats the credentials)",))
    return answer
