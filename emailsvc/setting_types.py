"""Types of settings: how the text of an environment variable is read."""

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode


def split_commas(value: object) -> object:
    """`"a, b"` → `["a", "b"]`; what is a list already stays."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def split_networks(value: object) -> object:
    """As `split_commas`; `none` gives an empty list where the default has entries."""
    return [] if value == "none" else split_commas(value)


def from_seconds(value: object) -> object:
    """`"60"` → `timedelta(seconds=60)`."""
    return timedelta(seconds=float(value)) if isinstance(value, str | int | float) else value


def build_limits(lock: float, statement: float, idle: float) -> tuple[timedelta, timedelta, timedelta]:
    """Limits in seconds."""
    return timedelta(seconds=lock), timedelta(seconds=statement), timedelta(seconds=idle)


Words = Annotated[list[str], NoDecode, BeforeValidator(split_commas)]
Networks = Annotated[list[IPv4Network | IPv6Network], NoDecode, BeforeValidator(split_networks)]
Seconds = Annotated[timedelta, BeforeValidator(from_seconds), Field(gt=timedelta(0))]
Limit = Annotated[timedelta, BeforeValidator(from_seconds), Field(ge=timedelta(0))]
TimeLimits = Annotated[tuple[Limit, Limit, Limit], NoDecode, BeforeValidator(split_commas)]
SecondsList = Annotated[list[Seconds], NoDecode, BeforeValidator(split_commas), Field(min_length=1)]
