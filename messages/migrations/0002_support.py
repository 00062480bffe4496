"""Staff: the permission to act on messages, the group that has it, and indexes for their search."""

import django.contrib.postgres.indexes
import django.db.models.functions.text
from django.db import migrations, models

GROUP = "Support"
# Looking and acting, never adding, changing or deleting. Keys are not among them; providers show no credentials.
PERMISSIONS = (
    ("mail", "message", "act_message", "Can cancel, resend and settle messages"),
    ("mail", "message", "view_message", "Can view message"),
    ("accounts", "project", "view_project", "Can view project"),
    ("domains", "domain", "view_domain", "Can view domain"),
    ("providers", "provider", "view_provider", "Can view provider"),
    ("templates", "template", "view_template", "Can view template"),
    ("tracking", "suppression", "view_suppression", "Can view suppression"),
)


def add_group(apps, _schema_editor):
    """Permissions come by a signal after all migrations; those of the group are made here, and found there."""
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=GROUP)
    content_types = apps.get_model("contenttypes", "ContentType").objects
    permissions = apps.get_model("auth", "Permission").objects
    for app, model, codename, name in PERMISSIONS:
        content_type, _ = content_types.get_or_create(app_label=app, model=model)
        permission, _ = permissions.get_or_create(content_type=content_type, codename=codename, defaults={"name": name})
        group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("mail", "0001_messages"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("accounts", "0002_audit_of_an_object"),
        ("domains", "0001_domains_and_keys"),
        ("providers", "0001_providers"),
        ("templates", "0001_templates_and_versions"),
        ("tracking", "0001_events_and_suppressions"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="message",
            options={"permissions": [("act_message", "Can cancel, resend and settle messages")]},
        ),
        migrations.RemoveIndex(model_name="message", name="message_list_status"),
        migrations.RemoveIndex(model_name="recipient", name="recipient_address"),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(fields=["status", "project", "-id"], name="message_list_status"),
        ),
        migrations.AddIndex(
            model_name="recipient",
            index=models.Index(
                models.F("project"),
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Lower("address"), name="text_pattern_ops"
                ),
                models.OrderBy(models.F("message"), descending=True),
                name="recipient_address",
            ),
        ),
        migrations.RunPython(add_group, migrations.RunPython.noop),
    ]
