"""`./run image NAME:TAG`: build the container image of a release on a base whose digest is fixed.

The Dockerfile names its base by a tag, which may mean another image tomorrow. We ask for the digest of the tag today,
build on that, and note both in the image's labels
(https://github.com/opencontainers/image-spec/blob/main/annotations.md), so that an image tells what it was built on.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[3]
BASE = re.compile(r"^ARG BASE=(\S+)$", re.MULTILINE)
DIGEST = re.compile(r"@(sha256:[0-9a-f]{64})$")
LABEL = "org.opencontainers.image"
USAGE = "./run image takes one name, such as registry.example.com/emailsvc:1.2"


class ImageError(Exception):
    """Why there is no image, in one sentence."""


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.stderr.write(f"run: {USAGE}\n")
        return 2
    try:
        base, digest = build_image(arguments[0])
    except ImageError as error:
        sys.stderr.write(f"run: {error}\n")
        return 2
    sys.stderr.write(f"run: built {arguments[0]} on {base}@{digest}\n")
    return 0


def build_image(name: str) -> tuple[str, str]:
    """The base and its digest. Raises ImageError."""
    base = read_base()
    docker("pull", "--quiet", base)
    digest = find_digest(base)
    labels = {f"{LABEL}.base.name": base, f"{LABEL}.base.digest": digest, f"{LABEL}.revision": find_revision()}
    words = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
    docker("build", "--build-arg", f"BASE={base}@{digest}", *words, "--tag", name, str(ROOT))
    return base, digest


def read_base() -> str:
    found = BASE.search((ROOT / "Dockerfile").read_text())
    if found is None:
        raise ImageError("the Dockerfile has no line ARG BASE=…")
    return found[1]


def find_digest(base: str) -> str:
    listed = docker("image", "inspect", "--format", "{{range .RepoDigests}}{{println .}}{{end}}", base)
    digests = {found[1] for line in listed.splitlines() if (found := DIGEST.search(line.strip()))}
    if len(digests) != 1:
        raise ImageError(
            f"{base} has {len(digests)} digests here, not one; remove it with docker image rm, and try again"
        )
    return digests.pop()


def find_revision() -> str:
    """The commit; one with changes that are not committed is marked."""
    command = ("git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def docker(*words: str) -> str:
    """What the command wrote; its progress goes to our stderr. Raises ImageError."""
    program = shutil.which("docker")
    if program is None:
        raise ImageError("docker is not installed here")
    done = subprocess.run([program, *words], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise ImageError(f"docker {words[0]} failed with exit status {done.returncode}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
