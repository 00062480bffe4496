"""Postmark's test token: emails are checked as far as that needs no project, and nothing is stored or sent.

Source: https://postmarkapp.com/developer/api/overview#authentication.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils import timezone
from rest_framework.request import Request

from accounts.models import Project
from common.errors import ApiError, FieldError, FieldErrors, InvalidFieldsError
from common.ids import new_id
from common.times import format_time
from gateways.postmark.errors import OK, show_error
from gateways.postmark.requests import read_email
from gateways.postmark.viewsets import TOKEN_HEADER, PostmarkViewSet
from messages.accepting.admission import check_headers, fold_recipients

TEST_TOKEN = "POSTMARK_API_TEST"  # noqa: S105  it opens nothing
# Anybody may send it, so it gets less than a key.
MAX_BODY = 1024 * 1024
TRIED = "Test job accepted"


def is_trial(request: Request) -> bool:
    return request.headers.get(TOKEN_HEADER, "").strip(" ") == TEST_TOKEN


class TrialViewSet(PostmarkViewSet):
    """A view that sends, and with the test token only checks: then there is no key, no project and no limit of keys."""

    # Whether the bodies name a template, in place of their content.
    is_templated: ClassVar[bool] = False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if not is_trial(request):
            super().initial(request, *args, **kwargs)
            return
        # The parser asks for the caller: there is none.
        request.authenticators = ()
        self.query = {}
        self.max_body = MAX_BODY

    def try_email(self, data: object) -> dict[str, object]:
        """The answer to one email, as if it had been accepted. Raises InvalidFieldsError."""
        if not isinstance(data, Mapping):
            raise InvalidFieldsError([FieldError("", "invalid", "Must be an object.")])
        # The project of nobody has no streams and no templates.
        draft, errors = read_email(Project(), is_templated=self.is_templated)(data)
        findings = FieldErrors(errors)
        if draft.from_ is None and not any(error.field == "from_" for error in errors):
            findings.add("from_", "required", "A sender is required.")
        with findings.collect():
            fold_recipients(draft)
        with findings.collect():
            check_headers(draft, offers_opt_out=False)
        findings.raise_all()
        copies = {name: data[name] for name in ("Cc", "Bcc") if data.get(name)}
        return {
            "To": data.get("To") or "",
            **copies,
            "SubmittedAt": format_time(timezone.now()),
            "MessageID": str(new_id()),
            "ErrorCode": OK,
            "Message": TRIED,
        }

    def try_item(self, data: object) -> dict[str, object]:
        """The answer to one email of a batch."""
        try:
            return self.try_email(data)
        except ApiError as error:
            return show_error(error)
