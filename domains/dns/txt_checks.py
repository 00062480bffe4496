"""Verdicts on the TXT records: ownership, DKIM keys and the DMARC policy."""

from collections.abc import Callable
from dataclasses import dataclass

from delivery.dns import RecordType
from domains.dns.records import ExpectedRecord
from domains.dns.resolver import Resolver
from domains.dns.verdicts import RecordStatus, RecordVerdict, judge_absence, judge_failure, list_zones

Tags = dict[str, str]
POLICIES = {"none", "quarantine", "reject"}


def judge_ownership(record: ExpectedRecord, resolver: Resolver) -> RecordVerdict:
    """One value must match. Other values are allowed, since each project that uses the domain has its own."""
    answer = resolver.look_up(record.name, record.type)
    if verdict := judge_absence(record, answer, resolver):
        return verdict
    if record.value in (value.strip() for value in answer.values):
        return RecordVerdict(status=RecordStatus.OK, found=answer.values)
    if any(record.value in value for value in answer.values):
        advice = "The value contains extra characters, such as quotation marks. Enter only the value shown."
    else:
        advice = f"{record.name} holds other values. Add the value shown. Values of other projects may stay."
    return RecordVerdict(status=RecordStatus.WRONG, found=answer.values, advice=advice)


def judge_dkim(record: ExpectedRecord, resolver: Resolver) -> RecordVerdict:
    """Exactly one record must hold our key: with several the result is undefined (RFC 6376, 3.6.2.2)."""
    answer = resolver.look_up(record.name, record.type)
    if verdict := judge_absence(record, answer, resolver):
        return verdict
    keys = [
        DkimRecord(value=value, tags=parse_tags(value), expected=parse_tags(record.value)) for value in answer.values
    ]
    faults = [explain_key_fault(key) for key in keys]
    if not all(faults) and len(faults) > 1:
        advice = "There are several TXT records at this name, which invalidates all of them. Keep only the one shown."
        return RecordVerdict(status=RecordStatus.SEVERAL, found=answer.values, advice=advice)
    if fault := faults[0]:
        return RecordVerdict(status=RecordStatus.WRONG, found=answer.values, advice=fault)
    advice = ""
    if "y" in list_flags(keys[0].tags, "t"):
        advice = "The record says t=y (testing): receivers may treat signed mail as unsigned. Remove that tag."
    return RecordVerdict(status=RecordStatus.OK, found=answer.values, advice=advice)


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimRecord:
    """The published and the expected form of a DKIM key record."""

    value: str
    tags: Tags
    expected: Tags


def explain_key_fault(key: DkimRecord) -> str:
    """Advice on the first fault of a key record; `""` when it is correct. Order and white space do not matter."""
    return next((advice for is_faulty, advice in KEY_FAULTS if is_faulty(key)), "")


# The first fault that applies is reported.
KEY_FAULTS: tuple[tuple[Callable[[DkimRecord], bool], str], ...] = (
    (lambda key: '"' in key.value, "The value contains quotation marks. Enter it without them."),
    (lambda key: "\\" in key.value, "The value contains backslashes. Enter it without them."),
    (lambda key: "p" not in key.tags, "This is not a DKIM key record. Replace it with the value shown."),
    (lambda key: not key.tags["p"], "The key is revoked (p= is empty). Replace the record with the value shown."),
    (
        lambda key: key.tags["p"] != key.expected["p"] and key.expected["p"].startswith(key.tags["p"]),
        "The key is truncated. A string in a TXT record holds 255 characters: enter the value as several strings, "
        "or let your DNS provider split it.",
    ),
    (
        lambda key: key.tags["p"] != key.expected["p"],
        "This is a different key. Replace the record with the value shown.",
    ),
    (
        lambda key: key.tags.get("k", "rsa") != key.expected.get("k", "rsa"),
        "The tag k= names a different key type. Replace the record with the value shown.",
    ),
    (
        # RFC 6376, 3.6.1: the tag v= is optional, but if present it must be the first tag and have the value DKIM1.
        lambda key: "v" in key.tags and (next(iter(key.tags)) != "v" or key.tags["v"] != "DKIM1"),
        "The record does not begin with v=DKIM1. Replace it with the value shown.",
    ),
    (
        lambda key: "sha256" not in (list_flags(key.tags, "h") or ["sha256"]),
        "The tag h= does not allow sha256. Remove that tag.",
    ),
    (
        lambda key: not {"email", "*"}.intersection(list_flags(key.tags, "s") or ["*"]),
        "The tag s= does not allow email. Remove that tag.",
    ),
)


def judge_dmarc(record: ExpectedRecord, resolver: Resolver) -> RecordVerdict:
    """A policy must exist at the domain or at a parent that covers it. The owner is free to choose the policy."""
    answers = []
    for zone in list_zones(record.domain):
        answers.append(answer := resolver.look_up(f"_dmarc.{zone}", RecordType.TXT))
        policies = tuple(value for value in answer.values if parse_tags(value).get("v") == "DMARC1")
        if policies:
            return judge_policies(f"_dmarc.{zone}", policies, is_inherited=zone != record.domain)
        if not answer.status.is_definite:
            return judge_failure(record, answer)
    return judge_absence(record, answers[0], resolver) or judge_stray(answers[0].values)


def judge_policies(name: str, policies: tuple[str, ...], *, is_inherited: bool) -> RecordVerdict:
    if len(policies) > 1:
        advice = f"{name} holds several DMARC policies, which invalidates all of them (RFC 7489, 6.6.3). Keep one."
        return RecordVerdict(status=RecordStatus.SEVERAL, found=policies, advice=advice)
    if parse_tags(policies[0]).get("p", "").lower() not in POLICIES:
        advice = f"The policy at {name} has no valid p= tag. Write p=none, p=quarantine or p=reject."
        return RecordVerdict(status=RecordStatus.WRONG, found=policies, advice=advice)
    advice = f"The policy at {name} covers this domain. No record is needed." if is_inherited else ""
    return RecordVerdict(status=RecordStatus.OK, found=policies, advice=advice)


def judge_stray(values: tuple[str, ...]) -> RecordVerdict:
    advice = "No value at this name begins with v=DMARC1. Publish the value shown."
    return RecordVerdict(status=RecordStatus.WRONG, found=values, advice=advice)


def parse_tags(value: str) -> Tags:
    """`"v=DKIM1; p=AB CD"` → `{"v": "DKIM1", "p": "ABCD"}`: a tag list (RFC 6376, 3.2) with white space removed.

    Parts that are not tags are ignored, since a verdict on the other tags helps the owner more than a rejection.
    """
    pairs = (part.partition("=") for part in value.split(";"))
    return {name.strip(): "".join(text.split()) for name, equals, text in pairs if equals}


def list_flags(tags: Tags, name: str) -> list[str]:
    """The values of a tag such as `h=sha1:sha256`."""
    return [part for part in tags.get(name, "").split(":") if part]
