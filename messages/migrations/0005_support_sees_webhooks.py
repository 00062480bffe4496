"""Support looks at webhook endpoints and at what they were told. Their secrets are on no page."""

from django.db import migrations

GROUP = "Support"
PERMISSIONS = (
    ("endpoint", "view_endpoint", "Can view webhook endpoint"),
    ("webhookdelivery", "view_webhookdelivery", "Can view webhook delivery"),
)


def add_permissions(apps, _schema_editor):
    """Permissions come by a signal after all migrations; these are made here, and found there."""
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=GROUP)
    content_types = apps.get_model("contenttypes", "ContentType").objects
    permissions = apps.get_model("auth", "Permission").objects
    for model, codename, name in PERMISSIONS:
        content_type, _ = content_types.get_or_create(app_label="webhooks", model=model)
        permission, _ = permissions.get_or_create(content_type=content_type, codename=codename, defaults={"name": name})
        group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("mail", "0004_uploads"),
        ("webhooks", "0001_endpoints_and_deliveries"),
    ]

    operations = [migrations.RunPython(add_permissions, migrations.RunPython.noop)]
