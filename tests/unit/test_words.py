"""ecs_gate speaks to anybody with an ECS service: no word of careapp, and of Pulumi only where it belongs to it."""

import ast
import os
import re
import subprocess
import sys

import pytest

from careapp import ROOT
from careapp.settings.settings import KEYS
from tests.catalogues import GATE, messages

CAREAPP = re.compile(
    r"(?i)careapp|stack file|pulumi config|infra/|webapp|docs/[\w-]+\.md|deploy ?command\b"
)
OF_PULUMI = {"pulumi.py", "pulumi_remedies.py", "waiting.py", "deletions.py"}
FILES = [file for file in sorted(GATE[0].rglob("*.py"))]
AWS_S = {"containerPort"}
"""Settings of careapp that are fields of AWS, too."""
SETTINGS = re.compile(rf"\b({'|'.join(sorted({key.name for key in KEYS} - AWS_S))})\b")


def name_of(file):
    return str(file.relative_to(GATE[0]))


def words(file):
    """The text of a file without the keys by which an owner's remedies are asked: "taskMemory", {taskMemory}."""
    text = file.read_text()
    return re.sub(r'"[a-z]+[A-Z]\w*"|\{\w+\}', "", text)


def docstrings(file):
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, kinds)]
    return "\n".join(ast.get_docstring(node) or "" for node in nodes)


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_the_gate_has_no_word_of_careapp(file):
    assert CAREAPP.findall(words(file)) == []
    if file.name not in OF_PULUMI:
        assert re.findall(r"(?i)pulumi", words(file)) == []


def test_the_gate_s_texts_name_no_setting_of_careapp():
    said = re.sub(r"\{\w+\}", "", "\n".join([*messages(GATE), *map(docstrings, FILES)]))
    named = {name for name in SETTINGS.findall(said) if re.search("[A-Z]", name)}
    assert named == set(), (
        "name it in braces, `{taskMemory}`: the owner's remedies say how it is called"
    )


def test_its_japanese_names_nothing_of_careapp():
    text = (ROOT / "packages/ecs-gate/ecs_gate/text/locale/ja/LC_MESSAGES/ecs_gate.po").read_text()
    text = re.sub(r"\{\w+\}", "", text)
    assert CAREAPP.findall(text) == []
    assert {name for name in SETTINGS.findall(text) if re.search("[A-Z]", name)} == set()


def test_the_gate_speaks_japanese_without_careapp():
    code = "import sys; from ecs_gate.aws.errors import log_in; print(log_in(None), 'careapp' in sys.modules)"
    command, env = [sys.executable, "-c", code], {**os.environ, "ECS_GATE_LANG": "ja"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert "ログインし直すか" in done.stdout
    assert re.findall("AWS_PROFILE|スタックファイル|False", done.stdout) == ["AWS_PROFILE", "False"]
