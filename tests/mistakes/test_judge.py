"""The judge shares no code with what it judges."""

import ast
import sys
from pathlib import Path

import pytest

from tests.mistakes import judge
from tests.support import listing


@pytest.mark.parametrize("module", [judge, listing])
def test_the_judge_imports_nothing_of_what_it_judges(module):
    tree = ast.parse(Path(module.__file__).read_text())
    names = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}  # fmt: skip
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    others = {name.partition(".")[0] for name in names - {listing.__name__}}
    assert others - {*sys.stdlib_module_names} <= {"boto3", "botocore"}
