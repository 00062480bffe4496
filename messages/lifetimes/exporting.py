"""What a project keeps of an address, for a person who asks: suppressions, and emails with events and attempts."""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from ledger.sql import as_ids, fetch
from tracking.suppressions.erased import list_stored_forms

PAGE = 100
Item = Mapping[str, Any]

_EMAILS = """
SELECT r.id, m.id, jsonb_build_object(
    'id', m.id, 'address', r.address, 'name', r.name, 'field', r.kind, 'status', r.status,
    'status_reason', r.status_reason, 'last_reply', r.last_reply, 'test', m.is_test, 'from', m.from_address,
    'subject', m.subject, 'html', c.html, 'text', c.text, 'bodies_purged_at', c.bodies_purged_at,
    'headers', m.headers, 'tags', to_jsonb(m.tags), 'metadata', m.metadata, 'stream', m.stream,
    'created_at', m.created_at, 'sent_at', m.sent_at, 'delivered_at', m.delivered_at, 'bounced_at', m.bounced_at,
    'failed_at', m.failed_at, 'cancelled_at', m.cancelled_at,
    'attachments', COALESCE((SELECT jsonb_agg(jsonb_build_object('filename', a.filename, 'type', a.content_type)
                             ORDER BY a.position) FROM mail_attachment a WHERE a.message_id = m.id), '[]'))
FROM mail_recipient r JOIN mail_message m ON m.id = r.message_id LEFT JOIN mail_content c ON c.message_id = m.id
WHERE r.project_id = %(project)s AND lower(r.address) = %(address)s AND r.message_id < %(before)s
ORDER BY r.message_id DESC LIMIT %(page)s
"""
_EVENTS = """
SELECT jsonb_build_object('email_id', e.message_id, 'type', e.type, 'at', e.occurred_at, 'data', e.data)
FROM tracking_event e
WHERE e.message_id = ANY(%(messages)s::uuid[]) AND (e.recipient_id IS NULL OR e.recipient_id = ANY(%(ids)s::uuid[]))
ORDER BY e.message_id DESC, e.serial
"""
_ATTEMPTS = """
SELECT jsonb_build_object('email_id', r.message_id, 'number', a.number, 'provider', a.provider_name,
    'started_at', a.started_at, 'finished_at', a.finished_at, 'outcome', a.outcome, 'reply', a.reply)
FROM mail_attempt a JOIN mail_recipient r ON r.id = a.recipient_id
WHERE a.recipient_id = ANY(%(ids)s::uuid[]) ORDER BY r.message_id DESC, a.number
"""
_SUPPRESSIONS = """
SELECT jsonb_build_object('address', s.address, 'reason', s.reason, 'stream', s.stream, 'note', s.note, 'way', s.way,
    'ip', s.ip, 'email_id', s.message_id, 'test', s.is_test, 'created_at', s.created_at)
FROM tracking_suppression s WHERE s.project_id = %(project)s AND s.address = ANY(%(forms)s) ORDER BY s.id
"""
_HELD = """
SELECT jsonb_build_object('address', h.address, 'note', h.note, 'email_id', h.message_id, 'created_at', h.created_at)
FROM tracking_heldsuppression h WHERE h.project_id = %(project)s AND h.address = %(address)s ORDER BY h.id
"""
LAST = UUID(int=2**128 - 1)


def export_address(project_id: UUID, address: str) -> Iterator[Item]:
    """All that a project keeps of an address, whose case does not matter: first its suppressions, then its emails, the
    newest first, each page of them with its events and attempts. Each item has its `kind`.
    """
    values: dict[str, Any] = {"project": project_id, "address": address.lower(), "page": PAGE, "before": LAST}
    values["forms"] = list_stored_forms(project_id, address)
    yield from list_items("suppression", _SUPPRESSIONS, values)
    yield from list_items("held_suppression", _HELD, values)
    while rows := fetch(_EMAILS, values):
        yield from ({"kind": "email", **json.loads(item)} for _, _, item in rows)
        page = {"ids": as_ids(pk for pk, _, _ in rows), "messages": as_ids(pk for _, pk, _ in rows)}
        yield from list_items("event", _EVENTS, page)
        yield from list_items("attempt", _ATTEMPTS, page)
        values["before"] = rows[-1][1]


def list_items(kind: str, sql: str, values: Mapping[str, Any]) -> Iterator[Item]:
    return ({"kind": kind, **json.loads(item)} for (item,) in fetch(sql, values))
