"""Wrong requests in groups, each with its exact answer."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import uuid4

from tests.api.conftest import EMAIL
from tests.api.test_conventions import list_routes
from tests.api.test_frame import LISTS
from tests.architecture.test_tenancy import detail_routes, fill, resource_of
from tests.security import bad_emails
from tests.security.asking import Ask, Owned, refuse_emails, refuse_field
from tests.security.described_fields import list_uncarried, list_wrong_types

JSON = {"Content_Type": "application/json"}
# Routes that take JSON, beside /emails.
TAKING = ("/domains", "/providers", "/templates", "/webhooks", "/streams", "/suppressions", "/erasures")
HOSTS = {
    **dict.fromkeys(("2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]"), "invalid_host"),
    **dict.fromkeys(("a..test", "-a.test", "0x7f000001", "1.2.3", "999.1.1.1"), "invalid_host"),
    **dict.fromkeys(("127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "100.64.0.1"), "forbidden_address"),
    **dict.fromkeys(("[::1]", "[fe80::1]", "[fc00::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"), "forbidden_address"),
    **dict.fromkeys(("0.0.0.0", "224.0.0.1", "255.255.255.255", "[ff02::1]", "[::]"), "forbidden_address"),
}
URLS = ("ftp://a.test", "//a.test", "https://", "https://a@b.test/", "https://a.test/#b", "https://a.test:99999/")
SENDERS = (
    *("a@evilgood.test", "a@good.test.evil.test", "a@sub.good.test", "a@test.test", "a@g\u043e\u043ed.test"),
    *(
        "a@other.test",
        "a@xn--good.test",
        '"a@good.test" <a@evil.test>',
        "good.test <a@evil.test>",
        "a+good.test@evil.test",
    ),
)


def list_json(_document: Any, _owned: Owned) -> Iterator[Ask]:
    for content, status, code in bad_emails.BODIES:
        for path in ("/emails", *(TAKING if status == 400 else ())):
            yield Ask(method="POST", path=path, body=content, status=status, code=code, headers=JSON)


def list_types(document: Any, owned: Owned) -> Iterator[Ask]:
    yield from list_wrong_types(document, owned)
    yield from refuse_emails([*bad_emails.TYPES, *bad_emails.LABELS])


def list_senders(_document: Any, _owned: Owned) -> Iterator[Ask]:
    for sender in SENDERS:
        yield Ask(
            method="POST", path="/emails", body={**EMAIL, "from_": sender}, status=403, code="sender_not_verified"
        )


def list_templates(_document: Any, owned: Owned) -> Iterator[Ask]:
    yield from refuse_emails(bad_emails.TEMPLATES)
    for source in (
        "{{",
        "{% if %}",
        "{% nothing %}",
        "{% include 'x' %}",
        "{{ a | nothing }}",
        "{% for %}{% endfor %}",
    ):
        for part in ("subject", "text", "html"):
            body = {"alias": "bad", "name": "Bad", "subject": "Hi", part: source}
            yield refuse_field("/templates", body, part, "template_syntax_error")
    for link in (
        "javascript:a",
        "data:text/html,a",
        "vbscript:a",
        "file:///etc/passwd",
        "JaVaScRiPt:a",
        "java&#9;script:a",
    ):
        body = {"alias": "bad", "name": "Bad", "subject": "Hi", "html": f'<a href="{link}">x</a>'}
        yield refuse_field("/templates", body, "html", "template_result_unsafe")


def list_keys_of_idempotency(_document: Any, owned: Owned) -> Iterator[Ask]:
    bad = [(value, status, code) for name, value, status, code in bad_emails.HEADERS if name == "Idempotency-Key"]
    for value, status, code in bad:
        for path, body in (
            ("/emails", EMAIL),
            ("/emails/batch", [EMAIL]),
            (f"/emails/{owned['emails']['pk']}/resend", None),
        ):
            yield Ask(method="POST", path=path, body=body, status=status, code=code, headers={"Idempotency_Key": value})


def list_credentials(_document: Any, owned: Owned) -> Iterator[Ask]:
    for method, path in list_routes(fill=lambda part: part):
        full = fill(path, owned.get(resource_of(path), {}))
        yield Ask(method=method, path=full, status=401, code="not_authenticated", by="anonymous")
        if path != "/api/v1/me":
            yield Ask(method=method, path=full, status=403, code="missing_scope", by="scopeless")
    for name, value, status, code in bad_emails.HEADERS:
        if name not in {"Idempotency-Key"}:
            yield Ask(
                method="POST",
                path="/emails",
                body=EMAIL,
                status=status,
                code=code,
                headers={name.replace("-", "_"): value},
            )


def list_objects_of_another(_document: Any, owned: Owned) -> Iterator[Ask]:
    for method, path in detail_routes():
        body = {} if method in {"POST", "PATCH", "PUT"} else None
        full = fill(path, owned[resource_of(path)])
        yield Ask(method=method, path=full, body=body, status=404, code="not_found", by="other_api")


def list_hosts(_document: Any, _owned: Owned) -> Iterator[Ask]:
    for host, code in HOSTS.items():
        yield refuse_field("/webhooks", {"url": f"https://{host}/", "events": ["*"]}, "url", code)
        body = {"name": "bad", "kind": "smtp", "settings": {"host": host.strip("[]")}}
        yield refuse_field("/providers", body, "settings.host", "invalid_provider" if code == "invalid_host" else code)
    for url in URLS:
        yield refuse_field("/webhooks", {"url": url, "events": ["*"]}, "url", "invalid_url")


SETTINGS: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({"name": "x"}, "kind", "required"),
    ({"name": "x", "url": "ftp://relay.test"}, "url", "invalid_provider"),
    ({"name": "x", "url": "smtp://"}, "url", "invalid_provider"),
    ({"name": "x", "url": "smtp://relay.test?tls=perhaps"}, "url", "invalid_provider"),
    ({"name": "x", "url": "smtp://relay.test?ca=/etc/passwd"}, "url", "invalid_provider"),
    ({"name": "x", "kind": "pigeon", "settings": {}}, "kind", "invalid_choice"),
    ({"name": "x", "kind": "smtp", "settings": {"port": "25"}}, "settings.host", "invalid_provider"),
    (
        {"name": "x", "kind": "smtp", "settings": {"host": "a.test", "port": "0x19"}},
        "settings.port",
        "invalid_provider",
    ),
    ({"name": "x", "kind": "smtp", "settings": {"host": ["a"]}}, "settings.host", "invalid_provider"),
    (
        {"name": "x", "kind": "smtp", "settings": {"host": "a.test", "nothing": "x"}},
        "settings.nothing",
        "invalid_provider",
    ),
    ({"name": "x", "kind": "esp", "settings": {"esp": "nobody"}}, "settings.esp", "invalid_provider"),
    ({"name": "x\n", "url": "simulator:"}, "name", "control_character"),
    ({"name": "x", "url": "simulator:", "weight": 0}, "weight", "min_value"),
    ({"name": "x", "url": "simulator:", "wieght": 1}, "wieght", "unknown_field"),
)


def list_settings(_document: Any, _owned: Owned) -> Iterator[Ask]:
    for body, name, code in SETTINGS:
        yield refuse_field("/providers", body, name, code)


PAGES = {
    "limit=0": ("limit", "min_value"),
    "limit=x": ("limit", "invalid"),
    "limit=9999": ("limit", "max_value"),
    "limit=1&limit=2": ("limit", "repeated_parameter"),
    "unknown=1": ("unknown", "unknown_field"),
    "after=x": ("after", "invalid"),
}
# The feed's cursors are no ids of rows.
CURSORS = {"/events": ("", "invalid_cursor"), "/providers": ("after", "invalid_cursor")}


def list_filters(_document: Any, owned: Owned) -> Iterator[Ask]:
    for method, path, body, status, code in bad_emails.ROUTES:
        yield Ask(method=method, path=path, body=body, status=status, code=code)
    for path in LISTS:
        full = fill(path, owned.get(resource_of(f"/api/v1{path}"), {}))
        for query, (name, code) in PAGES.items():
            by = "admin_api" if path.startswith("/admin/") else "api"
            if name == "after":
                name, code = CURSORS.get(path, (name, code))
            yield Ask(method="GET", path=f"{full}?{query}", status=422, code=code, field=name, by=by)


def list_feedback(_document: Any, owned: Owned) -> Iterator[Ask]:
    esp = owned["esp"]
    ours = f"/feedback/{esp['pk']}/{esp['secret']}"
    yield Ask(
        method="POST", path=f"/feedback/{uuid4()}/{esp['secret']}", body=[], status=404, code="not_found", by="stranger"
    )
    for secret in ("x", esp["secret"][:-1], esp["secret"] + "x", esp["secret"].swapcase(), "%00"):
        path = f"/feedback/{esp['pk']}/{secret}"
        yield Ask(method="POST", path=path, body={}, status=404, code="not_found", by="stranger")
    for headers in ({}, {"svix_id": "a"}, {"svix_id": "a", "svix_timestamp": "1", "svix_signature": "v1,AAAA"}):
        for body in (b"{}", b"[]", b"", b"{", b"\xff", b'{"type": "email.bounced"}'):
            yield Ask(
                method="POST",
                path=ours,
                body=body,
                status=403,
                code="forged_event",
                by="stranger",
                headers={**JSON, **headers},
            )
    for method in ("PUT", "PATCH", "DELETE"):
        yield Ask(method=method, path=ours, body={}, status=405, code="method_not_allowed", by="stranger")


HEAD = b"From: shop@mine.test\r\nTo: one@rcpt.test\r\nSubject: Hi\r\n"
# Each mail, with what the reply begins with and the header that it names.
MAILS: tuple[tuple[bytes, str, str], ...] = (
    (HEAD + b"From: two@mine.test\r\n\r\nx", "554 5.6.0", "From"),
    (HEAD + b"X-Own: 1\r\nx-own: 2\r\n\r\nx", "554 5.6.0", "x-own"),
    (HEAD + b"Cc: nobody\r\n\r\nx", "554 5.6.0", "Cc"),
    (HEAD + b"X-Emailsvc-Nonsense: 1\r\n\r\nx", "554 5.6.0", "X-Emailsvc-Nonsense"),
    (HEAD + b"X-Emailsvc-Metadata: [1]\r\n\r\nx", "554 5.6.0", "X-Emailsvc-Metadata"),
    (HEAD + b"X-Emailsvc-Priority: high\r\n\r\nx", "554 5.6.0", "X-Emailsvc-Priority"),
    (HEAD + b"no header field\r\n\r\nx", "554 5.6.0", ""),
    (HEAD.replace(b"shop@mine.test", b"shop@evil.test") + b"\r\nx", "550 5.7.1", "evil.test"),
    (HEAD.replace(b"Subject: Hi\r\n", b"") + b"\r\nx", "554 5.6.0", "Subject"),
    (b"\r\nx", "554 5.6.0", "From"),
    (b"", "554 5.6.0", "From"),
)


def list_mails(_document: Any, _owned: Owned) -> Iterator[Ask]:
    for raw, reply, name in MAILS:
        yield Ask(method="SMTP", path="", body=raw, status=0, code=reply, field=name)


def as_group(table: list[bad_emails.Field]) -> Callable[[Any, Owned], Iterator[Ask]]:
    return lambda _document, _owned: refuse_emails(table)


GROUPS: Mapping[str, Callable[[Any, Owned], Iterator[Ask]]] = {
    "json": list_json,
    "types": list_types,
    "characters": list_uncarried,
    "headers": as_group(bad_emails.LINES),
    "addresses": as_group(bad_emails.ADDRESSES),
    "senders": list_senders,
    "attachments": as_group(bad_emails.FILES),
    "templates": list_templates,
    "idempotency": list_keys_of_idempotency,
    "credentials": list_credentials,
    "objects of another": list_objects_of_another,
    "hosts": list_hosts,
    "settings of providers": list_settings,
    "times": as_group(bad_emails.TIMES),
    "filters": list_filters,
    "feedback": list_feedback,
    "submission": list_mails,
}
