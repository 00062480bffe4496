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
    """Any of several values may be the right one: each project that uses the domain has its own."""
    answer = resolver.look_up(record.name, record.type)
    if verdict := judge_absence(record, answer, resolver):
        return verdict
    if record.value in (value.strip() for value in answer.values):
        return RecordVerdict(status=RecordStatus.OK, found=answer.values)
    if any(record.value in value for value in answer.values):
        advice = "The value has more around it, such as quotation marks. Leave only the value shown."
    else:
        advice = f"{record.name} holds other values. Add the value shown; those of other projects may stay."
    return RecordVerdict(status=RecordStatus.WRONG, found=answer.values, advice=advice)


def judge_dkim(record: ExpectedRecord, resolver: Resolver) -> RecordVerdict:
    """One record with our key. With several the result of every signature is undefined (RFC 6376, 3.6.2.2)."""
    answer = resolver.look_up(record.name, record.type)
    if verdict := judge_absence(record, answer, resolver):
        return verdict
    keys = [
        DkimRecord(value=value, tags=parse_tags(value), expected=parse_tags(record.value)) for value in answer.values
    ]
    faults = [explain_key_fault(key) for key in keys]
    if not all(faults) and len(faults) > 1:
        advice = "There are several TXT records at this name, which makes them all void. Leave only the one shown."
        return RecordVerdict(status=RecordStatus.SEVERAL, found=answer.values, advice=advice)
    if fault := faults[0]:
        return RecordVerdict(status=RecordStatus.WRONG, found=answer.values, advice=fault)
    advice = ""
    if "y" in list_flags(keys[0].tags, "t"):
        advice = "The record says t=y (testing): receivers may treat signed mail as unsigned. Remove that tag."
    return RecordVerdict(status=RecordStatus.OK, found=answer.values, advice=advice)


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimRecord:
    """A published DKIM key record beside the tags that it should have."""

    value: str
    tags: Tags
    expected: Tags


def explain_key_fault(key: DkimRecord) -> str:
    """What is wrong with a key record, or nothing when it serves. Order and white space do not matter."""
    return next((advice for is_faulty, advice in KEY_FAULTS if is_faulty(key)), "")


# The first fault that applies is the one to tell.
KEY_FAULTS: tuple[tuple[Callable[[DkimRecord], bool], str], ...] = (
    (lambda key: '"' in key.value, "The value contains quotation marks. Enter it without them."),
    (lambda key: "\\" in key.value, "The value contains backslashes. Enter it without them."),
    (lambda key: "p" not in key.tags, "This is not a DKIM key record. Replace it by the value shown."),
    (lambda key: not key.tags["p"], "The key is revoked (p= is empty). Replace the record by the value shown."),
    (
        lambda key: key.tags["p"] != key.expected["p"] and key.expected["p"].startswith(key.tags["p"]),
        "The key is cut off. A string in a TXT record holds 255 characters: enter the value in several strings, "
        "or let your DNS provider split it.",
    ),
    (
        lambda key: key.tags["p"] != key.expected["p"],
        "This is another key. Replace the record by the value shown.",
    ),
    (
        lambda key: key.tags.get("k", "rsa") != key.expected.get("k", "rsa"),
        "The tag k= names another type of key. Replace the record by the value shown.",
    ),
    (
        # RFC 6376, 3.6.1: the tag v= may be left out, but where it stands it is the first and reads DKIM1.
        lambda key: "v" in key.tags and (next(iter(key.tags)) != "v" or key.tags["v"] != "DKIM1"),
        "The record does not begin with v=DKIM1. Replace it by the value shown.",
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
    """A policy at the domain, or at a name above that covers it. Which policy it is, is the owner's choice."""
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
        advice = f"{name} holds several DMARC policies, which makes them all void (RFC 7489, 6.6.3). Leave one."
        return RecordVerdict(status=RecordStatus.SEVERAL, found=policies, advice=advice)
    if parse_tags(policies[0]).get("p", "").lower() not in POLICIES:
        advice = f"The policy at {name} has no valid p= tag. Write p=none, p=quarantine or p=reject."
        return RecordVerdict(status=RecordStatus.WRONG, found=policies, advice=advice)
    advice = f"The policy at {name} covers this domain: nothing to publish." if is_inherited else ""
    return RecordVerdict(status=RecordStatus.OK, found=policies, advice=advice)


def judge_stray(values: tuple[str, ...]) -> RecordVerdict:
    advice = "None of the values at this name begins with v=DMARC1. Publish the value shown."
    return RecordVerdict(status=RecordStatus.WRONG, found=values, advice=advice)


def parse_tags(value: str) -> Tags:
    """`"v=DKIM1; p=AB CD"` → `{"v": "DKIM1", "p": "ABCD"}`: a tag list (RFC 6376, 3.2) with the white space taken out.

    What is no tag is left out: judging the rest says more to a reader than refusing the whole.
    """
    pairs = (part.partition("=") for part in value.split(";"))
    return {name.strip(): "".join(text.split()) for name, equals, text in pairs if equals}


def list_flags(tags: Tags, name: str) -> list[str]:
    """The parts of a tag such as `h=sha1:sha256`."""
    return [part for part in tags.get(name, "").split(":") if part]
