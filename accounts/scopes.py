"""The scopes of API keys: those of a project's keys (`ALL`), and `ADMIN`, which is an installation key's only one."""

from typing import Final

EMAILS_SEND: Final = "emails:send"
# For `priority: critical`, beside EMAILS_SEND.
EMAILS_SEND_CRITICAL: Final = "emails:send:critical"
EMAILS_READ: Final = "emails:read"
EVENTS_READ: Final = "events:read"
STATS_READ: Final = "stats:read"
TEMPLATES_READ: Final = "templates:read"
TEMPLATES_WRITE: Final = "templates:write"
DOMAINS_READ: Final = "domains:read"
DOMAINS_WRITE: Final = "domains:write"
SUPPRESSIONS_READ: Final = "suppressions:read"
SUPPRESSIONS_WRITE: Final = "suppressions:write"
WEBHOOKS_READ: Final = "webhooks:read"
WEBHOOKS_WRITE: Final = "webhooks:write"
PROVIDERS_READ: Final = "providers:read"
PROVIDERS_WRITE: Final = "providers:write"
STREAMS_READ: Final = "streams:read"
STREAMS_WRITE: Final = "streams:write"
# Erases addresses, which nothing undoes, and reads what was erased when.
ERASURES_WRITE: Final = "erasures:write"
REQUESTS_READ: Final = "requests:read"
# For /api/v1/admin: the key belongs to the installation, to no project.
ADMIN: Final = "admin"

# The scopes that a project's key can have.
ALL: Final = frozenset(
    {
        EMAILS_SEND,
        EMAILS_SEND_CRITICAL,
        EMAILS_READ,
        EVENTS_READ,
        STATS_READ,
        TEMPLATES_READ,
        TEMPLATES_WRITE,
        DOMAINS_READ,
        DOMAINS_WRITE,
        SUPPRESSIONS_READ,
        SUPPRESSIONS_WRITE,
        WEBHOOKS_READ,
        WEBHOOKS_WRITE,
        PROVIDERS_READ,
        PROVIDERS_WRITE,
        STREAMS_READ,
        STREAMS_WRITE,
        ERASURES_WRITE,
        REQUESTS_READ,
    }
)

KNOWN: Final = ALL | {ADMIN}

# Test keys use the project's templates, domains and streams, and change none; providers are not for them at all. An
# erasure reaches live mail.
NOT_FOR_TEST_KEYS: Final = frozenset(
    {TEMPLATES_WRITE, DOMAINS_WRITE, STREAMS_WRITE, PROVIDERS_READ, PROVIDERS_WRITE, ERASURES_WRITE}
)

# A view that declares this needs a key, but no scope.
NO_SCOPE: Final = ""
