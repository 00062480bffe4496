"""Ends mail to an erased address, and takes the address out of the rows of its recipients."""

from collections import Counter

from ledger.sql import as_ids, execute, fetch, fetch_as, fetch_column
from messages.lifetimes.erasing.work import StepResult, Subject
from messages.lifetimes.stopping import Pending, stop_pending
from messages.states import OPEN_STATUSES, Status, StatusReason
from messages.transitions import lock_messages
from tracking.suppressions.erased import ERASED_DOMAIN

# ruff: noqa: S608 - statements built from constants
BATCH = 200
_ADDRESSED = """
FROM mail_recipient r WHERE r.project_id = %(project)s AND lower(r.address) = %(address)s
  AND r.message_id <= %(newest)s
"""
_PENDING = f"""
SELECT r.id AS recipient_id, r.message_id, r.status, r.lease_token IS NOT NULL AS is_leased {_ADDRESSED}
  AND r.status IN ('{Status.SCHEDULED}', {OPEN_STATUSES}) ORDER BY r.message_id LIMIT {BATCH}
"""


def end_mail(subject: Subject, _place: str) -> StepResult:
    """Cancel what is scheduled to the address, and fail what is open, but for what a worker is sending just now."""
    pending = fetch_as(Pending, _PENDING, subject.values)
    if not pending:
        return StepResult()
    applied = stop_pending(pending, StatusReason.ERASED)
    return StepResult(place="", counts=Counter(stopped=len(applied)), is_waiting=not applied)


_NEXT = f"SELECT r.id, r.message_id {_ADDRESSED} ORDER BY r.message_id LIMIT {BATCH}"
_RENAME = f"""
UPDATE mail_recipient SET name = '', domain = '{ERASED_DOMAIN}', last_reply = '',
    address = 'erased-' || right(replace(id::text, '-', ''), 12) || '@{ERASED_DOMAIN}'
WHERE id = ANY(%(ids)s::uuid[])
"""
# Messages that nobody else got.
_ALONE = f"""
SELECT m.id FROM mail_message m WHERE m.id = ANY(%(messages)s::uuid[]) AND NOT EXISTS (
    SELECT FROM mail_recipient r WHERE r.message_id = m.id AND r.domain <> '{ERASED_DOMAIN}')
"""
_OF_RECIPIENTS = {
    # What a reply, a visitor's address or a personal link may tell.
    "events": "UPDATE tracking_event SET address = '', data = data - '{reply,ip,user_agent,url}'::text[]"
    " WHERE message_id = ANY(%(messages)s::uuid[]) AND recipient_id = ANY(%(ids)s::uuid[])",
    "attempts": "UPDATE mail_attempt SET reply = '' WHERE recipient_id = ANY(%(ids)s::uuid[]) AND reply <> ''",
    "visits": "DELETE FROM tracking_visit WHERE recipient_id = ANY(%(ids)s::uuid[])",
    # `search.filling` fills the searched columns anew.
    "search": "UPDATE mail_subject SET recipients = NULL WHERE message_id = ANY(%(messages)s::uuid[])",
    # Links in mail to several lead on.
    "links": "INSERT INTO tracking_linkowner (recipient_id, message_id) SELECT id, message_id FROM mail_recipient"
    " WHERE id = ANY(%(ids)s::uuid[]) AND NOT message_id = ANY(%(alone)s::uuid[]) ON CONFLICT DO NOTHING",
}
_OF_ALONE = {
    "bodies": "UPDATE mail_content SET html = '', text = '', tracked_places = NULL, header_recipients = NULL,"
    " original_message_id = '', bodies_purged_at = COALESCE(bodies_purged_at, now())"
    " WHERE message_id = ANY(%(alone)s::uuid[])",
    "subjects": "UPDATE mail_message SET subject = '', headers = '[]', reply_to = '[]', metadata = '{}', tags = '{}'"
    " WHERE id = ANY(%(alone)s::uuid[])",
    "searched": "UPDATE mail_subject SET text = '', metadata = '{}', tags = '', filenames = '', pairs = ''"
    " WHERE message_id = ANY(%(alone)s::uuid[])",
    "targets": "DELETE FROM tracking_trackedlinks WHERE message_id = ANY(%(alone)s::uuid[])",
    "feed": "UPDATE tracking_event SET data = data - '{reply,ip,user_agent,url}'::text[]"
    " WHERE message_id = ANY(%(alone)s::uuid[]) AND recipient_id IS NULL",
}
_FILES = """
UPDATE mail_attachment a SET size = c.size, content_id = NULL, filename = 'erased'
FROM mail_attachmentcontent c, mail_message m
WHERE c.id = a.content_id AND m.id = a.message_id AND a.message_id = ANY(%(alone)s::uuid[])
RETURNING c.id, m.created_at
"""
_NAMES = "UPDATE mail_attachment SET filename = 'erased' WHERE message_id = ANY(%(alone)s::uuid[])"
# Bytes that nobody has used since this mail was accepted, and that no other mail has. Those that a request may be about
# to use again are left to the sweep, an hour later.
_BYTES = """
WITH gone AS (
    DELETE FROM mail_attachmentcontent c USING unnest(%(files)s::uuid[], %(times)s::timestamptz[]) AS v(id, used_at)
    WHERE c.id = v.id
      AND (c.created_at <= v.used_at + interval '10 seconds' OR c.created_at < now() - interval '1 hour')
      AND NOT EXISTS (SELECT FROM mail_attachment a WHERE a.content_id = c.id)
    RETURNING c.storage_name
)
INSERT INTO mail_upload (name, created_at) SELECT DISTINCT storage_name, '-infinity'::timestamptz FROM gone
WHERE storage_name <> '' ON CONFLICT (name) DO UPDATE SET created_at = EXCLUDED.created_at
"""


def replace_recipients(subject: Subject, _place: str) -> StepResult:
    """Replace the address in its recipients' rows. Mail that went to nobody else loses its content and files."""
    page = fetch(_NEXT, subject.values)
    if not page:
        return StepResult()
    messages = as_ids({message_id for _, message_id in page})
    lock_messages({message_id for _, message_id in page})
    values = {"ids": as_ids(pk for pk, _ in page), "messages": messages}
    execute(_RENAME, values)
    alone = fetch_column(_ALONE, values)
    values["alone"] = as_ids(alone)
    counts = Counter(recipients=len(page), emails=len(alone))
    for kind, statement in (_OF_RECIPIENTS | _OF_ALONE).items():
        counts[kind] += execute(statement, values)
    files = fetch(_FILES, values)
    counts["files"] += len(files)
    execute(_NAMES, values)
    execute(_BYTES, {"files": [pk for pk, _ in files], "times": [time for _, time in files]})
    return StepResult(place="", counts=counts)


_TAKEN = """
DELETE FROM tracking_suppression s WHERE s.project_id = %(project)s AND s.address = %(address)s AND EXISTS (
    SELECT FROM tracking_suppression old WHERE old.project_id = s.project_id AND old.address = %(hash)s
    AND old.reason = s.reason AND old.stream IS NOT DISTINCT FROM s.stream AND old.is_test = s.is_test)
"""
_HASH = """
UPDATE tracking_suppression SET address = %(hash)s, note = '', ip = NULL
WHERE project_id = %(project)s AND address = %(address)s
"""
_FORGET = (
    "DELETE FROM tracking_heldsuppression WHERE project_id = %(project)s AND address = %(address)s",
    "DELETE FROM tracking_refusedaddress WHERE project_id = %(project)s AND address = %(address)s",
)


def hash_suppressions(subject: Subject, hashed: str) -> Counter[str]:
    """Keep the suppressions of the address under its hash; drop what is not decided yet."""
    values = {**subject.values, "hash": hashed}
    counts = Counter(suppressions=execute(_TAKEN, values) + execute(_HASH, values))
    for statement in _FORGET:
        counts["held_suppressions"] += execute(statement, values)
    return counts
