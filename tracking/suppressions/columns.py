"""The columns, words and times in suppression files: our own, and those that other services export.

SendGrid: `status,reason,email,created` (bounces, blocks), `reason,email,created` (invalid), `ip,email,created` (spam
reports), `email,created` (unsubscribes); seconds since 1970. Mailgun: `address,code,error,created_at`,
`address,tags,created_at`, `address,created_at`; RFC 2822. Postmark: `EmailAddress,SuppressionReason,Origin,CreatedAt`.
Its bounces: `Type`, `Email`, `BouncedAt`, `Inactive`. Amazon SES: `EmailAddress,Reason,LastUpdateTime`. Mandrill:
`email,reason,detail,created_at,…,expired`, in UTC. Brevo: `email,senderEmail,reason,blockedAt`, the log
`st_text;ts;sub;frm;email;…`, and contacts, `EMAIL;…;_BLOCKLISTED` with the channels in which one is blocked. Postmark,
SES, Mailgun and Brevo also give JSON with members of the same names.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from common.times import TimeError, parse_time
from delivery.mail_dates import read_mail_date
from tracking.models import SuppressionReason

NOT_ALNUM = re.compile(r"[^a-z0-9]")


def normalise_name(text: str) -> str:
    """A column's name or a reason without case, spaces and punctuation: `Email Address` → `emailaddress`."""
    return NOT_ALNUM.sub("", text.casefold())


def spell(meaning: str, words: str) -> dict[str, str]:
    """Several words with one meaning."""
    return dict.fromkeys(words.split(), meaning)


# What a column means, by its normalised name. Other columns are ignored.
ROLES: Mapping[str, str] = {
    **spell("address", "address email emailaddress emailadresse adresseemail mail recipient contactemail"),
    **spell("reason", "reason suppressionreason blocklistreason sttext subscriptionstatus"),
    **spell("note", "note notes detail details error description comment message"),
    **spell("created_at", "createdat created lastupdatetime blockedat bouncedat suppressedat date timestamp ts"),
    **spell("stream", "stream tags"),
    **spell("status", "status code"),
    **spell("blocklisted", "blocklisted blacklisted emailblacklisted emailblocklisted"),
    **spell("origin", "origin"),
    **spell("type", "type bouncetype"),
    **spell("active", "inactive"),
    **spell("expired", "expired"),
    **spell("unsubscribed", "unsubscribed"),
    **spell("way", "way"),
    **spell("email_id", "emailid"),
    **spell("ip", "ip"),
}
# The columns of a file without names.
DEFAULT_COLUMNS = ("address", "reason", "note", "createdat", "stream")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A kind of file, known by its columns. `reason` is that of lines without a reason of their own.

    `has_words` tells whether the column `reason` holds one word of a few, or the text of a server.
    """

    columns: frozenset[str]
    reason: str | None
    has_words: bool = True


def layout(reason: str | None, *columns: str, has_words: bool = True) -> Layout:
    return Layout(columns=frozenset(columns), reason=reason, has_words=has_words)


# The first one whose columns are all there.
LAYOUTS = (
    layout(SuppressionReason.BOUNCE, "status", "reason", "email", "created", has_words=False),
    layout(SuppressionReason.BOUNCE, "reason", "email", "created", has_words=False),
    layout(SuppressionReason.COMPLAINT, "ip", "email", "created"),
    layout(SuppressionReason.BOUNCE, "address", "code", "error"),
    layout(SuppressionReason.UNSUBSCRIBE, "address", "tags"),
)
PLAIN = layout(None)


def find_layout(names: Collection[str]) -> Layout:
    """The layout of a file with these normalised column names."""
    return next((each for each in LAYOUTS if each.columns <= set(names)), PLAIN)


# The mark of a word that is no reason to suppress an address: it was temporary, or is about the message or the sender.
NO_REASON = ""


# Other services' words, without case, spaces and punctuation.
WORDS: Mapping[str, str] = {
    **spell(
        SuppressionReason.BOUNCE,
        "bounce bounces bounced hardbounce hardbounces hardbounced permanent permanentbounce "
        "invalid invalidemail invalidemailaddress invalidrecipient invalidaddress bademailaddress",
    ),
    **spell(
        SuppressionReason.COMPLAINT,
        "complaint complaints complained spam spamcomplaint spamcomplaints spamreport spamreports "
        "abuse abusereport markedasspam contactflaggedasspam",
    ),
    **spell(
        SuppressionReason.UNSUBSCRIBE,
        "unsubscribe unsubscribes unsubscribed unsub optout optedout globalunsubscribe groupunsubscribe "
        "listunsubscribe unsubscribedviaemail unsubscribedviama unsubscribedviaapi",
    ),
    **spell(
        SuppressionReason.MANUAL,
        "manual manualsuppression manuallyadded manuallydeactivated custom "
        "admin adminblocked blocked blocklisted blacklisted denylisted",
    ),
    **spell(
        NO_REASON,
        "softbounce softbounces softbounced transient temporary deferred delayed block blocks sent delivered opened "
        "firstopening clicked subscribed invalidsender unsigned rule testmodelimit error loadedbyproxy autoresponder "
        # A filter refused the mail, and no person complained.
        "spamnotification",
    ),
}
# Brevo's channel of transactional mail; all others that name email are campaigns, from which one opts out.
TRANSACTIONAL = "transactional"
YES = frozenset({"1", "true", "yes", "y", "t"})
NO = frozenset({"0", "false", "no", "n", "f"})

SECONDS = re.compile(r"\d{9,10}(?:\.\d+)?")
MILLISECONDS = re.compile(r"\d{13}")
DAY_FIRST = re.compile(r"(\d\d)-(\d\d)-(\d{4})(.*)")
# Mailgun writes the year 1 for an unknown time.
FIRST_YEAR = 1970


def read_moment(text: str) -> datetime | None:
    """A time as services write it, in UTC where it has no offset. Raises TimeError.

    None if it is empty or before 1970.
    """
    if not text:
        return None
    try:
        moment = parse_moment(text)
    except (ValueError, OverflowError, TypeError):
        raise TimeError("invalid_time", "Must be a time, such as 2030-01-31T12:00:00Z.") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        return None
    return moment if moment.year >= FIRST_YEAR else None


def parse_moment(text: str) -> datetime:
    """The first form that fits. Raises ValueError or TypeError."""
    if SECONDS.fullmatch(text):
        return datetime.fromtimestamp(float(text), UTC)
    if MILLISECONDS.fullmatch(text):
        return datetime.fromtimestamp(int(text) / 1000, UTC)
    text = re.sub(r" (?:UTC|GMT)\Z", "Z", text) if text[:1].isdigit() else text
    if found := DAY_FIRST.fullmatch(text):
        text = f"{found[3]}-{found[2]}-{found[1]}{found[4]}"
    for parse in (parse_time, datetime.fromisoformat):
        try:
            return parse(text)
        except ValueError:
            continue
    if (date := read_mail_date(text)) is None:
        raise ValueError("no date")
    return date


def assign_roles(cells: Iterable[tuple[str, str]]) -> dict[str, str]:
    """A line's values by the meaning of their columns; of two columns with the same meaning the first value counts.

    An empty value says something in one column alone: whoever is blocked nowhere.
    """
    values: dict[str, str] = {}
    for name, value in cells:
        role = ROLES.get(name)
        if role and (value or role == "blocklisted"):
            values.setdefault(role, value)
    return values
