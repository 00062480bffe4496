"""Templates: an editable draft, and versions that never change."""

from collections.abc import Mapping

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from common.ids import new_id
from templates_app.languages import BASE, choose_locale
from templates_app.layouts import TemplateSource
from templates_app.liquid.limits import MAX_LAYOUTS

# Columns that may contain megabytes.
BODIES = ("html", "text", "mjml", "locales")
# What an author writes in each language, and what a version has of it.
PARTS = ("subject", "html", "text", "mjml")
VERSION_PARTS = (*PARTS, "base_html")


class TemplateQuerySet(models.QuerySet["Template"]):
    def current(self) -> "TemplateQuerySet":
        """Templates that are not deleted."""
        return self.filter(deleted_at=None)

    def with_relations(self) -> "TemplateQuerySet":
        """With published version and layouts, but without their bodies."""
        layouts = ["layout" + "__layout" * depth for depth in range(MAX_LAYOUTS + 1)]
        bodies = [f"{related}__{body}" for related in ("published_version", *layouts) for body in BODIES]
        return self.select_related("published_version", layouts[-1]).defer("published_version__base_html", *bodies)


class Template(models.Model):
    """The author's draft. Mail is made from its published version.

    The row of a deleted template stays, since mail refers to it; its alias is free again.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="templates")
    # The name used by programs; null if the template has none.
    alias = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001  # unique, so not ""
    name = models.CharField(max_length=200)
    subject = models.TextField(blank=True)
    html = models.TextField(blank=True, verbose_name="HTML")
    text = models.TextField(blank=True)
    mjml = models.TextField(blank=True, verbose_name="MJML")
    # By locale: `{"de": {"subject", "html", "text", "mjml"}}`. The columns above hold the default language.
    locales = models.JSONField(default=dict, blank=True)
    default_locale = models.TextField(blank=True)
    layout = models.ForeignKey("self", models.RESTRICT, null=True, blank=True, related_name="contents")
    inline_css = models.BooleanField(default=False, verbose_name="inline CSS")
    # Of the draft only, without its layout.
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
            # Also serves the look-up by alias at acceptance.
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

    def choose(self, locale: str) -> str:
        """The draft's own language for a wanted one; `BASE` for that of its columns."""
        return choose_locale(locale, self.locales, self.default_locale)

    def parts_in(self, name: str) -> Mapping[str, str]:
        """The parts of a language that `choose` gave."""
        if name == BASE:
            return {part: getattr(self, part) for part in PARTS}
        return {**dict.fromkeys(PARTS, ""), **self.locales[name]}


class Version(models.Model):
    """A published version, compiled and in its layout. A trigger rejects every change; see the first migration.

    `base_html` is the HTML before its styles were inlined, and `mjml` its MJML source: templates that use this one as
    their layout need them. `base_html` is empty if it equals `html`.
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
    # By locale: `{"de": {"subject", "html", "text", "base_html", "mjml"}}`, compiled like the columns.
    locales = models.JSONField(default=dict)
    default_locale = models.TextField(blank=True)
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

    def as_source(self, locale: str = "") -> TemplateSource:
        """The sources of a template that is used as a layout, in the language for `locale`."""
        name = choose_locale(locale, self.locales, self.default_locale)
        parts = self.locales[name] if name != BASE else {part: getattr(self, part) for part in VERSION_PARTS}
        return TemplateSource(
            subject=parts["subject"],
            html="" if parts["mjml"] else parts["base_html"] or parts["html"],
            text=parts["text"],
            mjml=parts["mjml"],
            is_inlined=self.is_inlined,
            depth=self.layout_count,
        )
