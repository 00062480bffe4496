"""`./run sbom [FILE]`: the service's bill of materials as CycloneDX JSON, from the locks.

https://cyclonedx.org/specification/overview/. Each package has its version, package URL, hashes, and the lock that pins
it; its licence, if it is installed here. The same locks give the same components in the same order.
"""

import sys
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from emailsvc.launcher.supply.locks import Pinned, list_locks, list_pinned


def main(arguments: Sequence[str]) -> int:
    text = write_bom(list_pinned(list_locks()))
    if arguments:
        Path(arguments[0]).write_text(text)
        sys.stderr.write(f"run: wrote {arguments[0]}\n")
    else:
        sys.stdout.write(text)
    return 0


def write_bom(packages: Iterable[Pinned]) -> str:
    service = Component(name="emailsvc", type=ComponentType.APPLICATION, bom_ref="emailsvc")
    bom = Bom(components=[describe(package) for package in packages])
    bom.metadata.component = service
    bom.register_dependency(service, bom.components)
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2) + "\n"


def describe(package: Pinned) -> Component:
    url = PackageURL("pypi", name=package.name, version=package.version)
    return Component(
        name=package.name,
        version=package.version,
        purl=url,
        bom_ref=f"{url}#{package.lock}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in package.hashes],
        licenses=[LicenseFactory().make_from_string(licence) for licence in find_licence(package)],
        properties=[Property(name="emailsvc:lock", value=package.lock)],
    )


def find_licence(package: Pinned) -> list[str]:
    """The licence expression that the installed package names (PEP 639, or the older field); none if it is not here."""
    try:
        fields: Any = metadata.metadata(package.name)
    except metadata.PackageNotFoundError:
        return []
    # Some older packages write the whole text of their licence into the field.
    licence = fields.get("License-Expression") or fields.get("License") or ""
    return [licence] if licence and "\n" not in licence else []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
