"""`/api/v1/templates/{id or alias}/test`. It accepts mail, so it is in this package, not in `templates_app`."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.acting_for import Caller
from accounts.idempotent_views import idempotent
from accounts.permissions import require_scope
from accounts.scopes import EMAILS_SEND, TEMPLATES_WRITE
from accounts.viewsets import ProjectView
from common.addresses import Address
from common.serializers import StrictIntegerField
from messages.accepting.admission import Admission
from messages.accepting.draft import Draft
from messages.api.accepting_views import count_one
from messages.api.fields import AddressListField, LenientSerializer, SenderField
from messages.api.responses import EmailRow
from messages.api.views import accepted
from messages.services import PreparedEmails, upload_and_prepare
from templates_app.models import Template
from templates_app.publishing import find_version
from templates_app.serializers import LocaleField
from templates_app.services import PreviewOptions, RenderedContent, find_template, preview_template
from templates_app.unsubscribe_placeholder import has_placeholder


class TemplateTestRequest(LenientSerializer):
    """The recipients and variables of a template test."""

    aliases: ClassVar = {"from": "from_"}

    to = AddressListField(help_text="1 to 50.")
    template_vars = serializers.DictField(required=False)
    locale = LocaleField(required=False)
    version = StrictIntegerField(
        required=False, min_value=1, max_value=2**31 - 1, help_text="A published version. Default: the draft."
    )
    from_ = SenderField(required=False, help_text="`from` is accepted too. Default: the default sender.")


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateTest:
    """The recipients and variables of a template test. `version` None means the present draft."""

    to: Sequence[Address]
    variables: Mapping[str, Any] = field(default_factory=dict)
    locale: str = ""
    version: int | None = None
    from_: Address | None = None


def prepare_template_test(key: Caller, template: Template, template_test: TemplateTest) -> PreparedEmails:
    """Render and check the test email. Raises the errors of `preview_template` and `Admission.admit`."""
    options = PreviewOptions(number=template_test.version, locale=template_test.locale, is_mail=True)
    content = preview_template(template, template_test.variables, options)
    admitted = Admission(key).admit(write_draft(content, template_test))
    # A draft has no version.
    version = find_version(template, template_test.version) if template_test.version is not None else None
    named = replace(admitted, template_id=template.pk, template_version_id=version.pk if version else None)
    return upload_and_prepare(key, [named])


def write_draft(content: RenderedContent, template_test: TemplateTest) -> Draft:
    """Build an email draft from rendered content. An unsubscribe link in the template works in the test too."""
    html, text = content.html or "", content.text or ""
    return Draft(
        from_=template_test.from_,
        to=template_test.to,
        subject=content.subject,
        html=html,
        text=text,
        locale=template_test.locale,
        enable_unsubscribe=has_placeholder(html) or has_placeholder(text),
    )


class TemplateTestView(ProjectView):
    """Sends a template test. It is real mail, so the key needs `emails:send` beside `templates:write`."""

    scopes: ClassVar = {"post": TEMPLATES_WRITE}
    is_for_test_keys = True
    bodies = {"post": TemplateTestRequest}
    located = frozenset({"post"})
    unaudited = frozenset({"post"})
    metered = {"post": count_one}

    @extend_schema(operation_id="test_template", responses={202: EmailRow})
    @idempotent
    def post(self, request: Request, ref: str) -> Generator[None, None, Response]:
        """Send the draft or a published version as one email. Suppressions and the key's limits apply."""
        template = find_template(self.project, ref)
        require_scope(request, EMAILS_SEND)
        fields = self.read_body()
        template_test = TemplateTest(
            to=fields["to"],
            variables=fields.get("template_vars", {}),
            locale=fields.get("locale", ""),
            version=fields.get("version"),
            from_=fields.get("from_"),
        )
        prepared = prepare_template_test(self.key, template, template_test)
        yield
        return accepted(prepared.store()[0])
