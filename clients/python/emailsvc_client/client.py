"""`Client`: every call, blocking. `AsyncClient` has the same ones."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx
from emailsvc_client import email_calls, resource_calls
from emailsvc_client.calls import Call, build_call
from emailsvc_client.configuration import API, Account, defaults, find_account
from emailsvc_client.objects import Event, Page
from emailsvc_client.retrying import Attempts, RetryPolicy
from emailsvc_client.streaming import PAUSE, EventReader

P = ParamSpec("P")
T = TypeVar("T")
TIMEOUT = 30.0


def blocking(build: Callable[P, Call[T]]) -> "Callable[Concatenate[Client, P], T]":
    """The method of `Client` that sends the call which `build` makes of its arguments."""

    @wraps(build)
    def send(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.run(build(*args, **kwargs))

    return send


def build_headers(account: Account) -> dict[str, str]:
    return {"Authorization": f"Bearer {account.api_key}", "User-Agent": "emailsvc-client/0.1 (Python)"}


class Client:
    """Calls of a service with one key; usable from several threads, and as a context manager.

    `url` and `api_key` come from Django's settings or the environment (`EMAILSVC_URL`, `EMAILSVC_API_KEY`) when they
    are left out. A call is tried again after a lost connection, 429 and 503, with one idempotency key. Raises
    EmailsvcError: ApiError when the service refuses, UnreachableError when it does not answer.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = TIMEOUT,
        retries: RetryPolicy | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self.account = find_account(url, api_key)
        self.retries = retries or RetryPolicy()
        self._sleep = sleep or time.sleep
        self._http = httpx.Client(
            base_url=f"{self.account.url}{API}",
            headers=build_headers(self.account),
            timeout=timeout,
            transport=transport or defaults.transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def run(self, call: Call[T]) -> T:
        """Send a call, again if that helps, and read its answer."""
        attempts = Attempts(call, self.retries)
        while True:
            try:
                response = self._http.request(
                    call.method, call.path, params=call.query, content=call.body, headers=call.headers
                )
                wait = attempts.after_answer(response)
                if wait is None:
                    return call.read(response)
            except httpx.TransportError as error:
                wait = attempts.after_error(error)
            self._sleep(wait)

    def iterate(self, list_page: Callable[..., Page[T]], *args: Any, **filters: Any) -> Iterator[T]:
        """Every row of a list, page by page: `client.iterate(client.list_emails, status="bounced")`."""
        while True:
            page = list_page(*args, **filters)
            yield from page["data"]
            if not page["has_more"]:
                return
            filters["after"] = page["next"]

    def stream_events(self, *, after: str | None = None, types: Sequence[str] = ()) -> Iterator[Event]:
        """Events as they happen, without end, from `after` or from now on. A lost connection is made again."""
        reader = EventReader(after=after, types=types)
        attempts = Attempts(reader.build_call(), self.retries)
        while True:
            call = reader.build_call()
            try:
                with self._http.stream(call.method, call.path, params=call.query) as response:
                    if response.status_code >= 300:
                        response.read()
                    wait = attempts.after_answer(response)
                    if wait is None:
                        for line in response.iter_lines():
                            attempts.count = 0
                            yield from reader.read(line)
                        wait = PAUSE
            except httpx.TransportError as error:
                wait = attempts.after_error(error)
            self._sleep(wait)

    def request(self, method: str, path: str, *, json: Any = None, **query: Any) -> Any:
        """Any other call: `client.request("GET", "/providers")`. `path` begins behind `/api/v1`."""
        return self.run(build_call(method, path, json, query))

    send_email = blocking(email_calls.send_email)
    dry_run_email = blocking(email_calls.dry_run_email)
    send_batch = blocking(email_calls.send_batch)
    list_emails = blocking(email_calls.list_emails)
    get_email = blocking(email_calls.get_email)
    list_email_events = blocking(email_calls.list_email_events)
    explain_email = blocking(email_calls.explain_email)
    get_email_raw = blocking(email_calls.get_email_raw)
    get_email_attachment = blocking(email_calls.get_email_attachment)
    cancel_email = blocking(email_calls.cancel_email)
    reschedule_email = blocking(email_calls.reschedule_email)
    resend_email = blocking(email_calls.resend_email)
    settle_email = blocking(email_calls.settle_email)
    settle_emails = blocking(email_calls.settle_emails)
    list_events = blocking(email_calls.list_events)
    get_me = blocking(resource_calls.get_me)
    get_stats = blocking(resource_calls.get_stats)
    list_templates = blocking(resource_calls.list_templates)
    get_template = blocking(resource_calls.get_template)
    create_template = blocking(resource_calls.create_template)
    update_template = blocking(resource_calls.update_template)
    delete_template = blocking(resource_calls.delete_template)
    publish_template = blocking(resource_calls.publish_template)
    preview_template = blocking(resource_calls.preview_template)
    test_template = blocking(resource_calls.test_template)
    list_domains = blocking(resource_calls.list_domains)
    create_domain = blocking(resource_calls.create_domain)
    get_domain = blocking(resource_calls.get_domain)
    verify_domain = blocking(resource_calls.verify_domain)
    delete_domain = blocking(resource_calls.delete_domain)
    list_suppressions = blocking(resource_calls.list_suppressions)
    create_suppression = blocking(resource_calls.create_suppression)
    delete_suppression = blocking(resource_calls.delete_suppression)
    list_webhooks = blocking(resource_calls.list_webhooks)
    create_webhook = blocking(resource_calls.create_webhook)
    delete_webhook = blocking(resource_calls.delete_webhook)
    test_webhook = blocking(resource_calls.test_webhook)
    rotate_webhook = blocking(resource_calls.rotate_webhook)
    list_streams = blocking(resource_calls.list_streams)
    create_stream = blocking(resource_calls.create_stream)
