"""Every setting that the environment can give, typed, with its default: the one table of configuration.

A wrong value stops the process at start with the variable's name. An empty variable counts as unset. docs/settings.md
prints this table; a test holds the two together.
"""

import sys
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from pydantic import BeforeValidator, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def split_commas(value: object) -> object:
    """`"a, b"` → `["a", "b"]`; what is a list already stays."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def split_networks(value: object) -> object:
    """As `split_commas`; `none` is the way to say that there are none where a default opens some."""
    return [] if value == "none" else split_commas(value)


def from_seconds(value: object) -> object:
    """`"60"` → `timedelta(seconds=60)`."""
    return timedelta(seconds=float(value)) if isinstance(value, str | int | float) else value


Words = Annotated[list[str], NoDecode, BeforeValidator(split_commas)]
Networks = Annotated[list[IPv4Network | IPv6Network], NoDecode, BeforeValidator(split_networks)]
Seconds = Annotated[timedelta, BeforeValidator(from_seconds), Field(gt=timedelta(0))]
SecondsList = Annotated[list[Seconds], NoDecode, BeforeValidator(split_commas), Field(min_length=1)]


class Environment(BaseSettings):
    """The environment, read once at start."""

    model_config = SettingsConfigDict(env_ignore_empty=True, case_sensitive=True, frozen=True, extra="ignore")

    DATABASE_URL: str = Field(
        description="PostgreSQL 15 or newer, as a libpq URL. `./run` sets it to the embedded server."
    )
    REDIS_URL: str = Field(
        description="Redis or Valkey: `redis://…`, `rediss://…` or `unix://…`. `./run` sets it to the embedded server."
    )
    SECRET_KEY: str = Field(min_length=32, description="Signs sessions and tracking tokens. `./run` generates one.")
    ENCRYPTION_KEYS: Words = Field(
        min_length=1, description="Fernet keys for secrets at rest, newest first. `./run` generates one."
    )
    BROKER_URL: str = Field(default="", description="Celery's broker, when it is not Redis: `amqp://…`.")
    PUBLIC_URL: str = Field(
        default="http://127.0.0.1:8000", description="Where people and mail reach this service, without a path."
    )
    SERVICE_RUN_ID: str = Field(
        default="",
        description="A word that servers repeat in `/readyz` and in SMTP greetings: the program that started them "
        "knows them by it. `./run` makes one for each run.",
    )
    ALLOWED_HOSTS: Words = Field(default=[], description="More host names to answer to, beside PUBLIC_URL's.")
    PROVIDER_URL: str = Field(
        default="",
        description="The shared way out: `smtp://user:password@host:587`, `smtps://…`, `mx:` for direct "
        "delivery, `esp://postmark?server_token=…`, `inbox://127.0.0.1:2525`. "
        "`./run` sets it to the embedded inbox.",
    )
    TRUSTED_SENDER_DOMAINS: Words = Field(
        default=[], description="Sender domains that need no verification, for smarthosts; `*` for all."
    )
    TRUSTED_PROXIES: Networks = Field(
        default=[], description="Networks whose `X-Forwarded-For` and `X-Forwarded-Proto` count."
    )
    REPORT_DOMAIN: str = Field(
        default="",
        description="Domain whose mail reaches `run_report_listener`: bounces of mail from domains without a return "
        "path of their own go there.",
    )
    NOTICE_FROM: str = Field(
        default="",
        description="Sender of notices to projects' contacts, `Mail service <mail@example.com>`, whichever domains a "
        "project has verified. Left out: the project's own default sender.",
    )
    DNS_SERVERS: Words = Field(
        default=[], description="Name servers to ask, `address` or `address:port`. Left out: those of the machine."
    )
    MX_ALLOWED_NETWORKS: Networks = Field(
        default=[],
        description="Networks that are not public where direct delivery (`mx:`) may find mail exchangers all the same.",
    )
    PROVIDER_ALLOWED_NETWORKS: Networks = Field(
        default=[],
        description="Networks that are not public where providers made by the API may be all the same. `./run` opens "
        "loopback; `none` closes it. Providers of PROVIDER_URL, of commands and of the admin may be anywhere.",
    )
    SMTP_CONVERSATIONS: int = Field(
        default=20, ge=1, le=200, description="SMTP connections that one worker child holds to one provider."
    )
    DELIVER_SECONDS: Seconds = Field(
        default=timedelta(seconds=2), description="How long one delivery task claims due mail before it yields."
    )
    LEASE_SECONDS: Seconds = Field(default=timedelta(seconds=60), description="How long a claim holds without renewal.")
    HEARTBEAT_SECONDS: Seconds = Field(default=timedelta(seconds=15), description="How often claims are renewed.")
    TICK_SECONDS: Seconds = Field(
        default=timedelta(seconds=1), description="How often each worker looks for due mail and lost leases by itself."
    )
    RETRY_SECONDS: SecondsList = Field(
        default=[timedelta(seconds=s) for s in (60, 300, 900, 1800, 3600, 7200, 14400, 28800)],
        description="Waits between tries, ±20 %; the last one repeats.",
    )
    UNCERTAIN_SECONDS: Seconds = Field(
        default=timedelta(seconds=600), description="How long an uncertain attempt waits for feedback before a retry."
    )
    EXPIRY_SECONDS: Seconds = Field(
        default=timedelta(hours=48), description="How long mail is tried when it has no `expires_at`."
    )
    WEBHOOK_ALLOWED_NETWORKS: Networks = Field(
        default=[],
        description="Networks that webhooks may be posted to beside public addresses, `10.1.0.0/16,127.0.0.1/32`: for "
        "receivers on premises. `./run` opens loopback; `none` closes it.",
    )
    WEBHOOK_CONNECTIONS: int = Field(
        default=20, ge=1, le=200, description="Posts under way to one webhook endpoint at once, over all workers."
    )
    WEBHOOK_TIMEOUT_SECONDS: Seconds = Field(
        default=timedelta(seconds=15), description="How long one post to an endpoint may take, answer included."
    )
    WEBHOOK_RETRY_SECONDS: SecondsList = Field(
        default=[timedelta(seconds=s) for s in (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)],
        description="Waits between tries of a webhook, ±20 %; after the last one it has failed.",
    )
    WEBHOOK_DISABLE_SECONDS: Seconds = Field(
        default=timedelta(days=5), description="An endpoint that only fails for this long is disabled."
    )
    WEBHOOK_KEEP_SECONDS: Seconds = Field(
        default=timedelta(days=30), description="How long posts to endpoints stay in the log."
    )
    ATTACHMENT_STORAGE: str = Field(
        default="",
        description="Dotted path of a Django storage class for attachments' bytes. PostgreSQL keeps them by default.",
    )
    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="Least level logged.")
    DEBUG: bool = Field(default=False, description="Django's debug pages. Never on a machine that others reach.")

    @field_validator("PUBLIC_URL")
    @classmethod
    def check_public_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError("must be http:// or https:// with a host and no path")
        return value.rstrip("/")

    @field_validator("DATABASE_URL")
    @classmethod
    def check_database_url(cls, value: str) -> str:
        if not value.startswith(("postgres://", "postgresql://")):
            raise ValueError("must be postgresql://…; PostgreSQL is the only database")
        return value

    @field_validator("ENCRYPTION_KEYS")
    @classmethod
    def check_encryption_keys(cls, value: list[str]) -> list[str]:
        for key in value:
            Fernet(key)
        return value


def read_environment() -> Environment:
    """The checked environment, or exit status 2 with one line per wrong variable on stderr."""
    try:
        return Environment()
    except ValidationError as error:
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"])
            print(f"emailsvc: environment variable {name}: {problem['msg']}", file=sys.stderr)
        raise SystemExit(2) from None
