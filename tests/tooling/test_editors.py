"""What editors and Git are told of the project is what the project does."""

from __future__ import annotations

import json

import yaml

from rehearsal.aws.elb.balancer import USUAL_PORTS
from rehearsal.cli import dev as command
from rehearsal.page import launch
from rehearsal.paths import ROOT
from tests.lint.test_lint import CHECKS


def test_the_dev_container_forwards_the_app_the_balancer_and_the_page():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    [dev] = [each.default for each in command.params if each.name == "port"]
    assert container["forwardPorts"] == [dev, USUAL_PORTS["HTTP", 80], launch.PORT]


def test_a_commit_is_judged_by_the_same_ruff_as_in_ci():
    [repository] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    judged = {tuple(check.split()[:-1]) for check in CHECKS if check.startswith("ruff ")}
    hooks = {tuple(hook["entry"].split()) for hook in repository["hooks"]}
    assert {words[:-1] for words in hooks} == {
        (f".venv/bin/{each[0]}", *each[1:]) for each in judged
    }
    assert {words[-1] for words in hooks} == {"--force-exclude"}
