"""MTA-STS (RFC 8461): policies of domains that require TLS with a valid certificate for their mail.

A policy is fetched over HTTPS from the domain itself and cached for its `max_age`, so that an attacker who hides it
later has no effect on senders that know it.
"""

import asyncio
import json
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import time
from typing import Literal, Protocol

from delivery.http_client import HTTP_ERRORS, AsyncHttpClient, HttpStream
from delivery.mx.resolver import MxResolver, NoAnswerError, NoNameError
from delivery.ssrf import Guard, RefusedError, UrlTarget, parse_target

Mode = Literal["enforce", "testing", "none"]
MODES: Mapping[str, Mode] = {"enforce": "enforce", "testing": "testing", "none": "none"}

HTTPS_PORT = 443
# RFC 8461, 3.3: the time limit of a whole fetch.
FETCH_SECONDS = 60.0
# For each address of the host.
CONNECT_SECONDS = 10.0
MAX_POLICY_BYTES = 64 * 1024
MAX_AGE = 31_557_600  # RFC 8461, 3.2
MAX_PATTERNS = 100
# RFC 8461, 3.3: the wait after a failed fetch, so that not every mail repeats it.
FAILED_SECONDS = 300.0
_RECORD = re.compile(r"v=STSv1\s*;(?:[^;]*;)*?\s*id=([A-Za-z0-9]{1,32})\s*(?:;.*)?", re.DOTALL)
_LINE = re.compile(r"\s*([a-z_]+)\s*:\s*(\S.*?)\s*")


class PolicyError(Exception):
    """The policy could not be fetched or is invalid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A domain's policy. `patterns` are host names, or `*.name` for exactly one label more."""

    mode: Mode
    patterns: tuple[str, ...] = ()
    max_age: int = 0

    def admits(self, host: str) -> bool:
        """Whether the policy allows this MX (RFC 8461, 4.1)."""
        parent = host.lower().partition(".")[2]
        return host.lower() in self.patterns or (bool(parent) and f"*.{parent}" in self.patterns)


NO_POLICY = Policy(mode="none")


class PolicyStore(Protocol):
    """A store of policies, shared by all processes if possible. A lost policy is fetched again. Never raises."""

    def get(self, domain: str) -> str | None:
        """The stored text; None when there is none."""

    def put(self, domain: str, text: str, seconds: float) -> None:
        """Store `text` for at most `seconds`."""


class MemoryStore:
    """A store for one process."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, str]] = {}

    def get(self, domain: str) -> str | None:
        until, text = self._kept.get(domain, (0.0, ""))
        return text if time() < until else None

    def put(self, domain: str, text: str, seconds: float) -> None:
        self._kept[domain] = (time() + seconds, text)


# Fetches the text of a domain's policy. Raises PolicyError.
Fetch = Callable[[str], str]


class PolicyFinder:
    """Finds the policy of a domain. Blocking and thread-safe."""

    def __init__(self, resolver: MxResolver, fetch: Fetch, store: PolicyStore) -> None:
        self._resolver = resolver
        self._fetch = fetch
        self._store = store

    def find(self, domain: str) -> Policy:
        """The valid policy of a domain; NO_POLICY when it has none. Never raises."""
        kept = _Kept.load(self._store.get(domain))
        record_id = self._find_record_id(domain)
        if kept is not None and (record_id in {None, kept.record_id} or time() < kept.retry_at):
            return kept.policy
        if record_id is None:
            return NO_POLICY
        try:
            policy = parse_policy(self._fetch(domain))
        except PolicyError:
            # The cached policy is valid until it expires; without one there is no policy (RFC 8461, 5.1).
            old = kept or _Kept(record_id="", policy=NO_POLICY, until=time() + FAILED_SECONDS)
            self._keep(domain, replace(old, retry_at=time() + FAILED_SECONDS))
            return old.policy
        self._keep(domain, _Kept(record_id=record_id, policy=policy, until=time() + policy.max_age))
        return policy

    def _keep(self, domain: str, kept: "_Kept") -> None:
        self._store.put(domain, kept.dump(), kept.until - time())

    def _find_record_id(self, domain: str) -> str | None:
        """The id in the domain's TXT record; None when there is no single record or the query fails."""
        try:
            texts = self._resolver.find_texts(f"_mta-sts.{domain}")
        except (NoNameError, NoAnswerError):
            return None
        records = [text for text in texts if text.startswith("v=STSv1;")]
        match = _RECORD.fullmatch(records[0]) if len(records) == 1 else None
        return match[1] if match else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """A stored policy, valid `until` a time. After a failed fetch there is no other one before `retry_at`."""

    record_id: str
    policy: Policy
    until: float
    retry_at: float = 0.0

    @staticmethod
    def load(text: str | None) -> "_Kept | None":
        if text is None:
            return None
        try:
            told = json.loads(text)
            policy = Policy(mode=MODES[told["mode"]], patterns=tuple(told["patterns"]), max_age=told["max_age"])
            kept = _Kept(record_id=told["record_id"], policy=policy, until=told["until"], retry_at=told["retry_at"])
            return kept if time() < kept.until else None
        except (ValueError, KeyError, TypeError):
            return None

    def dump(self) -> str:
        policy = self.policy
        return json.dumps(
            {
                "record_id": self.record_id,
                "mode": policy.mode,
                "patterns": policy.patterns,
                "max_age": policy.max_age,
                "until": self.until,
                "retry_at": self.retry_at,
            }
        )


def parse_policy(text: str) -> Policy:
    """Parse a policy file (RFC 8461, 3.2). PolicyError for an invalid one."""
    fields: dict[str, list[str]] = {}
    for line in text.splitlines():
        if match := _LINE.fullmatch(line):
            fields.setdefault(match[1], []).append(match[2])
    mode, age = MODES.get(_first(fields, "mode")), _first(fields, "max_age")
    patterns = tuple(pattern.lower().rstrip(".") for pattern in fields.get("mx", [])[:MAX_PATTERNS])
    if _first(fields, "version") != "STSv1" or mode is None or not age.isascii() or not age.isdigit():
        raise PolicyError("the file is not an MTA-STS policy")
    if mode != "none" and not patterns:
        raise PolicyError("the policy names no MX")
    return Policy(mode=mode, patterns=patterns, max_age=min(int(age[:10]), MAX_AGE))


def _first(fields: Mapping[str, Sequence[str]], name: str) -> str:
    return fields.get(name, [""])[0]


class HttpsFetcher:
    """Fetches policies from a checked address, with a verified certificate, without redirects or proxies.

    A fetch takes at most `seconds` in all, from the look-up of the name to the last byte (RFC 8461, 3.3): limits for
    each step alone would let a server that sends single bytes hold the domain's mail for days.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        port: int = HTTPS_PORT,
        context: ssl.SSLContext | None = None,
        seconds: float = FETCH_SECONDS,
    ) -> None:
        self._guard = guard
        self._port = port
        self._context = context
        self._seconds = seconds

    def __call__(self, domain: str) -> str:
        """Fetch the text of the domain's policy. Blocks. Raises PolicyError."""
        host = f"mta-sts.{domain}"
        try:
            target = parse_target(f"https://{host}:{self._port}/.well-known/mta-sts.txt")
            return asyncio.run(self._fetch(target))
        except TimeoutError as error:
            raise PolicyError(f"no policy from {host} within {self._seconds:g} s") from error
        except (RefusedError, OSError, *HTTP_ERRORS) as error:
            raise PolicyError(f"no policy from {host}: {error}") from error

    async def _fetch(self, target: UrlTarget) -> str:
        client = AsyncHttpClient(self._guard, connect_seconds=CONNECT_SECONDS, context=self._context)
        try:
            async with asyncio.timeout(self._seconds), client.call("GET", target, {"Accept": "text/plain"}) as response:
                return await read_policy(response)
        finally:
            await client.close()


async def read_policy(response: HttpStream) -> str:
    """The body of a good response, up to MAX_POLICY_BYTES. Raises PolicyError for any other response."""
    if response.status != 200:
        raise PolicyError(f"the server responded with {response.status}")
    types = [value for name, value in response.headers if name.lower() == b"content-type"]
    if [value.partition(b";")[0].strip().lower() for value in types] != [b"text/plain"]:
        raise PolicyError("the server did not send plain text")
    body = b""
    async for chunk in response.chunks:
        body += chunk
        if len(body) >= MAX_POLICY_BYTES:
            break
    return body[:MAX_POLICY_BYTES].decode("utf-8", "replace")
