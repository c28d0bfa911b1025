"""What editors and Git are told of the project is what the project does."""

from __future__ import annotations

import json

import yaml

from rehearsal.__main__ import main
from rehearsal.data.balancer import USUAL_PORTS
from rehearsal.page import launch
from rehearsal.paths import ROOT
from tests.tiers import TIERS


def test_the_dev_container_forwards_the_app_the_balancer_and_the_page():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    [dev] = [each.default for each in main.commands["dev"].params if each.name == "port"]
    assert container["forwardPorts"] == [dev, USUAL_PORTS["HTTP", 80], launch.PORT]


def test_a_commit_is_judged_by_the_same_ruff_as_in_ci():
    [repository] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    [lint] = [tier for tier in TIERS if tier.name == "lint"]
    judged = {tuple(word for word in check if word != ".") for check in lint.checks}
    hooks = {tuple(hook["entry"].split()) for hook in repository["hooks"]}
    assert {(program, *words[:-1]) for program, *words in hooks} == {
        (f".venv/bin/{program}", *words) for program, *words in judged if program == "ruff"
    }
    assert {words[-1] for words in hooks} == {"--force-exclude"}
