"""What a pause is about: reads `value` (an id, a name, an alias, a key's prefix or a domain) by kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from accounts.models import ApiKey, Project, Stream
from common.addresses import AddressError, parse_address
from common.errors import FieldError, InvalidFieldsError
from common.ids import parse_id
from domains.domain_names import FOREIGN
from messages.models import Message
from messages.pause_models import SHARED_KINDS, PauseKind
from providers.models import Provider
from templates_app.models import Template

MAX_TAG = 255


@dataclass(frozen=True, slots=True)
class PauseValue:
    """A value in its stored form, and as people know it."""

    value: str
    label: str


def read_value(project: Project | None, kind: PauseKind, text: str) -> PauseValue:
    """Raises InvalidFieldsError with the codes `project_required`, `unknown_value` or `invalid_domain`."""
    if project is None and kind not in SHARED_KINDS:
        message = f"A pause of the kind {kind} needs a project; only domains and providers can be paused for all."
        raise InvalidFieldsError([FieldError("project_id", "project_required", message)])
    # Mail keeps the blanks of its tags.
    return READERS[kind](project, text if kind is PauseKind.TAG else text.strip())


def unknown(kind: str) -> InvalidFieldsError:
    return InvalidFieldsError([FieldError("value", "unknown_value", f"There is no such {kind}.")])


def read_project(project: Project | None, text: str) -> PauseValue:
    assert project is not None
    if text and project.pk != parse_id(text) and project.name != text:
        raise unknown("project with this id")
    return PauseValue(str(project.pk), project.name)


def read_row(model: Any, name: str, **current: None) -> Callable[[Project | None, str], PauseValue]:
    """A reader of a row of the project by its id, or by `name` where it is `current`; of two rows, neither is meant.

    A name may have the form of an id, but an id comes first.
    """

    def read(project: Project | None, text: str) -> PauseValue:
        rows = model.objects.filter(project=project)
        pk = parse_id(text)
        found = list(rows.filter(pk=pk)) if pk else []
        # PostgreSQL takes no NUL.
        if not found and text and "\x00" not in text:
            found = list(rows.filter(**{name: text}, **current)[:2])
        if len(found) != 1:
            raise unknown(model._meta.verbose_name)
        return PauseValue(str(found[0].pk), str(found[0]))

    return read


def read_stream(project: Project | None, text: str) -> PauseValue:
    value = read_row(Stream, "name")(project, text)
    # Messages hold the name, which outlives the stream.
    return PauseValue(value.label, value.label)


def read_tag(_project: Project | None, text: str) -> PauseValue:
    if not text or len(text) > MAX_TAG or "\x00" in text:
        raise InvalidFieldsError([FieldError("value", "invalid", f"A tag has 1 to {MAX_TAG} characters.")])
    return PauseValue(text, text)


def read_batch(project: Project | None, text: str) -> PauseValue:
    pk = parse_id(text)
    if pk is None or not Message.objects.filter(project=project, batch_id=pk).exists():
        raise unknown("group of emails")
    return PauseValue(str(pk), str(pk))


def read_domain(_project: Project | None, text: str) -> PauseValue:
    bare = text.removesuffix(".")
    try:
        name = "" if FOREIGN.search(bare) else parse_address(f"postmaster@{bare}").domain
    except AddressError:
        name = ""
    if not name:
        raise InvalidFieldsError([FieldError("value", "invalid_domain", "Must be a domain name: example.com.")])
    return PauseValue(name, name)


READERS: Mapping[PauseKind, Callable[[Project | None, str], PauseValue]] = {
    PauseKind.PROJECT: read_project,
    PauseKind.KEY: read_row(ApiKey, "prefix"),
    PauseKind.STREAM: read_stream,
    PauseKind.TEMPLATE: read_row(Template, "alias", deleted_at=None),
    PauseKind.TAG: read_tag,
    PauseKind.BATCH: read_batch,
    PauseKind.SENDER_DOMAIN: read_domain,
    PauseKind.RECIPIENT_DOMAIN: read_domain,
    PauseKind.PROVIDER: read_row(Provider, "name"),
}
