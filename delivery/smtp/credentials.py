"""The credentials for a server, and the ports that find and guard them."""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The data of one attempt to log in. `host` and `port` are the server's (RFC 7628, 3.1)."""

    username: str
    secret: str = field(repr=False)  # the password or the token
    host: str = ""
    port: int = 0


class TokenError(Exception):
    """No access token. `is_rejected`: the token server rejected our registration or grant; only a person can help."""

    def __init__(self, text: str, *, is_rejected: bool = False) -> None:
        super().__init__(text)
        self.is_rejected = is_rejected


class TokenSource(Protocol):
    """Finds OAuth access tokens. Blocking and thread-safe."""

    def find_token(self, rejected: str = "") -> str:
        """A token that is valid now, and not `rejected`, which the mail server did not accept. Raises TokenError."""


class LoginTurns(Protocol):
    """Makes the processes of an installation try credentials one after the other. Thread-safe; never raises."""

    def take(self, seconds: float) -> str | None:
        """None: this process may try now, for at most `seconds`. Else the text of another process's rejection, or `""`
        while another process tries.
        """

    def give_back(self) -> None:
        """End the turn, so that another process may try."""

    def keep_rejection(self, text: str, seconds: float) -> None:
        """End the turn after a rejection: no process may try for `seconds`."""
