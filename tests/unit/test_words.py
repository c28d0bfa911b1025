"""ecs_gate/ speaks to anybody with an ECS service: no word of careapp, and of Pulumi only where it belongs to it."""

import ast
import os
import re
import subprocess
import sys

import pytest

from local_cloud.paths import ROOT
from stack.settings import KEYS
from tests.catalogues import GATE, messages

CAREAPP = re.compile(
    r"(?i)careapp|stack file|pulumi config|infra/|webapp|docs/[\w-]+\.md|deploy ?command\b"
)
OF_PULUMI = {"pulumi.py", "waiting.py", "deletions.py"}
FILES = [
    each
    for each in sorted((ROOT / "ecs_gate").rglob("*.py"))
    if "tests" not in each.relative_to(ROOT).parts
]
AWS_S = {"containerPort"}
"""Settings of careapp that are fields of AWS, too."""
SETTINGS = re.compile(rf"\b({'|'.join(sorted({each.name for each in KEYS} - AWS_S))})\b")


def name_of(file):
    return str(file.relative_to(ROOT / "ecs_gate"))


def words(file):
    """The text of a file without the keys by which an owner's remedies are asked: `called("taskMemory")`."""
    text = file.read_text()
    return re.sub(r'"[a-z]+[A-Z]\w*"', "", text)


def docstrings(file):
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [each for each in ast.walk(ast.parse(file.read_text())) if isinstance(each, kinds)]
    return "\n".join(ast.get_docstring(each) or "" for each in nodes)


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_the_gate_has_no_word_of_careapp(file):
    assert CAREAPP.findall(words(file)) == []
    if file.name not in OF_PULUMI:
        assert re.findall(r"(?i)pulumi", words(file)) == []


def test_the_gate_s_texts_name_no_setting_of_careapp():
    assert "ログインし直すか" in done.stdout
    assert re.findall("AWS_PROFILE|stack file|False", done.stdout) == ["AWS_PROFILE", "False"]
