"""A connection to Redis for one thread, which sends a command and reads its reply by one system call each.

redis-py connects and logs in. For each command it would look at the socket, wait for it, and read the reply in many
steps, between which the threads of a web process take the interpreter from each other.
"""

import socket
import struct
from collections.abc import Sequence
from ssl import SSLSocket
from typing import Any

import redis
from redis.exceptions import InvalidResponse, NoScriptError, ResponseError

READ_BYTES = 65_536
# What a socket raises when its time limit is over: the system's, or Python's.
TOO_LATE = (BlockingIOError, TimeoutError)


class RedisLine:
    """Opened at the first command, and anew after an error of the connection. Raises redis-py's errors."""

    def __init__(self, client: Any) -> None:
        pool = client.connection_pool
        # Not the pool's: it would count the connection for ever, and the thread that keeps it ends before.
        self._connection = pool.connection_class(**pool.connection_kwargs)
        self._seconds: float | None = pool.connection_kwargs.get("socket_timeout")
        self._socket: Any = None

    def ask(self, command: bytes) -> Any:
        """The reply to a command, as RESP has it: a number, a text, None, or a list of them."""
        try:
            line = self._socket or self._open()
            line.sendall(command)
            return self._read(line)
        except (NoScriptError, ResponseError):
            raise
        except TOO_LATE as error:
            self._close()
            raise redis.TimeoutError from error
        except OSError as error:
            self._close()
            raise redis.ConnectionError from error
        except BaseException:
            # The rest of the reply would be taken for that to the next command.
            self._close()
            raise

    def _open(self) -> Any:
        self._connection.connect()
        self._socket = self._connection._sock
        if self._seconds is not None and not isinstance(self._socket, SSLSocket):
            # Python's own limit waits for the socket by a call of its own before each read. TLS keeps it: Python would
            # read again and again when the system's is over.
            limit = struct.pack("ll", int(self._seconds), int(self._seconds % 1 * 1_000_000))
            self._socket.settimeout(None)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        return self._socket

    def _read(self, line: Any) -> Any:
        heard = line.recv(READ_BYTES)
        while (found := read_reply(heard, 0)) is None:
            more = line.recv(READ_BYTES)
            if not more:
                raise redis.ConnectionError("the server has closed the connection")
            heard += more
        return found[0]

    def _close(self) -> None:
        self._socket = None
        self._connection.disconnect()


def read_reply(heard: bytes, start: int) -> tuple[Any, int] | None:
    """The reply that begins at `start`, and its end; None if it is not complete."""
    end = heard.find(b"\r\n", start)
    if end < 0:
        return None
    kind, text, rest = heard[start : start + 1], heard[start + 1 : end], end + 2
    match kind:
        case b":":
            return int(text), rest
        case b"$":
            size = int(text)
            if size < 0:
                return None, rest
            stop = rest + size
            return (heard[rest:stop].decode(), stop + 2) if len(heard) >= stop + 2 else None
        case b"+":
            return text.decode(), rest
        case b"_":
            return None, rest
        case b"*":
            return read_array(heard, rest, int(text))
        case b"-":
            raise make_error(text.decode(errors="replace"))
    raise InvalidResponse(f"a reply that begins with {kind!r}")


def read_array(heard: bytes, start: int, count: int) -> tuple[list[Any], int] | None:
    values = []
    for _ in range(count):
        found = read_reply(heard, start)
        if found is None:
            return None
        value, start = found
        values.append(value)
    return values, start


def make_error(text: str) -> ResponseError:
    code, _, rest = text.partition(" ")
    return NoScriptError(rest) if code == "NOSCRIPT" else ResponseError(text)


def write_command(words: Sequence[object]) -> bytes:
    """A command as Redis reads it."""
    return b"*%d\r\n%b" % (len(words), write_words(words))


def write_words(words: Sequence[object]) -> bytes:
    """Words of a command (RESP, bulk strings)."""
    texts = [str(word).encode() for word in words]
    return b"".join([b"$%d\r\n%b\r\n" % (len(text), text) for text in texts])
