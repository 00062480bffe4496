"""Bodies are compressed by LZ4, which takes PostgreSQL half the time of its own method. Rows stay as they are, and can
be read whatever their method. A server that was built without LZ4 keeps its method.
"""

from django.db import migrations

SET = """
DO $$
BEGIN
    ALTER TABLE mail_content ALTER COLUMN html SET COMPRESSION {method}, ALTER COLUMN text SET COMPRESSION {method};
EXCEPTION WHEN feature_not_supported THEN
    RAISE NOTICE 'this server has no LZ4';
END
$$
"""


class Migration(migrations.Migration):
    dependencies = [("mail", "0230_batch_pauses")]

    operations = [migrations.RunSQL(SET.format(method="lz4"), SET.format(method="default"))]
