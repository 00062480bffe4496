"""Notices reach the contact of their project by mail, once."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Notice, Project
from accounts.services import write_notice
from common.ids import least_id_at
from messages.models import Message
from messages.notices.mail import mail_notices
from webhooks.endpoint_health import GONE, disable
from webhooks.services import add_endpoint

pytestmark = pytest.mark.django_db


@pytest.fixture
def project(project: Project, settings: Any) -> Project:
    settings.TRUSTED_SENDER_DOMAINS = ["mine.test"]
    project.contact_email, project.default_from = "ops@mine.test", "Mine <hello@mine.test>"
    project.save(update_fields=["contact_email", "default_from"])
    return project


def test_the_contact_gets_a_notice_of_a_disabled_endpoint(project: Project):
    endpoint = add_endpoint(project, url="https://93.184.215.14/hook", events=["*"])
    disable(endpoint.pk, GONE)
    assert mail_notices() == 1
    message = Message.objects.get()
    assert (message.project_id, message.from_address, message.tags) == (project.pk, "hello@mine.test", ["notice"])
    assert [row.address for row in message.recipients.all()] == ["ops@mine.test"]
    assert message.subject == "Acme: webhook disabled"
    assert "https://93.184.215.14/hook was disabled: The endpoint responded with 410 Gone" in message.content.text
    assert Notice.objects.get().mailed_at is not None


def test_each_notice_is_mailed_once_and_several_go_together(project: Project):
    for number in (1, 2, 3):
        write_notice(project, kind="domain_warning", text=f"Number {number}.")
    assert (mail_notices(), mail_notices()) == (3, 0)
    message = Message.objects.get()
    assert message.subject == "Acme: domain warning and 2 more"
    assert "Number 1.\n\nNumber 2.\n\nNumber 3." in message.content.text


def test_notices_are_per_project_and_need_a_contact(project: Project, other_project: Project):
    write_notice(other_project, kind="x", text="Theirs.")
    write_notice(project, kind="x", text="Ours.")
    write_notice(None, kind="x", text="The operator's.")
    assert mail_notices() == 1
    message = Message.objects.get()
    assert (message.project_id, "Theirs" in message.content.text) == (project.pk, False)


def test_the_operators_sender_needs_no_verification_by_the_project(project: Project, settings: Any):
    settings.TRUSTED_SENDER_DOMAINS = []
    settings.NOTICE_FROM = "Mail <mail@operator.test>"
    write_notice(project, kind="domain_suspended", text="mine.test is suspended.")
    assert mail_notices() == 1
    assert Message.objects.get().from_address == "mail@operator.test"


@pytest.mark.parametrize("values", [{"default_from": ""}, {"default_from": "a@elsewhere.test"}], ids=repr)
def test_unmailable_notices_are_logged_and_stay_in_the_admin(project, monkeypatch, values, caplog):
    Project.objects.update(**values)
    monkeypatch.setattr("messages.accepting.admission.routes.is_local_only", lambda _: False)
    write_notice(project, kind="x", text="Something.")
    assert (mail_notices(), mail_notices()) == (1, 0)
    assert not Message.objects.exists()
    assert "notice_not_mailed" in caplog.text


def test_old_notices_are_not_mailed(project: Project):
    long_ago = least_id_at(timezone.now() - timedelta(days=2))
    Notice.objects.create(id=long_ago, project=project, kind="x", text="Old.")
    assert mail_notices() == 0
