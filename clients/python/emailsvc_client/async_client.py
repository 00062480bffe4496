"""`AsyncClient`: every call, awaited."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx
from emailsvc_client import email_calls, resource_calls
from emailsvc_client.calls import Call, build_call
from emailsvc_client.client import TIMEOUT, build_headers
from emailsvc_client.configuration import API, defaults, find_account
from emailsvc_client.objects import Event, Page
from emailsvc_client.retrying import Attempts, RetryPolicy
from emailsvc_client.streaming import PAUSE, EventReader

P = ParamSpec("P")
T = TypeVar("T")


def awaited(build: Callable[P, Call[T]]) -> "Callable[Concatenate[AsyncClient, P], Awaitable[T]]":
    """The method of `AsyncClient` for it."""

    @wraps(build)
    async def send(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.run(build(*args, **kwargs))

    return send


class AsyncClient:
    """As `Client`, for one event loop: `async with AsyncClient() as client: await client.send_email(…)`."""

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = TIMEOUT,
        retries: RetryPolicy | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        self.account = find_account(url, api_key)
        self.retries = retries or RetryPolicy()
        self._sleep = sleep or asyncio.sleep
        self._http = httpx.AsyncClient(
            base_url=f"{self.account.url}{API}",
            headers=build_headers(self.account),
            timeout=timeout,
            transport=transport or defaults.transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def run(self, call: Call[T]) -> T:
        """Send a call, again if that helps, and read its answer."""
        attempts = Attempts(call, self.retries)
        while True:
            try:
                response = await self._http.request(
                    call.method, call.path, params=call.query, content=call.body, headers=call.headers
                )
                wait = attempts.after_answer(response)
                if wait is None:
                    return call.read(response)
            except httpx.TransportError as error:
                wait = attempts.after_error(error)
            await self._sleep(wait)

    async def iterate(
        self, list_page: Callable[..., Awaitable[Page[T]]], *args: Any, **filters: Any
    ) -> AsyncIterator[T]:
        """Every row of a list, page by page: `async for email in client.iterate(client.list_emails)`."""
        while True:
            page = await list_page(*args, **filters)
            for row in page["data"]:
                yield row
            if not page["has_more"]:
                return
            filters["after"] = page["next"]

    async def stream_events(self, *, after: str | None = None, types: Sequence[str] = ()) -> AsyncIterator[Event]:
        """Events as they happen, without end, from `after` or from now on. A lost connection is made again."""
        reader = EventReader(after=after, types=types)
        attempts = Attempts(reader.build_call(), self.retries)
        while True:
            call = reader.build_call()
            try:
                async with self._http.stream(call.method, call.path, params=call.query) as response:
                    if response.status_code >= 300:
                        await response.aread()
                    wait = attempts.after_answer(response)
                    if wait is None:
                        async for line in response.aiter_lines():
                            attempts.count = 0
                            for event in reader.read(line):
                                yield event
                        wait = PAUSE
            except httpx.TransportError as error:
                wait = attempts.after_error(error)
            await self._sleep(wait)

    async def request(self, method: str, path: str, *, json: Any = None, **query: Any) -> Any:
        """Any other call: `client.request("GET", "/providers")`. `path` begins behind `/api/v1`."""
        return await self.run(build_call(method, path, json, query))

    send_email = awaited(email_calls.send_email)
    dry_run_email = awaited(email_calls.dry_run_email)
    send_batch = awaited(email_calls.send_batch)
    list_emails = awaited(email_calls.list_emails)
    get_email = awaited(email_calls.get_email)
    list_email_events = awaited(email_calls.list_email_events)
    explain_email = awaited(email_calls.explain_email)
    get_email_raw = awaited(email_calls.get_email_raw)
    get_email_attachment = awaited(email_calls.get_email_attachment)
    cancel_email = awaited(email_calls.cancel_email)
    reschedule_email = awaited(email_calls.reschedule_email)
    resend_email = awaited(email_calls.resend_email)
    settle_email = awaited(email_calls.settle_email)
    settle_emails = awaited(email_calls.settle_emails)
    list_events = awaited(email_calls.list_events)
    get_me = awaited(resource_calls.get_me)
    get_stats = awaited(resource_calls.get_stats)
    list_templates = awaited(resource_calls.list_templates)
    get_template = awaited(resource_calls.get_template)
    create_template = awaited(resource_calls.create_template)
    update_template = awaited(resource_calls.update_template)
    delete_template = awaited(resource_calls.delete_template)
    publish_template = awaited(resource_calls.publish_template)
    preview_template = awaited(resource_calls.preview_template)
    test_template = awaited(resource_calls.test_template)
    list_domains = awaited(resource_calls.list_domains)
    create_domain = awaited(resource_calls.create_domain)
    get_domain = awaited(resource_calls.get_domain)
    verify_domain = awaited(resource_calls.verify_domain)
    delete_domain = awaited(resource_calls.delete_domain)
    list_suppressions = awaited(resource_calls.list_suppressions)
    create_suppression = awaited(resource_calls.create_suppression)
    delete_suppression = awaited(resource_calls.delete_suppression)
    list_webhooks = awaited(resource_calls.list_webhooks)
    create_webhook = awaited(resource_calls.create_webhook)
    delete_webhook = awaited(resource_calls.delete_webhook)
    test_webhook = awaited(resource_calls.test_webhook)
    rotate_webhook = awaited(resource_calls.rotate_webhook)
    list_streams = awaited(resource_calls.list_streams)
    create_stream = awaited(resource_calls.create_stream)
