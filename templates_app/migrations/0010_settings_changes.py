from django.db import migrations

# Processes cache rows of this table: `ledger.cached_rows`.
NOTE_CHANGES = """
CREATE TRIGGER templates_template_noted AFTER INSERT OR DELETE OR TRUNCATE ON templates_template
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_note_change();
CREATE TRIGGER templates_template_change_noted AFTER UPDATE ON templates_template
    FOR EACH ROW WHEN ((OLD.project_id, OLD.alias, OLD.published_version_id, OLD.deleted_at) IS DISTINCT FROM
        (NEW.project_id, NEW.alias, NEW.published_version_id, NEW.deleted_at))
    EXECUTE FUNCTION accounts_note_change();
"""
NOTE_NO_CHANGES = """
DROP TRIGGER templates_template_noted ON templates_template;
DROP TRIGGER templates_template_change_noted ON templates_template;
"""


class Migration(migrations.Migration):
    dependencies = [("templates", "0001_initial"), ("accounts", "0010_settings_changes")]

    operations = [
        migrations.RunSQL(NOTE_CHANGES, NOTE_NO_CHANGES),
    ]
