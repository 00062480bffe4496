from argparse import ArgumentParser
from datetime import datetime

from django.core.management.base import CommandError

from accounts.management.audit import audited_parts
from accounts.management.project_command import ProjectCommand
from common.times import TimeError, format_time, parse_time
from tracking.stats.rebuild import rebuild


class Command(ProjectCommand):
    help = (
        "Rebuild a project's statistics from its events, hour by hour, while mail continues. The default start is the "
        "first hour whose emails are all still kept; older figures do not change."
    )

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--since", metavar="TIME", type=read_time, help="Start at this hour, such as 2030-01-31T12:00:00Z."
        )

    def handle(self, **options: object) -> None:
        project = self.find_project(options)
        since = options["since"]
        assert since is None or isinstance(since, datetime)
        hours = emails = 0
        with audited_parts("rebuild_stats", project, id=str(project.pk)) as result:
            for rebuilt in rebuild(project.pk, since):
                hours, emails = hours + 1, emails + rebuilt.email_count
                if not self.is_json:
                    self.stdout.write(f"{format_time(rebuilt.hour)}  {rebuilt.email_count} emails")
            result |= {"hours": hours, "emails": emails}
        self.emit({"project": project.name, "hours": hours, "emails": emails})


def read_time(text: str) -> datetime:
    try:
        return parse_time(text)
    except TimeError as error:
        raise CommandError(f"--since: {error.message}") from None
