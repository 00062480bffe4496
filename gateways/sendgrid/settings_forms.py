"""SendGrid's `mail_settings` and `tracking_settings`: those that we have, and those that can only be off."""

from collections.abc import Mapping
from typing import Any

from gateways.compat.rewriting import reject

# A setting of tracking → our field.
TRACKED: Mapping[str, str] = {
    "click_tracking": "track_clicks",
    "open_tracking": "track_opens",
    "subscription_tracking": "enable_unsubscribe",
}
# Members that change nothing here: links of the text part are never tracked, the pixel stands at the end.
IDLE: Mapping[str, frozenset[str]] = {"click_tracking": frozenset({"enable_text"})}
SANDBOX = "sandbox_mode"
MAIL = frozenset(
    {
        SANDBOX,
        "bcc",
        "bypass_list_management",
        "bypass_spam_management",
        "bypass_bounce_management",
        "bypass_unsubscribe_management",
        "footer",
        "spam_check",
    }
)


def read_switch(settings: Mapping[str, Any], group: str, name: str) -> bool:
    """Whether a setting is on. Raises InvalidFieldsError for one that is no switch."""
    given = settings.get(name)
    if given is None:
        return False
    flag = given.get("enable", False) if isinstance(given, Mapping) else None
    if not isinstance(flag, bool | None) or not isinstance(given, Mapping):
        reject(f"{group}.{name}", "Must be an object with enable, true or false.")
    return bool(flag)


def read_group(given: object, group: str, known: Mapping[str, str] | frozenset[str]) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        reject(group, "Must be an object.")
    if unknown := [name for name in given if name not in known]:
        reject(f"{group}.{unknown[0][:100]}", "Unknown setting.", "unknown_field")
    return given


def write_tracking(given: object) -> dict[str, Any]:
    """Our fields of tracking. Members with content, such as a text for the unsubscribe link, are refused."""
    group = "tracking_settings"
    known = {**TRACKED, "ganalytics": ""}
    settings = read_group(given, group, known)
    if read_switch(settings, group, "ganalytics"):
        reject(f"{group}.ganalytics", "Links are not changed for Google Analytics here.", "not_supported")
    written: dict[str, Any] = {}
    for name, field in TRACKED.items():
        is_on = read_switch(settings, group, name)
        if not settings.get(name):
            continue
        extra = {key for key, value in settings[name].items() if value not in (None, "")} - {"enable"}
        if is_on and (extra := extra - IDLE.get(name, frozenset())):
            reject(f"{group}.{name}.{min(extra)[:100]}", "Is not supported here.", "not_supported")
        # An opt-out that is off is left to the stream.
        if is_on or name != "subscription_tracking":
            written[field] = is_on
    return written


def is_sandboxed(given: object) -> bool:
    """Whether the email is only checked. Raises InvalidFieldsError for any other setting that is on."""
    if given is None:
        return False
    settings = read_group(given, "mail_settings", MAIL)
    for name in sorted(MAIL - {SANDBOX}):
        if read_switch(settings, "mail_settings", name):
            reject(f"mail_settings.{name}", "Is not supported here, and must be off.", "not_supported")
    return read_switch(settings, "mail_settings", SANDBOX)
