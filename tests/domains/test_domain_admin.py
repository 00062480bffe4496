"""The admin's pages on domains, as a browser without scripts would use them."""

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import Permission, User
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, Project
from accounts.services import create_project
from domains.domain_status import DomainStatus
from domains.models import Domain
from domains.services import add_domain
from tests.domains.dns_server import DnsServer
from tests.domains.owner import publish_records

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return create_project(name="acme")


@pytest.fixture
def domain(zone: DnsServer, project: Project) -> Domain:
    return add_domain(project, name="good.test")


@pytest.fixture
def admin(settings) -> Client:
    return log_in(User.objects.create_superuser("root"))


def log_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def staff(*permissions: str) -> Client:
    user = User.objects.create_user("support", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return log_in(user)


def page(client: Client, domain: Domain) -> str:
    answer = client.get(reverse("admin:domains_domain_change", args=[domain.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


def press(client: Client, domain: Domain, button: str) -> int:
    return client.post(reverse(f"admin:domains_domain_{button}", args=[domain.pk])).status_code


def test_each_record_is_shown_with_buttons_to_copy_it(admin, domain):
    html = page(admin, domain)
    key = domain.dkim_keys.get()
    for text in (f"emailsvc-verification={domain.ownership_token}", key.record_name, key.public_record):
        assert f'data-copy="{text}"' in html
    assert "Not checked yet." in html
    assert "PRIVATE" not in html


def test_the_check_button_shows_findings_and_advice(admin, zone, domain):
    publish_records(zone, domain)
    zone.put("link.good.test", "CNAME", "elsewhere.test.")
    assert press(admin, domain, "check") == 302
    html = page(admin, domain)
    assert "good.test is verified." in html
    assert "elsewhere.test" in html
    assert "Change it to mail.service.test." in html
    assert AuditEntry.objects.filter(actor="root", action="verify_domain").count() == 1


def test_untrusted_dns_records_are_shown_as_text(admin, zone, domain):
    zone.put("_emailsvc.good.test", "TXT", "<script>alert(1)</script>")
    press(admin, domain, "check")
    html = page(admin, domain)
    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_the_records_come_first_and_those_that_are_not_needed_do_not_alarm(admin, zone, domain):
    assert "Publish these records at your DNS provider, then check." in page(admin, domain)
    press(admin, domain, "check")
    html = page(admin, domain)
    assert "2 of the records that are needed are not in place" in html
    assert html.index('id="domain-records-title"') < html.index('name="default_from"')
    needed, recommended = html.split("<h3>Recommended</h3>")
    assert "<h3>Needed to send</h3>" in needed
    assert needed.count('<article class="domain-record domain-record-missing"') == 2
    assert recommended.count('domain-record-missing domain-record-calm"') == 3
    assert "not there yet" in recommended
    publish_records(zone, domain)
    press(admin, domain, "check")
    assert "The records that are needed are in place." in page(admin, domain)


def test_the_zone_file_has_every_record(admin, domain):
    url = reverse("admin:domains_domain_zone", args=[domain.pk])
    answer = admin.get(url)
    assert answer["Content-Type"].startswith("text/dns")
    assert answer["Content-Disposition"] == 'attachment; filename="good.test.zone"'
    lines = answer.content.decode().splitlines()
    assert "link.good.test. 3600 IN CNAME mail.service.test." in lines
    assert len(lines) == 5
    assert url in page(admin, domain)
    assert admin.post(url).status_code == 405
    assert staff("view_domain").get(url).status_code == 200
    assert Client().get(url).status_code == 302


def test_new_keys_are_made_by_button(admin, zone, domain):
    publish_records(zone, domain)
    press(admin, domain, "check")
    press(admin, domain, "rotate")
    assert domain.dkim_keys.count() == 2
    assert AuditEntry.objects.filter(actor="root", action="rotate_dkim").exists()


@pytest.mark.parametrize("button", ["check", "rotate"])
def test_buttons_need_a_post_and_the_permission_to_change(admin, domain, button):
    url = reverse(f"admin:domains_domain_{button}", args=[domain.pk])
    assert admin.get(url).status_code == 405
    assert Client().post(url).status_code == 302
    viewer = staff("view_domain")
    assert viewer.post(url).status_code == 403
    assert url not in page(viewer, domain)
    assert (Domain.objects.get().checked_at, domain.dkim_keys.count()) == (None, 1)


def test_buttons_for_a_domain_that_is_gone_are_404(admin, domain, project):
    assert admin.post(reverse("admin:domains_domain_check", args=[project.pk])).status_code == 404


def test_several_are_checked_from_the_list(admin, zone, domain, project):
    other = add_domain(project, name="other.test")
    answer = admin.post(
        reverse("admin:domains_domain_changelist"),
        {"action": "check_selected", "_selected_action": [str(domain.pk), str(other.pk)]},
    )
    assert answer.status_code == 302
    assert Domain.objects.filter(checked_at__isnull=False).count() == 2


INLINE = {"dkim_keys-TOTAL_FORMS": "0", "dkim_keys-INITIAL_FORMS": "0"}


def test_a_domain_is_added_with_its_key(admin, zone, project):
    url = reverse("admin:domains_domain_add")
    answer = admin.post(url, {"project": project.pk, "name": "Good.Test.", "default_from": "Good <a@good.test>"})
    assert answer.status_code == 302, answer.content.decode()
    domain = Domain.objects.get()
    assert (domain.name, domain.status, domain.dkim_keys.count()) == ("good.test", DomainStatus.PENDING, 1)
    assert domain.default_from == "Good <a@good.test>"
    again = admin.post(url, {"project": project.pk, "name": "good.test", "default_from": ""})
    assert (again.status_code, Domain.objects.count()) == (200, 1)


@pytest.mark.parametrize(
    ("name", "default_from"), [("nonsense", ""), ("", ""), ("good.test", "a@evil.test"), ("good.test", "x")]
)
def test_input_rejected_by_the_api_is_rejected_here(admin, project, name, default_from):
    answer = admin.post(
        reverse("admin:domains_domain_add"), {"project": project.pk, "name": name, "default_from": default_from}
    )
    assert answer.status_code == 200
    assert not Domain.objects.exists()


def test_only_the_default_sender_can_be_changed(admin, domain):
    url = reverse("admin:domains_domain_change", args=[domain.pk])
    answer = admin.post(url, {"name": "evil.test", "status": "verified", "default_from": "a@good.test", **INLINE})
    assert answer.status_code == 302
    changed = Domain.objects.get()
    assert (changed.name, changed.status, changed.default_from) == ("good.test", DomainStatus.PENDING, "a@good.test")
    assert admin.post(url, {"default_from": "a@evil.test", **INLINE}).status_code == 200
    assert Domain.objects.get().default_from == "a@good.test"


def test_removing_is_put_down(admin, domain):
    answer = admin.post(reverse("admin:domains_domain_delete", args=[domain.pk]), {"post": "yes"})
    assert answer.status_code == 302
    assert not Domain.objects.exists()
    assert AuditEntry.objects.filter(action="remove_domain").exists()


def test_the_pages_pass_djangos_checks():
    site_admin = site.get_model_admin(Domain)
    assert site_admin.check() == []


def test_the_page_brings_its_own_script_and_none_inline(admin, domain):
    html = page(admin, domain)
    section = html[html.index('class="domain-records"') :]
    section = section[: section.index("</section>")]
    assert "<script" not in section
    assert "style=" not in section
    assert "onclick" not in section
    for name in ("domains/records.js", "domains/records.css"):
        assert name in html
        assert finders.find(name)
