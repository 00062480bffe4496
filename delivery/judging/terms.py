"""The terms of a judgement: the party that refused, the reason, and the subject of the refusal."""

from enum import StrEnum


class Speaker(StrEnum):
    """The party whose words are judged."""

    RELAY = "relay"  # our SMTP relay, in the conversation
    ESP = "esp"  # our ESP, in the answer to a call of its API
    SERVER = "server"  # the recipient's own server, in the conversation
    REPORT = "report"  # a bounce mail or an ESP's event, which tells of a server that we did not hear


class About(StrEnum):
    """The subject of a refusal."""

    RECIPIENT = "recipient"  # this mailbox, or a domain without mail
    SERVER = "server"  # the recipient's server or domain: its faults, its policy
    MESSAGE = "message"
    IDENTITY = "identity"  # ours: IP address, domain, authentication, reputation
    PROVIDER = "provider"  # our relay or ESP: its login, its limits, its faults


class Reason(StrEnum):
    """The reason of a refusal or of another report. `HARD` holds the reasons that make an address invalid."""

    NO_SUCH_USER = "no_such_user"
    HOST_UNKNOWN = "host_unknown"
    NO_MAIL_SERVICE = "no_mail_service"  # the domain exists but does not accept mail, such as with a null MX (RFC 7505)
    MOVED = "moved"
    MAILBOX_FULL = "mailbox_full"
    DISABLED = "disabled"  # the mailbox exists but is closed, perhaps temporarily
    FILTERED = "filtered"  # rejected by rules of the recipient or of a group
    SENDER_REJECTED = "sender_rejected"
    AUTHENTICATION = "authentication"  # SPF, DKIM, DMARC
    LOGIN = "login"  # a login or encryption is required, or the login is wrong
    RELAYING = "relaying"
    BLOCKED = "blocked"  # our host or network: block list, reputation, reverse DNS
    GREYLISTED = "greylisted"
    SPAM = "spam"
    VIRUS = "virus"
    CONTENT = "content"
    POLICY = "policy"
    TOO_BIG = "too_big"
    TOO_MANY = "too_many"  # too many connections, recipients or messages
    NETWORK = "network"
    EXPIRED = "expired"  # the reporting host has given up or still retries
    SYSTEM = "system"
    PROTOCOL = "protocol"
    COMPLAINT = "complaint"
    DELIVERED = "delivered"
    VACATION = "vacation"
    UNKNOWN = "unknown"


HARD = frozenset({Reason.NO_SUCH_USER, Reason.HOST_UNKNOWN, Reason.NO_MAIL_SERVICE, Reason.MOVED})
