"""Trials: a template sent as mail to those who judge it, before anybody else gets it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from accounts.acting_for import Caller
from common.addresses import Address
from messages.accepting.admission import Admission
from messages.accepting.draft import Draft
from messages.sending.personalisation import PLACEHOLDER
from messages.services import Prepared, finish
from templates_app.models import Template
from templates_app.publishing import find_version
from templates_app.services import Content, preview_template


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Who gets a template, and filled in with what. `version` None is the draft as it is now."""

    to: Sequence[Address]
    variables: Mapping[str, Any] = field(default_factory=dict)
    version: int | None = None
    from_: Address | None = None


def prepare_trial(key: Caller, template: Template, trial: Trial) -> Prepared:
    """The email, checked like any other: errors as of `preview_template` and `Admission.admit`."""
    content = preview_template(template, trial.variables, number=trial.version, is_mail=True)
    admitted = Admission(key).admit(write_draft(content, trial))
    # A draft has no version to name.
    version = find_version(template, trial.version) if trial.version is not None else None
    named = replace(admitted, template_id=template.pk, template_version_id=version.pk if version else None)
    return finish(key, [named])


def write_draft(content: Content, trial: Trial) -> Draft:
    """The content as mail. A way to unsubscribe that the author wrote works: that it does is to be judged too."""
    html, text = content.html or "", content.text or ""
    return Draft(
        from_=trial.from_,
        to=trial.to,
        subject=content.subject,
        html=html,
        text=text,
        enable_unsubscribe=bool(PLACEHOLDER.search(html) or PLACEHOLDER.search(text)),
    )
