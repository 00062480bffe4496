"""All examinations of the doctor, in the order in which they are told."""

from collections.abc import Iterator, Mapping

from emailsvc.doctor.database import examine_database, examine_tables
from emailsvc.doctor.finding import Examination, Finding, examine
from emailsvc.doctor.machine import examine_disk, examine_settings
from emailsvc.doctor.programs import examine_broker, examine_programs, examine_queue, examine_redis
from emailsvc.doctor.ways import examine_certificates, examine_domains, examine_endpoints, examine_providers

EXAMINATIONS: Mapping[str, Examination] = {
    "database": examine_database,
    "tables": examine_tables,
    "redis": examine_redis,
    "broker": examine_broker,
    "programs": examine_programs,
    "queue": examine_queue,
    "disk": examine_disk,
    "settings": examine_settings,
    "certificates": examine_certificates,
    "providers": examine_providers,
    "domains": examine_domains,
    "endpoints": examine_endpoints,
}


def examine_all(names: Mapping[str, Examination] = EXAMINATIONS) -> Iterator[Finding]:
    """The findings of all examinations, each as soon as it is there."""
    for name, examination in names.items():
        yield from examine(name, examination)
