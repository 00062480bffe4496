"""The network under the poster: connects to addresses that the guard has checked, and to no others."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpcore

from delivery.ssrf import Guard

CONNECT_SECONDS = 5.0
# Looking a name up blocks a thread, for half a minute where its name servers are dead.
LOOK_UP_THREADS = 64


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves a host once, has every address checked, and connects to one of just these.

    Raises the guard's RefusedError, and httpcore's errors for what the network does.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._backend = httpcore.AnyIOBackend()
        self._look_ups = ThreadPoolExecutor(LOOK_UP_THREADS, thread_name_prefix="webhook-dns")

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002  httpcore's names; ours is for each address
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        try:
            addresses = await loop.run_in_executor(self._look_ups, self._guard.find_addresses, host, port)
        except OSError as error:
            raise httpcore.ConnectError(f"the name cannot be resolved: {error.strerror or error}") from error
        failure: Exception = httpcore.ConnectError("there is no address")
        for address in addresses:
            try:
                return await self._backend.connect_tcp(
                    str(address), port, CONNECT_SECONDS, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(self, *_: object, **__: object) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("no URL leads to a socket of this machine")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def close(self) -> None:
        self._look_ups.shutdown(wait=False, cancel_futures=True)
