import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import common.ids

# What was published is what is sent: not even a slip of ours may change it.
REFUSE_CHANGES = """
CREATE FUNCTION templates_version_refuse_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a published version never changes' USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER templates_version_immutable BEFORE UPDATE ON templates_version
    FOR EACH ROW EXECUTE FUNCTION templates_version_refuse_update();
"""
ALLOW_CHANGES = """
DROP TRIGGER templates_version_immutable ON templates_version;
DROP FUNCTION templates_version_refuse_update();
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Template",
            fields=[
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("alias", models.CharField(blank=True, max_length=64, null=True)),
                ("name", models.CharField(max_length=200)),
                ("subject", models.TextField(blank=True)),
                ("html", models.TextField(blank=True, verbose_name="HTML")),
                ("text", models.TextField(blank=True)),
                ("mjml", models.TextField(blank=True, verbose_name="MJML")),
                ("locales", models.JSONField(blank=True, default=dict)),
                ("default_locale", models.TextField(blank=True)),
                ("inline_css", models.BooleanField(default=False, verbose_name="inline CSS")),
                (
                    "variables",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), default=list, editable=False, size=None
                    ),
                ),
                (
                    "optional_variables",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), default=list, editable=False, size=None
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("deleted_at", models.DateTimeField(editable=False, null=True)),
                (
                    "layout",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="contents",
                        to="templates.template",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="templates", to="accounts.project"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Version",
            fields=[
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("number", models.PositiveIntegerField()),
                ("subject", models.TextField(blank=True)),
                ("html", models.TextField(blank=True)),
                ("text", models.TextField(blank=True)),
                ("base_html", models.TextField(blank=True)),
                ("mjml", models.TextField(blank=True)),
                ("is_inlined", models.BooleanField(default=False)),
                ("layout_count", models.PositiveSmallIntegerField(default=0)),
                ("locales", models.JSONField(default=dict)),
                ("default_locale", models.TextField(blank=True)),
                (
                    "variables",
                    django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None),
                ),
                (
                    "optional_variables",
                    django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "template",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="versions", to="templates.template"
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="template",
            name="published_version",
            field=models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="templates.version",
            ),
        ),
        migrations.AddConstraint(
            model_name="version",
            constraint=models.UniqueConstraint(fields=("template", "number"), name="version_number_once"),
        ),
        migrations.AddConstraint(
            model_name="version",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("html", ""), _negated=True), models.Q(("text", ""), _negated=True), _connector="OR"
                ),
                name="version_has_content",
            ),
        ),
        migrations.AddConstraint(
            model_name="version",
            constraint=models.CheckConstraint(condition=models.Q(("number__gte", 1)), name="version_number_from_one"),
        ),
        migrations.AddIndex(
            model_name="template",
            index=models.Index(
                condition=models.Q(("deleted_at", None)), fields=["project", "-id"], name="template_list"
            ),
        ),
        migrations.AddConstraint(
            model_name="template",
            constraint=models.UniqueConstraint(
                condition=models.Q(("deleted_at", None)), fields=("project", "alias"), name="template_alias_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="template",
            constraint=models.CheckConstraint(
                condition=models.Q(("name", ""), _negated=True), name="template_has_name"
            ),
        ),
        migrations.AddConstraint(
            model_name="template",
            constraint=models.CheckConstraint(
                condition=models.Q(models.Q(("alias", ""), _negated=True), ("alias", None), _connector="OR"),
                name="template_alias_not_empty",
            ),
        ),
        migrations.AddConstraint(
            model_name="template",
            constraint=models.CheckConstraint(
                condition=models.Q(("html", ""), ("mjml", ""), _connector="OR"), name="template_html_or_mjml"
            ),
        ),
        migrations.AddConstraint(
            model_name="template",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("layout", None), models.Q(("layout", models.F("id")), _negated=True), _connector="OR"
                ),
                name="template_not_own_layout",
            ),
        ),
        migrations.RunSQL(REFUSE_CHANGES, ALLOW_CHANGES),
    ]
