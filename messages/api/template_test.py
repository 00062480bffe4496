"""`/api/v1/templates/{id or alias}/test`: here and not beside the other views of templates, since it accepts mail."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.permissions import require_scope
from accounts.scopes import EMAILS_SEND, TEMPLATES_WRITE
from common.parsers import read_object
from common.serializers import StrictIntegerField
from messages.api.fields import AddressListField, LenientSerializer, SenderField
from messages.api.queries import NoQuery
from messages.api.responses import EmailRow
from messages.api.serializers import read_fields
from messages.api.trials import Trial, prepare_trial
from messages.api.views import Act, answer_accepted, answer_once, key_of, read_query
from templates_app.services import find_template


class TrialRequest(LenientSerializer):
    """Who gets the template, and filled in with what."""

    aliases: ClassVar = {"from": "from_"}

    to = AddressListField(help_text="1 to 50.")
    template_vars = serializers.DictField(required=False)
    version = StrictIntegerField(
        required=False, min_value=1, max_value=2**31 - 1, help_text="A published version. Left out: the draft."
    )
    from_ = SenderField(required=False, help_text="`from` is accepted too. Left out: the default sender.")


class TemplateTestView(APIView):
    """Sends a draft. It is mail like any other, so the key needs `emails:send` beside `templates:write`."""

    scopes: ClassVar = {"post": TEMPLATES_WRITE}

    @extend_schema(operation_id="test_template", request=TrialRequest, responses={202: EmailRow})
    def post(self, request: Request, ref: str) -> Response:
        """Send the draft, or a published version, as one email. Suppressions and the key's limits hold."""
        read_query(NoQuery, request)

        def prepare() -> Act:
            template = find_template(key_of(request).project, ref)
            require_scope(request, EMAILS_SEND)
            fields = read_fields(TrialRequest, read_object(request))
            trial = Trial(
                to=fields["to"],
                variables=fields.get("template_vars", {}),
                version=fields.get("version"),
                from_=fields.get("from_"),
            )
            prepared = prepare_trial(key_of(request), template, trial)
            return lambda: answer_accepted(prepared.store()[0])

        return answer_once(request, prepare)
