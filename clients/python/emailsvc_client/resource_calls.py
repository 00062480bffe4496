"""The calls about everything but emails. Each is named for its operation in the API's reference."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack

from emailsvc_client.calls import Call, delete, get, patch, path_of, post
from emailsvc_client.objects import Addresses, Domain, Page, Template, TemplateFields, Time


def get_me() -> Call[dict[str, Any]]:
    """The key's project, scopes and limits."""
    return get("/me")


def get_stats(
    *,
    from_: Time | None = None,
    to: Time | None = None,
    by: Literal["hour", "day"] | None = None,
    group: Literal["tag", "template", "provider", "domain", "stream"] | None = None,
) -> Call[dict[str, Any]]:
    """Counts by time and group."""
    return get("/stats", **{"from": from_, "to": to, "by": by, "group": group})


def list_templates(
    *, alias: str | None = None, after: str | None = None, limit: int | None = None
) -> Call[Page[Template]]:
    """A page of templates."""
    return get("/templates", alias=alias, after=after, limit=limit)


def get_template(ref: str) -> Call[Template]:
    """A template's draft, by id or alias."""
    return get(path_of("templates", ref))


def create_template(*, idempotency_key: str | None = None, **fields: Unpack[TemplateFields]) -> Call[Template]:
    """Create a template; it is a draft until it is published."""
    return post("/templates", fields, idempotency_key=idempotency_key)


def update_template(ref: str, **fields: Unpack[TemplateFields]) -> Call[Template]:
    """Change the draft. The published version stays."""
    return patch(path_of("templates", ref), fields)


def delete_template(ref: str) -> Call[None]:
    """Delete a template."""
    return delete(path_of("templates", ref))


def publish_template(
    ref: str, *, version: int | None = None, idempotency_key: str | None = None
) -> Call[dict[str, Any]]:
    """Publish the draft as a new version, or an earlier version again."""
    body = {} if version is None else {"version": version}
    return post(path_of("templates", ref, "publish"), body, idempotency_key=idempotency_key)


def preview_template(
    ref: str, template_vars: Mapping[str, Any], *, locale: str | None = None, version: int | None = None
) -> Call[dict[str, Any]]:
    """Subject, HTML and text of the template with these values."""
    body = {"template_vars": template_vars, **({"locale": locale} if locale else {})}
    return post(path_of("templates", ref, "preview"), body, version=version)


def test_template(
    ref: str,
    *,
    to: Addresses,
    template_vars: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> Call[dict[str, Any]]:
    """Send the draft to an address."""
    body = {"to": to, "template_vars": template_vars or {}}
    return post(path_of("templates", ref, "test"), body, idempotency_key=idempotency_key)


def list_domains(*, name: str | None = None, after: str | None = None, limit: int | None = None) -> Call[Page[Domain]]:
    """A page of domains."""
    return get("/domains", name=name, after=after, limit=limit)


def create_domain(*, name: str, default_from: str | None = None, idempotency_key: str | None = None) -> Call[Domain]:
    """Add a sending domain; the answer has the DNS records to publish."""
    body = {"name": name, **({"default_from": default_from} if default_from else {})}
    return post("/domains", body, idempotency_key=idempotency_key)


def get_domain(id: str) -> Call[Domain]:
    """A domain with its records."""
    return get(path_of("domains", id))


def verify_domain(id: str, *, idempotency_key: str | None = None) -> Call[Domain]:
    """Look the domain's records up now."""
    return post(path_of("domains", id, "verify"), idempotency_key=idempotency_key)


def delete_domain(id: str) -> Call[None]:
    """Delete a domain."""
    return delete(path_of("domains", id))


def list_suppressions(
    *,
    address: str | None = None,
    stream: str | None = None,
    reason: str | None = None,
    q: str | None = None,
    after: str | None = None,
    limit: int | None = None,
) -> Call[Page[dict[str, Any]]]:
    """A page of the suppression list."""
    return get("/suppressions", address=address, stream=stream, reason=reason, q=q, after=after, limit=limit)


def create_suppression(
    *, address: str, reason: str | None = None, stream: str | None = None, idempotency_key: str | None = None
) -> Call[dict[str, Any]]:
    """Send no more mail to this address."""
    given = {"address": address, "reason": reason, "stream": stream}
    body = {name: value for name, value in given.items() if value is not None}
    return post("/suppressions", body, idempotency_key=idempotency_key)


def delete_suppression(address: str, *, stream: str | None = None, reason: str | None = None) -> Call[None]:
    """Take the address off the list."""
    return delete(path_of("suppressions", address), stream=stream, reason=reason)


def list_webhooks(*, after: str | None = None, limit: int | None = None) -> Call[Page[dict[str, Any]]]:
    """A page of endpoints."""
    return get("/webhooks", after=after, limit=limit)


def create_webhook(
    *, url: str, events: Sequence[str] = ("*",), idempotency_key: str | None = None
) -> Call[dict[str, Any]]:
    """Create an endpoint. The answer has its `secret`, which is shown only now."""
    return post("/webhooks", {"url": url, "events": list(events)}, idempotency_key=idempotency_key)


def delete_webhook(id: str) -> Call[None]:
    """Delete an endpoint."""
    return delete(path_of("webhooks", id))


def test_webhook(id: str, *, idempotency_key: str | None = None) -> Call[dict[str, Any]]:
    """Post a test event to the endpoint."""
    return post(path_of("webhooks", id, "test"), idempotency_key=idempotency_key)


def rotate_webhook(id: str, *, idempotency_key: str | None = None) -> Call[dict[str, Any]]:
    """Give the endpoint a new secret; the old one signs on for a day."""
    return post(path_of("webhooks", id, "rotate"), idempotency_key=idempotency_key)


def list_streams(*, after: str | None = None, limit: int | None = None) -> Call[Page[dict[str, Any]]]:
    """A page of streams."""
    return get("/streams", after=after, limit=limit)


def create_stream(
    *,
    name: str,
    type: Literal["transactional", "broadcast"],
    idempotency_key: str | None = None,
) -> Call[dict[str, Any]]:
    """Create a stream; its type is fixed."""
    return post("/streams", {"name": name, "type": type}, idempotency_key=idempotency_key)
