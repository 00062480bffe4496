"""`tail` and `listen`: events as they happen."""

import base64
import json
import secrets
from argparse import Namespace
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import httpx
from emailsvc_client.cli.output import Output
from emailsvc_client.client import Client
from emailsvc_client.errors import ConfigurationError, NotFoundError
from emailsvc_client.objects import Event
from emailsvc_client.webhooks import PREFIX, Webhook


def tail(arguments: Namespace, output: Output, client: Client) -> int:
    """Print events until Ctrl-C."""
    for event in client.stream_events(after=arguments.after, types=arguments.types or ()):
        output.show(event, [describe_event(event)])
    return 0


def describe_event(event: Event) -> str:
    reply = (event.get("data") or {}).get("reply") or ""
    who = event["recipient"] or ""
    return f"{event['occurred_at']}  {event['type']:<22}  {event['email_id']}  {who}  {reply}".rstrip()


def listen(arguments: Namespace, output: Output, client: Client) -> int:
    """Post events to a program on this machine, signed, as the service's webhooks do; each once, with its answer."""
    if httpx.URL(arguments.forward_to).scheme not in {"http", "https"}:
        raise ConfigurationError("--forward-to takes a URL, such as http://127.0.0.1:3000/hook.")
    secret = arguments.secret or make_secret()
    webhook = Webhook(secret)
    output.show(
        {"secret": secret, "forward_to": arguments.forward_to},
        [f"Secret: {secret}", f"Posting to {arguments.forward_to}"],
    )
    find_details = lru_cache(maxsize=1_000)(lambda email_id: read_details(client, email_id))
    counts: dict[str, int] = {}
    # The local program speaks to nobody else, so no proxy of the environment stands between.
    with httpx.Client(timeout=15, trust_env=False) as http:
        for event in client.stream_events(after=arguments.after, types=arguments.types or ()):
            counts[event["email_id"]] = counts.get(event["email_id"], 0) + 1
            payload = build_payload(event, find_details(event["email_id"]), counts[event["email_id"]])
            answer = forward(http, arguments.forward_to, webhook, event["id"], payload)
            output.show({"event": event, "answer": answer}, [f"{describe_event(event)}  → {answer}"])
    return 0


def make_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()


def read_details(client: Client, email_id: str) -> Mapping[str, Any]:
    """What webhooks tell of the email beside the event: by a key with `emails:read`, else nothing."""
    try:
        email = client.get_email(email_id)
    except NotFoundError:
        return {}
    return {name: email[name] for name in ("stream", "tags", "metadata", "test")}


def build_payload(event: Event, details: Mapping[str, Any], seq: int) -> dict[str, Any]:
    """The body of a webhook post. `seq` counts the events of the email since the start of `listen`."""
    status = event["type"].removeprefix("email.")
    data = {"stream": "default", "tags": [], "metadata": {}, "status": status, **details, **(event.get("data") or {})}
    known = {"email_id": event["email_id"], "recipient": event["recipient"], "seq": seq}
    return {"type": event["type"], "timestamp": event["occurred_at"], "data": {**data, **known}}


def forward(http: httpx.Client, url: str, webhook: Webhook, event_id: str, payload: Mapping[str, Any]) -> str:
    """The status of the program's answer, or why there is none."""
    body = json.dumps(payload, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json", **webhook.sign(body, event_id)}
    try:
        return str(http.post(url, content=body, headers=headers).status_code)
    except httpx.TransportError as error:
        return f"{type(error).__name__}: {error}"
