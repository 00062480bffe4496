"""Sending domains for staff: first the records to publish, those that are needed apart from the others."""

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST, require_safe
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.people.scoped_admin import ScopedAdmin, ScopedFilter
from accounts.services import write_audit
from common.errors import ApiError, InvalidFieldsError
from domains.dkim_keys import rotate_dkim
from domains.dns.records import RecordPurpose
from domains.dns.verdicts import RecordStatus
from domains.dns.zone_file import write_zone
from domains.domain_status import DomainStatus
from domains.models import DkimKey, Domain
from domains.published_records import records_of, shown_records
from domains.services import add_domain, check_default_from, check_name, remove_domain
from domains.verification import verify_domain

PURPOSES = {
    RecordPurpose.OWNERSHIP: "Ownership",
    RecordPurpose.DKIM: "DKIM key",
    RecordPurpose.RETURN_PATH: "Return path",
    RecordPurpose.TRACKING: "Tracked links",
    RecordPurpose.DMARC: "DMARC policy",
}
LEVELS = {DomainStatus.VERIFIED: messages.SUCCESS, DomainStatus.SUSPENDED: messages.ERROR}


class DomainForm(forms.ModelForm):  # type: ignore[type-arg]
    """The form of a domain. It applies the same rules as the API."""

    class Meta:
        model = Domain
        fields: ClassVar = ["project", "name", "default_from"]
        widgets: ClassVar = {"name": UnfoldAdminTextInputWidget, "default_from": UnfoldAdminTextInputWidget}

    def clean_name(self) -> str:
        return refuse_wrong(lambda: check_name(self.cleaned_data["name"]))

    def clean_default_from(self) -> str:
        name = self.cleaned_data.get("name") or self.instance.name
        return refuse_wrong(lambda: check_default_from(self.cleaned_data["default_from"], name))


def refuse_wrong(check: Callable[[], str]) -> str:
    try:
        return check()
    except InvalidFieldsError as error:
        raise forms.ValidationError([each.message for each in error.errors]) from None


class DkimKeyInline(TabularInline):  # type: ignore[misc]
    """The domain's DKIM keys, read-only. Private keys are never loaded here."""

    model = DkimKey
    extra = 0
    can_delete = False
    fields = ("selector", "algorithm", "created_at", "activated_at", "retired_at")
    readonly_fields = fields

    def has_add_permission(self, *_: object) -> bool:
        return False

    def has_change_permission(self, *_: object) -> bool:
        return False

    def has_view_permission(self, *_: object) -> bool:
        """The page is of a domain that the user may see."""
        return True


@admin.register(Domain)
class DomainAdmin(ScopedAdmin, ModelAdmin):  # type: ignore[misc]
    """Sending domains."""

    form = DomainForm
    list_display = ("name", "project", "status", "checked_at", "failing_since")
    list_filter = ("status", ("project", ScopedFilter))
    list_select_related = ("project",)
    search_fields = ("name", "project__name", "default_from")
    ordering = ("-id",)
    actions = ("check_selected",)
    inlines = (DkimKeyInline,)
    change_form_outer_before_template = "domains/records.html"
    facts = ("status", "created_at", "verified_at", "checked_at", "failing_since", "next_check_at")

    class Media:
        js = ("domains/records.js",)
        css: ClassVar = {"all": ["domains/records.css"]}

    def get_fields(self, _request: HttpRequest, obj: Domain | None = None) -> tuple[str, ...]:
        return ("project", "name", "default_from", *(self.facts if obj else ()))

    def get_readonly_fields(self, _request: HttpRequest, obj: Domain | None = None) -> tuple[str, ...]:
        return ("project", "name", *self.facts) if obj else ()

    def get_inlines(self, _request: HttpRequest, obj: Domain | None) -> tuple[type[TabularInline], ...]:
        return self.inlines if obj else ()

    def save_model(self, request: HttpRequest, obj: Domain, _form: DomainForm, change: bool) -> None:
        if change:
            obj.save(update_fields=["default_from"])
        else:
            added = add_domain(obj.project, name=obj.name, default_from=obj.default_from)
            obj.__dict__.update(added.__dict__)
        self.note(request, "change_domain" if change else "add_domain", obj)

    def delete_model(self, request: HttpRequest, obj: Domain) -> None:
        self.note(request, "remove_domain", obj)
        remove_domain(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Domain]) -> None:
        for domain in queryset:
            self.delete_model(request, domain)

    def note(self, request: HttpRequest, action: str, domain: Domain) -> None:
        write_audit(request.user.get_username(), action, domain, id=str(domain.pk), project=domain.project.name)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        domain: Domain | None = kwargs.get("obj")
        if domain:
            records = list(shown_records(domain))
            needed = [record for record in records if record.is_needed]
            context |= {
                "record_groups": [
                    ("Needed to send", [(PURPOSES[each.record.purpose], each) for each in needed]),
                    (
                        "Recommended",
                        [(PURPOSES[each.record.purpose], each) for each in records if not each.is_needed],
                    ),
                ],
                "missing_count": sum(record.status != RecordStatus.OK for record in needed),
                "may_change": self.has_change_permission(request, domain),
            }
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

    @admin.action(description="Check the DNS records now", permissions=["change"])
    def check_selected(self, request: HttpRequest, queryset: QuerySet[Domain]) -> None:
        for domain in queryset:
            self.check_domain(request, domain)

    def check_domain(self, request: HttpRequest, domain: Domain) -> None:
        self.note(request, "verify_domain", domain)
        try:
            checked = verify_domain(domain)
        except ApiError as error:
            self.message_user(request, error.detail, messages.ERROR)
            return
        level = LEVELS.get(DomainStatus(checked.status), messages.WARNING)
        self.message_user(request, f"{checked.name} is {checked.status}.", level)

    def rotate_keys(self, request: HttpRequest, domain: Domain) -> None:
        self.note(request, "rotate_dkim", domain)
        rotate_dkim(domain)
        self.message_user(request, "The new keys sign mail once a check has found their records.", messages.SUCCESS)

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(f"<uuid:pk>/{name}/", self.button(act), name=f"domains_domain_{name}")
            for name, act in (("check", self.check_domain), ("rotate", self.rotate_keys))
        ]
        zone = path("<uuid:pk>/zone/", self.admin_site.admin_view(self.download_zone), name="domains_domain_zone")
        return [zone, *own, *super().get_urls()]

    @method_decorator(require_safe)
    def download_zone(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """The records as a zone file (RFC 4027), which DNS providers import."""
        domain = self.get_queryset(request).filter(pk=pk).first()
        if domain is None or not self.has_view_permission(request, domain):
            raise Http404
        headers = {
            "Content-Disposition": f'attachment; filename="{domain.name}.zone"',
            "X-Content-Type-Options": "nosniff",
        }
        return HttpResponse(write_zone(records_of(domain)), content_type="text/dns; charset=us-ascii", headers=headers)

    def button(self, act: Callable[[HttpRequest, Domain], None]) -> Callable[..., HttpResponse]:
        """A view that acts on one domain, on POST only and outside the transaction of the form's view."""

        @require_POST
        def press(request: HttpRequest, pk: UUID) -> HttpResponse:
            domain = self.get_queryset(request).select_related("project").filter(pk=pk).first()
            if domain is None:
                raise Http404
            if not self.has_change_permission(request, domain):
                raise PermissionDenied
            act(request, domain)
            return HttpResponseRedirect(reverse("admin:domains_domain_change", args=[pk]))

        view: Callable[..., HttpResponse] = self.admin_site.admin_view(press)
        return view
