"""The settings of sign-ins to the admin: a part of `environment.Environment`."""

from datetime import timedelta
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from emailsvc.setting_types import Limit, Networks, Words

# The names of `accounts.people.roles.Role`, which cannot be imported before the settings are read.
ROLES = ("support", "developer", "operator", "owner")


class SignInSettings(BaseSettings):
    """Sessions, second factors and single sign-on."""

    SECOND_FACTOR_ROLES: Words = Field(
        default=[],
        description="Roles that need a second factor to sign in, `operator,owner`; superusers count as owners. Others "
        "may set one up.",
    )
    OIDC_ISSUER: str = Field(
        default="",
        description="Issuer of OpenID Connect for single sign-on, exactly as it calls itself: "
        "`https://id.example.com/realms/staff`. Its redirect URI is PUBLIC_URL with `/admin/login/sso/back/`.",
    )
    OIDC_CLIENT_ID: str = Field(default="", description="The client's id at the issuer.")
    OIDC_CLIENT_SECRET: str = Field(default="", description="The client's secret at the issuer.")
    OIDC_EMAIL_DOMAINS: Words = Field(
        default=[], description="Domains of the addresses that may sign in so the first time; empty: all."
    )
    OIDC_DEFAULT_ROLE: str = Field(
        default="", description="Role of people whom the issuer knows and this service does not. Empty: refuse them."
    )
    OIDC_DEFAULT_PROJECT: str = Field(
        default="", description="Name of the project in which that role holds. Empty: the whole installation."
    )
    OIDC_ALLOWED_NETWORKS: Networks = Field(
        default=[], description="Private networks in which the issuer may be, `10.1.0.0/16`."
    )
    SESSION_IDLE_SECONDS: Limit = Field(
        default=timedelta(hours=2),
        description="Time after which a session of the admin ends when nobody uses it; 0: only twelve hours after the "
        "sign-in.",
    )

    BREACHED_PASSWORDS_FILE: str = Field(
        default="",
        description="File of breached passwords, which nobody may choose: their SHA-1 hashes in order, a line each, as "
        "Pwned Passwords has them. Empty: only the 20,000 most common passwords are refused.",
    )

    @field_validator("SECOND_FACTOR_ROLES")
    @classmethod
    def check_second_factor_roles(cls, value: list[str]) -> list[str]:
        if unknown := sorted(set(value) - set(ROLES)):
            raise ValueError(f"{unknown[0]} is not a role: {', '.join(ROLES)}")
        return value

    @field_validator("OIDC_DEFAULT_ROLE")
    @classmethod
    def check_default_role(cls, value: str) -> str:
        return cls.check_second_factor_roles([value])[0] if value else value

    @field_validator("OIDC_ISSUER")
    @classmethod
    def check_issuer(cls, value: str) -> str:
        parts = urlsplit(value)
        is_local = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"}
        if value and not (parts.hostname and (parts.scheme == "https" or is_local)):
            raise ValueError("must be https://…")
        return value
