"""The names of images."""

import re

PARTS = re.compile(
    r"(?:(?P<account>\d+)\.dkr[.-]ecr(?:-fips)?\.(?P<region>[\w-]+)\.[\w.-]+/)?"
    r"(?P<repository>[^@]+?)(?::(?P<tag>[^@:/]+))?(?:@(?P<digest>.+))?"
)
"""Account and region are those of ECR: `.dkr-ecr.` is dual-stack, and each partition has a domain of its own
(AWS general reference, "Amazon ECR endpoints"; awslabs/amazon-ecr-credential-helper, ecrPattern)."""


def image_parts(name: str) -> dict[str, str]:
    """Return the parts of an image's name, "" for those that it lacks. Raises ValueError for another text."""
    match = PARTS.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is no name of an image")
    return match.groupdict("")
