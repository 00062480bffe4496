"""Templates: a draft that is edited, and versions that never change."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from common.ids import new_id
from templates_app.layouts import TemplateSource
from templates_app.liquid.limits import MAX_LAYOUTS

# Columns that may hold megabytes.
BODIES = ("html", "text", "mjml")


class TemplateQuerySet(models.QuerySet["Template"]):
    def current(self) -> "TemplateQuerySet":
        """Those that were not deleted."""
        return self.filter(deleted_at=None)

    def with_relations(self) -> "TemplateQuerySet":
        """With published version and layouts, but not their bodies."""
        layouts = ["layout" + "__layout" * depth for depth in range(MAX_LAYOUTS + 1)]
        bodies = [f"{related}__{body}" for related in ("published_version", *layouts) for body in BODIES]
        return self.select_related("published_version", layouts[-1]).defer("published_version__base_html", *bodies)


class Template(models.Model):
    """What an author edits. Mail is made from its published version.

    A deleted template stays as a row, since mail that was made from it names it; its alias is free again.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="templates")
    # What programs name it by; null where it has none.
    alias = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001  # unique, so not ""
    name = models.CharField(max_length=200)
    subject = models.TextField(blank=True)
    html = models.TextField(blank=True, verbose_name="HTML")
    text = models.TextField(blank=True)
    mjml = models.TextField(blank=True, verbose_name="MJML")
    layout = models.ForeignKey("self", models.RESTRICT, null=True, blank=True, related_name="contents")
    inline_css = models.BooleanField(default=False, verbose_name="inline CSS")
    # Of the draft alone, without its layout's.
    variables = ArrayField(models.TextField(), default=list, editable=False)
    optional_variables = ArrayField(models.TextField(), default=list, editable=False)
    published_version = models.ForeignKey("Version", models.SET_NULL, null=True, editable=False, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects = TemplateQuerySet.as_manager()

    class Meta:
        indexes = [
            # GET /templates, the newest first.
            models.Index(fields=["project", "-id"], name="template_list", condition=Q(deleted_at=None)),
        ]
        constraints = [
            # Also serves the look-up by alias at accept.
            models.UniqueConstraint(
                fields=["project", "alias"], name="template_alias_once", condition=Q(deleted_at=None)
            ),
            models.CheckConstraint(condition=~Q(name=""), name="template_has_name"),
            models.CheckConstraint(condition=~Q(alias="") | Q(alias=None), name="template_alias_not_empty"),
            models.CheckConstraint(condition=Q(html="") | Q(mjml=""), name="template_html_or_mjml"),
            models.CheckConstraint(condition=Q(layout=None) | ~Q(layout=F("id")), name="template_not_own_layout"),
        ]

    def __str__(self) -> str:
        return self.alias or self.name


class Version(models.Model):
    """What was published, compiled and with its layout. A trigger refuses every change; see the first migration.

    `base_html` is the HTML before its styles were inlined, and `mjml` the MJML that it came of: what a template needs
    whose layout this is. `base_html` is empty where `html` says the same.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    template = models.ForeignKey(Template, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    subject = models.TextField(blank=True)
    html = models.TextField(blank=True)
    text = models.TextField(blank=True)
    base_html = models.TextField(blank=True)
    mjml = models.TextField(blank=True)
    is_inlined = models.BooleanField(default=False)
    layout_count = models.PositiveSmallIntegerField(default=0)
    variables = ArrayField(models.TextField(), default=list)
    optional_variables = ArrayField(models.TextField(), default=list)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            # Also serves the list of a template's versions.
            models.UniqueConstraint(fields=["template", "number"], name="version_number_once"),
            models.CheckConstraint(condition=~Q(html="") | ~Q(text=""), name="version_has_content"),
            models.CheckConstraint(condition=Q(number__gte=1), name="version_number_from_one"),
        ]

    def __str__(self) -> str:
        return str(self.number)

    def as_source(self) -> TemplateSource:
        """What a template is filled into whose layout this is."""
        return TemplateSource(
            subject=self.subject,
            html="" if self.mjml else self.base_html or self.html,
            text=self.text,
            mjml=self.mjml,
            is_inlined=self.is_inlined,
            depth=self.layout_count,
        )
