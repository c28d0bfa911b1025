"""The names of images."""

import re

PARTS = re.compile(
    r"(?:(?P<account>\d+)\.dkr\.ecr\.(?P<region>[\w-]+)\.amazonaws\.com(?:\.cn)?/)?"
    r"(?P<repository>[^@]+?)(?::(?P<tag>[^@:/]+))?(?:@(?P<digest>.+))?"
)
"""Account and region are those of ECR (ECR user guide, "Amazon ECR private repositories")."""


def image_parts(name: str) -> dict[str, str]:
    """Return the parts of an image's name, "" for those that it lacks. Raises ValueError for another text."""
    match = PARTS.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is no name of an image")
    return match.groupdict("")
