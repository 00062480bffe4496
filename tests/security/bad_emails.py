"""Rejected requests with their expected responses: by group, as data.

A field case is (fields that are changed in a good email, path of the field that is to blame, code).
"""

from datetime import UTC, datetime, timedelta
from typing import Any

Field = tuple[dict[str, Any], str, str]
NOW = datetime.now(UTC)


def within(name: str, values: dict[Any, str]) -> list[Field]:
    """Cases for one field: each value with its code."""
    return [({name: value}, name, code) for value, code in values.items()]


def file(**values: Any) -> dict[str, Any]:
    return {
        "attachments": [{"filename": "a.txt", "content_type": "text/plain", "content_b64": "YWJj"} | values],
    }


def at(**ahead: float) -> str:
    return (NOW + timedelta(**ahead)).isoformat()


CONTROLS = ["\r", "\n", "\r\n", "\t", "\x01", "\x0b", "\x0c", "\x1b", "\x7f", "\x85", "\u2028", "\u2029"]

ADDRESSES: list[Field] = [
    *within(
        "to",
        {
            "nobody": "invalid_address",
            "@": "invalid_address",
            "@x.test": "invalid_address",
            "a@": "invalid_address",
            "a@@x.test": "invalid_address",
            "a@x": "invalid_address",
            "a@.test": "invalid_address",
            "a@x..test": "invalid_address",
            "a@-x.test": "invalid_address",
            "a@x-.test": "invalid_address",
            "a@x_y.test": "invalid_address",
            "a@x.test.": "invalid_address",
            ".a@x.test": "invalid_address",
            "a.@x.test": "invalid_address",
            "a..b@x.test": "invalid_address",
            "a b@x.test": "invalid_address",
            "a@x .test": "invalid_address",
            '"a b@x.test': "invalid_address",
            "a@[192.0.2.1]": "invalid_address",
            "a@192.0.2.1": "invalid_address",
            "a@x.test>": "invalid_address",
            "<a@x.test": "invalid_address",
            "A <a@x.test> b": "invalid_address",
            "A <<a@x.test>>": "invalid_address",
            "A <>": "invalid_address",
            "(c) a@x.test": "invalid_address",
            "A (c) <a@x.test>": "invalid_address",
            "Doe: A <a@x.test>": "invalid_address",
            "mailto:a@x.test": "invalid_address",
            "a%x.test": "invalid_address",
            "a@x.test, b@x.test": "several_addresses",
            "a@x.test; b@x.test": "several_addresses",
            "a@x.test,": "several_addresses",
            "a@x.test, B <b@x.test>": "several_addresses",
            "a@localhost": "reserved_domain",
            "a@x.local": "reserved_domain",
            "a@x.invalid": "reserved_domain",
            "a@x.onion": "reserved_domain",
            "ä@x.test": "non_ascii_local_part",
            "用户@x.test": "non_ascii_local_part",
            f"{'a' * 65}@x.test": "address_too_long",
            f"a@{'x.' * 150}test": "address_too_long",
            f"{'n' * 256} <a@x.test>": "name_too_long",
            "x" * 5_000: "address_too_long",
            "A\u202eB <a@x.test>": "bidi_control",
            "A\u2066B <a@x.test>": "bidi_control",
        },
    ),
    *[({"to": f"a{control}@x.test"}, "to", "control_character") for control in CONTROLS],
    *[({"to": f"A{control}Bcc: b@x.test <a@x.test>"}, "to", "control_character") for control in CONTROLS],
    *[({name: "a@x.test\r\nBcc: b@x.test"}, name, "control_character") for name in ("from_", "cc", "bcc", "reply_to")],
    *[({name: "nobody"}, name, "invalid_address") for name in ("from_", "cc", "bcc", "reply_to")],
    *[({name: ["a@x.test", "nobody"]}, f"{name}[1]", "invalid_address") for name in ("to", "cc", "bcc", "reply_to")],
    ({"from": "nobody", "from_": None}, "from_", "invalid_address"),
    ({"from": "a@x.test", "from_": "a@x.test"}, "from", "ambiguous_field"),
    ({"from_": ["a@x.test"]}, "from_", "invalid"),
    ({"to": ["a@x.test", None]}, "to[1]", "invalid"),
    ({"to": ["a@x.test", ""]}, "to[1]", "invalid_address"),
    ({"to": ["a@x.test", ["b@x.test"]]}, "to[1]", "invalid"),
    ({"to": [f"u{n}@x.test" for n in range(51)]}, "to", "too_many_recipients"),
    ({"bcc": [f"u{n}@x.test" for n in range(50)]}, "to", "too_many_recipients"),
    ({"cc": ["a@x.test"] * 1_001}, "cc", "max_length"),
    ({"reply_to": [f"u{n}@x.test" for n in range(51)]}, "reply_to", "max_length"),
    ({"to": None}, "to", "required"),
    ({"to": []}, "to", "required"),
]

LINES: list[Field] = [
    *[({"subject": f"a{control}b"}, "subject", "control_character") for control in CONTROLS],
    ({"subject": "Hi\r\nBcc: b@x.test"}, "subject", "control_character"),
    ({"subject": "x" * 999}, "subject", "max_length"),
    ({"subject": None}, "subject", "required"),
    ({"subject": ""}, "subject", "required"),
    ({"text": None}, "html", "required"),
    ({"text": "", "html": ""}, "html", "required"),
    ({"text": "x" * (2 * 1024 * 1024 + 1)}, "text", "max_length"),
    ({"html": "ü" * (1024 * 1024 + 1)}, "html", "max_length"),
    *[({"headers": {"X-A": f"a{control}b"}}, "headers.X-A", "control_character") for control in CONTROLS],
    *[
        ({"headers": {name: "x"}}, f"headers.{name}", "invalid_header_name")
        for name in ("X A", "X:", "Ü", "X\x7f", "(x)")
    ],
    ({"headers": {"X-A: b\r\nBcc": "c@x.test"}}, "headers.X-A: b\r\nBcc", "invalid_header_name"),
    ({"headers": {"": "x"}}, "headers.", "invalid_header_name"),
    ({"headers": {"X" * 129: "x"}}, "headers." + "X" * 129, "invalid_header_name"),
    *[
        ({"headers": {name: "x"}}, f"headers.{name}", "header_reserved")
        for name in ("From", "to", "CC", "bcc", "Subject", "message-id", "DKIM-Signature", "Content-Foo", "ARC-Seal")
    ],
    ({"headers": {"X-A": 5}}, "headers.X-A", "invalid"),
    ({"headers": {"X-A": None}}, "headers.X-A", "invalid"),
    ({"headers": {"X-A": ["a", "b"]}}, "headers.X-A", "invalid"),
    ({"headers": {"X-A": "x" * 999}}, "headers.X-A", "max_length"),
    ({"headers": {"X-A": "1", "x-a": "2"}}, "headers", "duplicate_header"),
    ({"headers": {f"X-{n}": "x" for n in range(51)}}, "headers", "max_length"),
    ({"headers": [["X-A", "b"]]}, "headers", "invalid"),
    ({"headers": "X-A: b"}, "headers", "invalid"),
    (
        {"headers": {"List-Unsubscribe": "<mailto:x>"}, "enable_unsubscribe": True},
        "headers.List-Unsubscribe",
        "header_reserved",
    ),
]

LABELS: list[Field] = [
    *within("tags", {"welcome": "invalid", 5: "invalid", True: "invalid"}),
    ({"tags": {"a": 1}}, "tags", "invalid"),
    ({"tags": ["a", 5]}, "tags[1]", "invalid"),
    ({"tags": ["a", None]}, "tags[1]", "invalid"),
    ({"tags": ["a", " "]}, "tags[1]", "blank"),
    ({"tags": ["a", ""]}, "tags[1]", "blank"),
    ({"tags": ["x" * 65]}, "tags[0]", "max_length"),
    ({"tags": ["a\nb"]}, "tags[0]", "control_character"),
    ({"tags": [f"t{n}" for n in range(11)]}, "tags", "max_length"),
    ({"metadata": ["a"]}, "metadata", "invalid"),
    ({"metadata": "a=b"}, "metadata", "invalid"),
    ({"metadata": {"a": 5}}, "metadata.a", "invalid"),
    ({"metadata": {"a": None}}, "metadata.a", "invalid"),
    ({"metadata": {"a": {"b": "c"}}}, "metadata.a", "invalid"),
    ({"metadata": {"k" * 65: "v"}}, "metadata." + "k" * 65, "max_length"),
    ({"metadata": {"a\nb": "v"}}, "metadata.a\nb", "control_character"),
    ({"metadata": {f"k{n}": "v" for n in range(51)}}, "metadata", "max_length"),
    ({"metadata": {"k": "x" * 8192}}, "metadata", "max_length"),
    ({"metadata": {"k": "ü" * 4096}}, "metadata", "max_length"),
]

TYPES: list[Field] = [
    *[({name: 5}, name, "invalid") for name in ("to", "from_", "cc", "bcc", "reply_to", "subject", "html", "text")],
    *[
        ({name: True}, name, "invalid")
        for name in ("to", "from_", "subject", "html", "text", "template_id", "domain_id")
    ],
    *[({name: {"a": 1}}, name, "invalid") for name in ("to", "from_", "cc", "subject", "html", "text", "domain_id")],
    *[({name: ["a"]}, name, "invalid") for name in ("subject", "html", "text", "template_id", "domain_id")],
    *[
        ({name: value}, name, "invalid")
        for name in ("track_opens", "track_clicks", "enable_unsubscribe")
        for value in ("true", "yes", 1, 0, ["x"])
    ],
    *within("domain_id", {5: "invalid", "x": "invalid", "01890a5d-ac96": "invalid"}),
    *within("priority", {"high": "invalid_choice", 1: "invalid_choice", "Normal": "invalid_choice"}),
    *within("on_uncertain", {"ask": "invalid_choice", True: "invalid_choice"}),
    ({"priority": ["bulk"]}, "priority", "invalid_choice"),
    ({"template_vars": ["a"], "template_id": "t", "subject": None, "text": None}, "template_vars", "not_a_dict"),
    ({"template_vars": "a", "template_id": "t", "subject": None, "text": None}, "template_vars", "not_a_dict"),
    *[
        ({name: "x"}, name, "unknown_field")
        for name in ("scheduled_att", "body", "TO", "id", "status", "message_id", "__proto__", "test", "to ", "ŧo")
    ],
    ({"scheduled_att": None}, "scheduled_att", "unknown_field"),
]

TIMES: list[Field] = [
    *within(
        "scheduled_at",
        {
            "tomorrow": "invalid_time",
            "2030": "invalid_time",
            "2030-01-01": "invalid_time",
            "2030-13-01T00:00:00Z": "invalid_time",
            "2030-02-30T00:00:00Z": "invalid_time",
            "2030-01-01T25:00:00Z": "invalid_time",
            "2030-01-01T00:00:00": "offset_required",
            "2030-01-01 00:00:00": "offset_required",
            "2030-01-01T00:00:00 UTC": "invalid_time",
            "2030-01-01T00:00:00+99:00": "invalid_time",
            "0000-01-01T00:00:00Z": "invalid_time",
            "99999-01-01T00:00:00Z": "invalid_time",
            "1893456000": "invalid_time",
            1893456000: "invalid_time",
            1.5: "invalid_time",
            True: "invalid_time",
            "２０３０-01-01T00:00:00Z": "invalid_time",
            "2000-01-01T00:00:00Z": "not_in_future",
            "9999-12-31T23:59:59Z": "too_far_ahead",
            at(seconds=-1): "not_in_future",
            at(days=366): "too_far_ahead",
        },
    ),
    *[({"scheduled_at": value}, "scheduled_at", "invalid_time") for value in ("", {}, [], ["2030-01-01T00:00:00Z"])],
    *within(
        "expires_at",
        {"never": "invalid_time", "2030-01-01T00:00:00": "offset_required", at(seconds=-1): "not_in_future"},
    ),
    ({"scheduled_at": at(hours=2), "expires_at": at(hours=1)}, "expires_at", "not_in_future"),
]

FILES: list[Field] = [
    *[({"attachments": value}, "attachments", "not_a_list") for value in ("a.txt", 5, True, {"filename": "a"})],
    *[({"attachments": [value]}, "attachments[0]", "invalid") for value in ("a.txt", 5, [])],
    ({"attachments": [None]}, "attachments[0]", "null"),
    ({"attachments": file()["attachments"] * 6}, "attachments", "max_length"),
    *[
        (file(**{name: None}), f"attachments[0].{name}", "required")
        for name in ("filename", "content_type", "content_b64")
    ],
    *[(file(**{name: 5}), f"attachments[0].{name}", "invalid") for name in ("filename", "content_type", "content_b64")],
    *[(file(filename=name), "attachments[0].filename", "invalid_filename") for name in (".", "..", " ", "\u202e.")],
    *[(file(filename=f"a{control}b"), "attachments[0].filename", "control_character") for control in CONTROLS],
    (file(filename="x" * 256), "attachments[0].filename", "max_length"),
    (file(filename="x" * 1_001), "attachments[0].filename", "max_length"),
    *[
        (file(content_type=kind), "attachments[0].content_type", "invalid_content_type")
        for kind in (
            "text",
            "text/",
            "/plain",
            "text/plain/x",
            "a b/c",
            "multipart/mixed",
            "message/global",
            "MESSAGE/X",
            "a/b; c=d; C=e",
        )
    ],
    (file(content_type="text/plain\r\nX: y"), "attachments[0].content_type", "control_character"),
    *[
        (file(content_b64=text), "attachments[0].content_b64", "invalid_base64")
        for text in (
            "YWJ",
            "YWJj=",
            "YW=j",
            "YW Jj",
            "YWJj\t",
            "_w==",
            "=",
            "====",
            "YWK=",
            "ü",
            "YWJj====",
        )
    ],
    (file(content_b64="A" * 7_200_000), "attachments[0].content_b64", "attachments_too_large"),
    (file(content_id="a b"), "attachments[0].content_id", "invalid_content_id"),
    (file(content_id="<>"), "attachments[0].content_id", "invalid_content_id"),
    (file(content_id="a\r\nX: y"), "attachments[0].content_id", "control_character"),
    (file(content_id=5), "attachments[0].content_id", "invalid"),
    (file(url="https://x.test"), "attachments[0].url", "unknown_field"),
    ({"attachments": file(content_id="a")["attachments"] * 2}, "attachments", "duplicate_content_id"),
]

TEMPLATES: list[Field] = [
    ({"template_vars": {"a": 1}}, "template_vars", "content_conflict"),
    ({"template_id": "none", "text": None, "subject": None}, "template_id", "template_not_found"),
    (
        {"template_id": "01890a5d-ac96-774b-bcce-b302099a8057", "text": None, "subject": None},
        "template_id",
        "template_not_found",
    ),
    ({"template_id": "x" * 101, "text": None, "subject": None}, "template_id", "max_length"),
    ({"domain_id": "01890a5d-ac96-774b-bcce-b302099a8057"}, "domain_id", "not_found"),
]

FIELDS: dict[str, list[Field]] = {
    "addresses": ADDRESSES,
    "lines": LINES,
    "labels": LABELS,
    "types": TYPES,
    "times": TIMES,
    "files": FILES,
    "templates": TEMPLATES,
}

# Each body, its status and code.
BODIES: list[tuple[bytes, int, str]] = [
    (b"", 400, "body_required"),
    (b" \n", 400, "body_required"),
    (b"{", 400, "malformed_json"),
    (b'{"to": "a@x.test"', 400, "malformed_json"),
    (b"{'to': 'a@x.test'}", 400, "malformed_json"),
    (b'{"to": "a@x.test",}', 400, "malformed_json"),
    (b'{"to": "a@x.test"} x', 400, "malformed_json"),
    (b'{"to": undefined}', 400, "malformed_json"),
    (b'{"to": NaN}', 400, "malformed_json"),
    (b'{"to": Infinity}', 400, "malformed_json"),
    (b'{"to": "a\nb"}', 400, "malformed_json"),
    (b'{"to": "\\x41"}', 400, "malformed_json"),
    (b"to=a@x.test", 400, "malformed_json"),
    (b"<xml/>", 400, "malformed_json"),
    (b'{"a": 1e999}', 400, "number_out_of_range"),
    (b'{"a": ' + b"9" * 4_000 + b"}", 400, "number_out_of_range"),
    (b'{"to": "a@x.test", "to": "b@x.test"}', 400, "duplicate_key"),
    (b"[" * 100_000, 400, "json_too_deep"),
    (b'{"a":' * 33 + b"1" + b"}" * 33, 400, "json_too_deep"),
    (b'{"a": "\xff"}', 400, "invalid_utf8"),
    ('{"a": 1}'.encode("utf-16"), 400, "invalid_utf8"),
    (b'{"subject": "\\ud800"}', 422, "lone_surrogate"),
    (b'{"subject": "a\\u0000"}', 422, "nul_character"),
    (b'{"\\u0000": 1}', 422, "nul_character"),
    (b"[]", 422, "wrong_body_type"),
    (b'"x"', 422, "wrong_body_type"),
    (b"5", 422, "wrong_body_type"),
    (b"null", 422, "wrong_body_type"),
    (b"true", 422, "wrong_body_type"),
    (b"{}", 422, "required"),
    (b'{"to": null, "subject": "", "html": {}, "text": []}', 422, "required"),
]

# Each header and value, on a good email; its status and code.
HEADERS: list[tuple[str, str, int, str]] = [
    ("Content-Type", "text/plain", 415, "unsupported_media_type"),
    ("Content-Type", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
    ("Content-Type", "multipart/form-data; boundary=x", 415, "unsupported_media_type"),
    ("Content-Type", "application/json; charset=latin-1", 415, "unsupported_media_type"),
    ("Content-Type", "application/jsonx", 415, "unsupported_media_type"),
    ("Content-Type", "", 415, "unsupported_media_type"),
    ("Content-Encoding", "gzip", 415, "unsupported_media_type"),
    ("Idempotency-Key", "x" * 257, 400, "idempotency_key_invalid"),
    ("Idempotency-Key", "", 400, "idempotency_key_invalid"),
    ("Idempotency-Key", '""', 400, "idempotency_key_invalid"),
    ("Idempotency-Key", "a\x01b", 400, "idempotency_key_invalid"),
    ("Idempotency-Key", "clé", 400, "idempotency_key_invalid"),
    ("Authorization", "Bearer", 401, "invalid_key"),
    ("Authorization", "Bearer es_live_nonsense", 401, "invalid_key"),
    ("Authorization", "Basic YTpi", 401, "invalid_key"),
    ("Authorization", "es_live_" + "a" * 36, 401, "invalid_key"),
    ("Authorization", "Bearer es_live_" + "a" * 36, 401, "invalid_key"),
    ("Authorization", "Bearer es_live_" + "a" * 5_000, 401, "invalid_key"),
    ("Authorization", "", 401, "not_authenticated"),
    ("Host", "evil.test", 400, "bad_request"),
]

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
# Each method, path and body; its status and code.
ROUTES: list[tuple[str, str, Any, int, str]] = [
    ("PUT", "/emails", {}, 405, "method_not_allowed"),
    ("DELETE", "/emails", None, 405, "method_not_allowed"),
    ("DELETE", f"/emails/{ID}", None, 405, "method_not_allowed"),
    ("POST", f"/emails/{ID}", {}, 405, "method_not_allowed"),
    ("GET", f"/emails/{ID}/cancel", None, 405, "method_not_allowed"),
    ("GET", "/emails/batch", None, 405, "method_not_allowed"),
    ("POST", f"/emails/{ID}/raw", {}, 405, "method_not_allowed"),
    ("GET", f"/emails/{ID}", None, 404, "not_found"),
    ("GET", f"/emails/{ID}/raw", None, 404, "not_found"),
    ("GET", f"/emails/{ID}/events", None, 404, "not_found"),
    ("GET", f"/emails/{ID}/attachments/{ID}", None, 404, "not_found"),
    ("POST", f"/emails/{ID}/cancel", None, 404, "not_found"),
    ("POST", f"/emails/{ID}/resend", None, 404, "not_found"),
    ("PATCH", f"/emails/{ID}", {"scheduled_at": at(hours=1)}, 404, "not_found"),
    ("POST", f"/emails/{ID}/settle", {"as": "sent"}, 404, "not_found"),
    ("GET", "/emails/1", None, 404, "not_found"),
    ("GET", "/emails/x/raw", None, 404, "not_found"),
    ("GET", "/emails/%00", None, 404, "not_found"),
    ("GET", "/nothing", None, 404, "not_found"),
    ("POST", "/emails?x=1", {"to": "a@x.test", "subject": "Hi", "text": "Hi"}, 422, "unknown_field"),
    ("POST", "/emails/batch?mode=x", [], 422, "invalid_choice"),
    ("POST", "/emails/batch", [], 422, "batch_size"),
    ("POST", "/emails/batch", [{}] * 501, 422, "batch_size"),
    ("POST", "/emails/batch", {}, 422, "wrong_body_type"),
    ("POST", "/emails/batch?mode=permissive", [{}], 422, "required"),
    *[
        ("GET", f"/emails?{query}", None, 422, code)
        for query, code in {
            "limit=0": "min_value",
            "limit=101": "max_value",
            "limit=x": "invalid",
            "limit=1.5": "invalid",
            "limit=" + "9" * 4_000: "max_string_length",
            "offset=-1": "min_value",
            "offset=9999999999": "max_value",
            "after=x": "invalid",
            "before=%00": "invalid",
            "status=x": "invalid_choice",
            "to=x": "invalid_address",
            "from_=x": "invalid_address",
            "tag=%00": "null_characters_not_allowed",
            "q=%00": "null_characters_not_allowed",
            "q=": "blank",
            "created_after=x": "invalid_time",
            "created_after=2030-01-01T00:00:00": "offset_required",
            "limit=1&limit=1": "repeated_parameter",
            "page=2": "unknown_field",
        }.items()
    ],
]
