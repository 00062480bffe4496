"""Support looks at the statistics."""

from django.db import migrations

GROUP = "Support"


def add_permission(apps, _schema_editor):
    """Permissions come by a signal after all migrations; this one is made here, and found there."""
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=GROUP)
    content_types = apps.get_model("contenttypes", "ContentType").objects
    content_type, _ = content_types.get_or_create(app_label="tracking", model="rollup")
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=content_type, codename="view_rollup", defaults={"name": "Can view figures"}
    )
    group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("mail", "0005_support_sees_webhooks"),
        ("tracking", "0004_statistics"),
    ]

    operations = [migrations.RunPython(add_permission, migrations.RunPython.noop)]
