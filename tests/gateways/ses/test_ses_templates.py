"""Templates and the account at SES's door, called by boto3."""

from email import message_from_string
from email.policy import default
from typing import Any

import pytest
from botocore.exceptions import ClientError

from accounts.models import AuditEntry, Project, ProjectLimits
from accounts.signing.pairs import create_signing_pair
from messages.models import Message

pytestmark = pytest.mark.django_db
CONTENT = {"Subject": "Hi {{name}}", "Text": "Hi {{name}}.", "Html": "<p>Hi {{{name}}}.</p>"}


def test_a_template_is_made_sent_changed_and_deleted(ses: Any, project: Project) -> None:
    ses.create_email_template(TemplateName="hello", TemplateContent=CONTENT)
    found = ses.get_email_template(TemplateName="hello")
    assert (found["TemplateName"], found["TemplateContent"]["Html"]) == ("hello", "<p>Hi {{ name }}.</p>")
    sending = {
        "FromEmailAddress": "shop@mine.test",
        "Destination": {"ToAddresses": ["one@rcpt.test"]},
        "Content": {"Template": {"TemplateName": "hello", "TemplateData": '{"name": "<Jo>"}'}},
    }
    ses.send_email(**sending)
    assert Message.objects.get().content.html == "<p>Hi &lt;Jo&gt;.</p>"
    ses.update_email_template(TemplateName="hello", TemplateContent={"Subject": "Hello {{name}}", "Text": "x"})
    ses.send_email(**sending)
    last = Message.objects.order_by("pk").last()
    assert last is not None
    assert last.subject == "Hello <Jo>"
    ses.delete_email_template(TemplateName="hello")
    with pytest.raises(ses.exceptions.NotFoundException):
        ses.get_email_template(TemplateName="hello")
    actions = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["create_template", "change_template", "delete_template"]


def test_templates_are_listed_by_pages(ses: Any) -> None:
    for name in ("a", "b", "c"):
        ses.create_email_template(TemplateName=name, TemplateContent=CONTENT)
    first = ses.list_email_templates(PageSize=2)
    assert [row["TemplateName"] for row in first["TemplatesMetadata"]] == ["c", "b"]
    second = ses.list_email_templates(PageSize=2, NextToken=first["NextToken"])
    assert ([row["TemplateName"] for row in second["TemplatesMetadata"]], "NextToken" in second) == (["a"], False)


def test_a_template_is_rendered_as_a_mail(ses: Any) -> None:
    ses.create_email_template(TemplateName="hello", TemplateContent=CONTENT)
    text = ses.test_render_email_template(TemplateName="hello", TemplateData='{"name": "J\u00f6"}')["RenderedTemplate"]
    mail = message_from_string(text, policy=default)
    assert mail["Subject"] == "Hi J\u00f6"
    assert [part.get_content().strip() for part in mail.iter_parts()] == ["Hi J\u00f6.", "<p>Hi J\u00f6.</p>"]
    with pytest.raises(ses.exceptions.BadRequestException, match="TemplateData"):
        ses.test_render_email_template(TemplateName="hello", TemplateData="{}")


def test_wrong_templates_are_refused(ses: Any, connect: Any, other_api: Any) -> None:
    ses.create_email_template(TemplateName="hello", TemplateContent=CONTENT)
    with pytest.raises(ses.exceptions.AlreadyExistsException):
        ses.create_email_template(TemplateName="hello", TemplateContent=CONTENT)
    for content in ({"Subject": "x", "Html": "{{#if a}}x{{/if}}"}, {"Subject": "x"}, {"Html": "{{ a"}):
        with pytest.raises(ses.exceptions.BadRequestException):
            ses.create_email_template(TemplateName="other", TemplateContent=content)
    with pytest.raises(ses.exceptions.BadRequestException, match="TemplateName"):
        ses.create_email_template(TemplateName="1st", TemplateContent=CONTENT)
    other = connect(create_signing_pair(other_api.key))
    for call in (
        lambda: other.get_email_template(TemplateName="hello"),
        lambda: other.delete_email_template(TemplateName="hello"),
        lambda: other.update_email_template(TemplateName="hello", TemplateContent=CONTENT),
        lambda: other.test_render_email_template(TemplateName="hello", TemplateData="{}"),
    ):
        with pytest.raises(ClientError, match="NotFoundException"):
            call()
    assert other.list_email_templates()["TemplatesMetadata"] == []


def test_the_account_tells_the_tightest_limits(ses: Any, project: Project) -> None:
    account = ses.get_account()
    assert (account["SendingEnabled"], account["SendQuota"]["Max24HourSend"]) == (True, -1.0)
    ProjectLimits.objects.create(project=project, messages_per_day=100, messages_per_second=7)
    quota = ses.get_account()["SendQuota"]
    assert (quota["Max24HourSend"], quota["MaxSendRate"], quota["SentLast24Hours"]) == (100.0, 7.0, 0.0)
