"""packages/local-cloud/README.md: its last section lists types and functions, written from the stand-ins."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from local_cloud.providers.aws import OUTPUTS
from local_cloud.providers.aws.provider import FUNCTIONS
from local_cloud.providers.awsx import VPC
from local_cloud.providers.docker_provider import IMAGE
from tests.documents.markdown import ROOT

FILE = ROOT / "packages" / "local-cloud" / "README.md"
HEADING = "## Types\n"
INTRODUCTION = """
`python -m tests.documents` writes this section. In brackets: outputs besides `id`, `urn` and the inputs that are given.

| module | types and functions |
|---|---|
"""


def page() -> str:
    """Return the whole page: what is written by hand, and the table."""
    names = {python_name(token): outputs for token, outputs in OUTPUTS.items()}
    names |= dict.fromkeys(
        (python_name(VPC), python_name(IMAGE), *map(function_name, FUNCTIONS)), ()
    )
    written = FILE.read_text().partition(HEADING)[0] + HEADING
    return "".join((written, INTRODUCTION, *_rows(names)))


def _rows(names: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Yield a row for each module with what it has."""
    modules: dict[str, list[str]] = defaultdict(list)
    for name, outputs in sorted(names.items()):
        module, _, last = name.rpartition(".")
        modules[module].append(f"`{last}`" + (f" ({', '.join(outputs)})" if outputs else ""))
    for module, its in sorted(modules.items()):
        yield f"| `{module}` | {', '.join(its)} |\n"


def python_name(token: str) -> str:
    """Return the name of a type in Python: `aws.ec2.Vpc` for `aws:ec2/vpc:Vpc`."""
    package, module, name = token.split(":")
    module = module.partition("/")[0]
    return ".".join((package, *([module] if module != "index" else []), name))


def function_name(token: str) -> str:
    """Return the name of a function in Python: `aws.ssm.get_parameter`."""
    package, _, name = python_name(token).rpartition(".")
    return f"{package}.{re.sub(r'(?<=[a-z])(?=[A-Z])', '_', name).lower()}"
