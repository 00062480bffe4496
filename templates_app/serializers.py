"""Request and response formats of templates."""

from typing import Any

from rest_framework import serializers

from common.serializers import (
    AbsentTextField,
    PageQuery,
    QueryIntegerField,
    QuerySerializer,
    SingleLineField,
    StrictBooleanField,
    StrictCharField,
    StrictDateTimeField,
    StrictIntegerField,
    StrictSerializer,
)
from templates_app.draft_checks import ALIAS_RULE, is_alias
from templates_app.languages import LOCALE_RULE, is_locale, normalize_locale
from templates_app.liquid.limits import MAX_SOURCE
from templates_app.models import Template
from templates_app.services import list_needs

# The source of a subject; the rendered subject has its own limit.
MAX_SUBJECT_SOURCE = 4_000


class AliasField(SingleLineField):
    """A name for programs: letters, digits, dots, hyphens and underscores, not in the form of an id."""

    def to_internal_value(self, data: Any) -> str:
        alias = super().to_internal_value(data)
        if alias and not is_alias(alias):
            raise serializers.ValidationError(ALIAS_RULE, code="invalid_alias")
        return alias


class LocaleField(SingleLineField):
    """The name of a language: `de` or `de-AT`."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if text and not is_locale(text):
            raise serializers.ValidationError(LOCALE_RULE, code="invalid_locale")
        return normalize_locale(text)


class LanguageInput(StrictSerializer):
    """The parts of a template in one language."""

    subject = SingleLineField(required=False, allow_null=True, allow_blank=True, max_length=MAX_SUBJECT_SOURCE)
    html = StrictCharField(required=False, allow_null=True, allow_blank=True, max_length=MAX_SOURCE)
    text = StrictCharField(required=False, allow_null=True, allow_blank=True, max_length=MAX_SOURCE)
    mjml = StrictCharField(required=False, allow_null=True, allow_blank=True, max_length=MAX_SOURCE)


class TemplateInput(StrictSerializer):
    """A draft, or changes to it. Null and an empty string clear a field."""

    alias = AliasField(required=False, allow_null=True, allow_blank=True)
    name = SingleLineField(required=False, allow_null=True, allow_blank=True, max_length=200)
    subject = SingleLineField(required=False, allow_null=True, allow_blank=True, max_length=MAX_SUBJECT_SOURCE)
    html = StrictCharField(required=False, allow_null=True, allow_blank=True, max_length=MAX_SOURCE)
    text = StrictCharField(required=False, allow_null=True, allow_blank=True, max_length=MAX_SOURCE)
    mjml = StrictCharField(required=False, allow_null=True, allow_blank=True, max_length=MAX_SOURCE)
    layout = SingleLineField(
        required=False, allow_null=True, allow_blank=True, max_length=100, help_text="Id or alias of a template."
    )
    locales = serializers.DictField(
        child=LanguageInput(),
        required=False,
        allow_null=True,
        help_text="Parts in other languages, by locale. They replace all of those before.",
    )
    default_locale = LocaleField(
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="The language of the parts above, or of those in `locales` that stand in for them.",
    )
    inline_css = StrictBooleanField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Null means empty, as in the columns."""
        values = {name: "" if value is None else value for name, value in attrs.items()}
        if "locales" in values:
            values["locales"] = {name: dict(parts) for name, parts in (attrs["locales"] or {}).items()}
        if "alias" in values:
            values["alias"] = values["alias"] or None
        return values


class PublishInput(StrictSerializer):
    """The version to publish. If omitted, a new version is created from the draft."""

    version = StrictIntegerField(required=False, allow_null=True, min_value=1, max_value=2**31 - 1)


class PreviewInput(StrictSerializer):
    """The template's variables, and the language."""

    template_vars = serializers.DictField(required=False, allow_null=True)
    locale = LocaleField(required=False, allow_null=True, allow_blank=True)


class PreviewQuery(QuerySerializer):
    """Number of a published version. If omitted, the draft is used."""

    version = QueryIntegerField(required=False, min_value=1, max_value=2**31 - 1)


class VersionQuery(PageQuery):
    """A page of versions."""

    after = QueryIntegerField(
        required=False, min_value=1, max_value=2**31 - 1, help_text="The `next` of the page before: a version's number."
    )


class TemplateQuery(PageQuery):
    """The list's parameters."""

    alias = serializers.CharField(required=False, max_length=100)


class LanguageOutput(serializers.Serializer[Any]):
    """The parts of a template in one language."""

    subject = serializers.CharField()
    html = serializers.CharField()
    text = serializers.CharField()
    mjml = serializers.CharField()


class VersionLanguageOutput(serializers.Serializer[Any]):
    """The parts of a version in one language, compiled and in its layout."""

    subject = serializers.CharField()
    html = serializers.CharField()
    text = serializers.CharField()


class TemplateOutput(serializers.Serializer[Any]):
    """A template: its draft, the variables that it needs, and its published version."""

    id = serializers.UUIDField()
    alias = serializers.CharField(allow_null=True)
    name = serializers.CharField()
    subject = serializers.CharField()
    html = serializers.CharField()
    text = serializers.CharField()
    mjml = serializers.CharField()
    locales = serializers.DictField(child=LanguageOutput())
    default_locale = AbsentTextField()
    layout = serializers.UUIDField(source="layout_id", allow_null=True)
    inline_css = serializers.BooleanField()
    published_version = serializers.IntegerField(source="published_version.number", allow_null=True, default=None)
    created_at = StrictDateTimeField()
    updated_at = StrictDateTimeField()

    def to_representation(self, instance: Template) -> dict[str, Any]:
        needs = list_needs(instance)
        return {
            **super().to_representation(instance),
            "variables": needs.variables,
            "optional_variables": needs.optional_variables,
        }


class VersionOutput(serializers.Serializer[Any]):
    """A published version: the Liquid that is rendered, compiled and in its layout."""

    id = serializers.UUIDField()
    number = serializers.IntegerField()
    subject = serializers.CharField()
    html = serializers.CharField()
    text = serializers.CharField()
    locales = serializers.DictField(child=VersionLanguageOutput())
    default_locale = AbsentTextField()
    variables = serializers.ListField(child=serializers.CharField())
    optional_variables = serializers.ListField(child=serializers.CharField())
    created_at = StrictDateTimeField()


class PreviewOutput(serializers.Serializer[object]):
    """The rendered content."""

    subject = serializers.CharField()
    html = serializers.CharField(allow_null=True)
    text = serializers.CharField(allow_null=True)
