"""The table of settings in docs/settings.md: `python -m emailsvc.settings_table` prints it from `environment.py`."""

import sys
from datetime import timedelta

from pydantic_core import PydanticUndefined

from emailsvc.environment import Environment
from emailsvc.observability_settings import ObservabilitySettings
from emailsvc.sign_in_settings import SignInSettings

HEADER = "| variable | default | meaning |\n|---|---|---|\n"


# Parts of the table that pydantic puts first.
LAST = SignInSettings.model_fields.keys() | ObservabilitySettings.model_fields.keys()


def build_table() -> str:
    """One row per environment variable, in Markdown, with a final line end."""
    rows = (
        f"| `{name}` | {spell_default(field.default)} | {field.description} |\n"
        for name, field in sorted(Environment.model_fields.items(), key=lambda item: item[0] in LAST)
    )
    return HEADER + "".join(rows)


def spell_default(value: object) -> str:
    """A default as written in the environment."""
    if value is PydanticUndefined:
        return "required"
    text = spell(value)
    return f"`{text}`" if text else ""


def spell(value: object) -> str:
    match value:
        case timedelta():
            return f"{value.total_seconds():g}"
        case list() | tuple():
            return ",".join(spell(part) for part in value)
        case bool():
            return str(value).lower()
    return str(value)


if __name__ == "__main__":
    sys.stdout.write(build_table())
