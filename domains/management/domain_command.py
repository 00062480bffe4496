"""The base class of the commands on domains."""

from collections.abc import Iterator, Mapping

from django.core.management.base import CommandError

from accounts.management.project_command import ProjectCommand
from domains.domain_names import DomainNameError, canonical_name
from domains.models import Domain
from domains.published_records import ShownRecord, shown_records
from domains.serializers import DomainOutput, RecordOutput


class DomainCommand(ProjectCommand):
    """A command on one project's domains, which are selected by name."""

    def find_domain(self, options: Mapping[str, object]) -> Domain:
        """The domain that `options` names. CommandError when the project has no such domain."""
        project = self.find_project(options)
        try:
            domain = project.domains.filter(name=canonical_name(str(options["name"]))).first()
        except DomainNameError as error:
            raise CommandError(str(error)) from None
        if domain is None:
            raise CommandError(f"{project.name} has no domain {options['name']}.")
        return domain

    def emit_domain(self, domain: Domain) -> None:
        """Print a domain and its records: one line of JSON, or text."""
        self.emit(DomainOutput(domain).data, "\n".join(describe_domain(domain)))

    def emit_records(self, domain: Domain) -> None:
        """Print a domain's records: one line of JSON for each, or text."""
        for shown in shown_records(domain):
            self.emit(RecordOutput(shown).data, "\n".join(describe_record(shown)))


def describe_domain(domain: Domain) -> Iterator[str]:
    yield f"{domain.name} is {domain.status}."
    for shown in shown_records(domain):
        yield ""
        yield from describe_record(shown)


def describe_record(shown: ShownRecord) -> Iterator[str]:
    record = shown.record
    yield f"{shown.status:<8} {record.purpose:<12} {record.type:<6} {record.name}"
    yield f"         publish: {record.value}"
    for value in shown.found:
        yield f"         found:   {value}"
    if shown.advice:
        yield f"         {shown.advice}"
