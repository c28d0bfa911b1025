"""rehearsal/README.md: its last section is the table of types, written from the stand-ins."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rehearsal.providers.aws import KINDS
from rehearsal.providers.aws.provider import FUNCTIONS
from rehearsal.providers.awsx import VPC
from rehearsal.providers.docker_provider import IMAGE
from tests.documents.markdown import ROOT

FILE = ROOT / "rehearsal" / "README.md"
HEADING = "## Types\n"
INTRODUCTION = """
`python -m tests.documents` writes this section from the code.

| type | created by |
|---|---|
"""
FUNCTIONS_HEAD = "\n| function |\n|---|\n"


def page() -> str:
    """Return the whole page: what is written by hand, and the tables."""
    return FILE.read_text().partition(HEADING)[0] + HEADING + INTRODUCTION + "".join(_lines())


def _lines() -> Iterator[str]:
    rows = {
        python_name(each.token): f"{each.service}: {each.create}" for each in KINDS.values()
    } | {
        python_name(VPC): "its children, which are types of this table",
        python_name(IMAGE): "a build of the Dockerfile, and ecr: put_image",
    }
    for name, made in sorted(rows.items()):
        yield f"| `{name}` | {made} |\n"
    yield FUNCTIONS_HEAD
    for token in sorted(FUNCTIONS):
        yield f"| `{function_name(token)}` |\n"


def python_name(token: str) -> str:
    """Return the name of a type in Python: `aws.ec2.Vpc` for `aws:ec2/vpc:Vpc`."""
    package, module, name = token.split(":")
    module = module.partition("/")[0]
    return ".".join((package, *([module] if module != "index" else []), name))


def function_name(token: str) -> str:
    """Return the name of a function in Python: `aws.ssm.get_parameter`."""
    package, _, name = python_name(token).rpartition(".")
    return f"{package}.{re.sub(r'(?<=[a-z])(?=[A-Z])', '_', name).lower()}"
