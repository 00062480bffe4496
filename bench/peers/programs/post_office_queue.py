"""django-post_office in an environment of its own: reads commands from stdin, and answers each with a line.

`fill COUNT SIZE` queues messages, `send PROCESSES` runs its own command until the queue is empty. The settings come by
the environment: PGHOST, PGDATABASE, PGUSER, SINK_PORT, and POST_OFFICE as JSON. It is run as a file, so it imports
nothing of this repository.
"""

import json
import logging
import os
import sys
import tempfile

import django
from django.conf import settings
from django.core.management import call_command

LINE = "A line of an order's confirmation, as plain as they come, in sixty-six or so.\n"


def set_up() -> None:
    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "post_office"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": os.environ["PGDATABASE"],
                "USER": os.environ["PGUSER"],
                "HOST": os.environ["PGHOST"],
            }
        },
        EMAIL_BACKEND="post_office.EmailBackend",
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=int(os.environ["SINK_PORT"]),
        POST_OFFICE=json.loads(os.environ["POST_OFFICE"]),
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
    )
    django.setup()
    call_command("migrate", verbosity=0)


def fill(count: int, size: int) -> None:
    from post_office.models import PRIORITY, STATUS, Email  # type: ignore[import-not-found]

    text = (LINE * (size // len(LINE) + 1))[: size - 400]
    Email.objects.all().delete()
    Email.objects.bulk_create(
        [
            Email(
                from_email="shop@bench.test",
                to=[f"user{number}@rcpt.test"],
                subject=f"Order {number}",
                message=text,
                status=STATUS.queued,
                priority=PRIORITY.medium,
            )
            for number in range(count)
        ],
        batch_size=500,
    )


def main() -> None:
    set_up()
    # Its own handler prints each batch.
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            word, *numbers = line.split()
            if word == "fill":
                fill(*map(int, numbers))
            else:
                call_command("send_queued_mail", processes=int(numbers[0]), lockfile=f"{folder}/lock", log_level=1)
            print("done", flush=True)


if __name__ == "__main__":
    main()
