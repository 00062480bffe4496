"""The settings of traces and error reports: a part of `environment.Environment`."""

from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings


class ObservabilitySettings(BaseSettings):
    """Traces by OpenTelemetry, and errors to Sentry: both are extras."""

    OTEL_EXPORTER_OTLP_ENDPOINT: str = Field(
        default="",
        description="Collector that gets traces over OTLP/HTTP, `http://otel:4318`; other variables of OpenTelemetry "
        "hold too. Empty: no traces. Needs `./run install otel`.",
    )
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: str = Field(
        default="", description="The same for traces alone, with the whole path: `http://otel:4318/v1/traces`."
    )
    OTEL_SDK_DISABLED: bool = Field(default=False, description="Turns traces off.")
    SENTRY_DSN: str = Field(
        default="",
        description="Where errors are reported to in Sentry's form: their kind and place, no text, no mail. Empty: "
        "nowhere. Needs `./run install sentry`.",
    )
    SENTRY_ENVIRONMENT: str = Field(
        default="production", description="The environment that these errors are told under."
    )

    @field_validator("SENTRY_DSN")
    @classmethod
    def check_dsn(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and not (parts.scheme in {"http", "https"} and parts.username and parts.path.strip("/")):
            raise ValueError("must be https://KEY@HOST/PROJECT")
        return value

    @property
    def wants_traces(self) -> bool:
        has_target = self.OTEL_EXPORTER_OTLP_ENDPOINT or self.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT
        return bool(has_target) and not self.OTEL_SDK_DISABLED
