"""What GitHub shows of a roll-out: the annotation, the job's summary, and the steps of the action that make them."""

import io
import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from ecs_gate import github
from ecs_gate.diagnosis.catalogue import Facts
from ecs_gate.diagnosis.findings import Diagnosis, Finding, Fix
from ecs_gate.diagnosis.screen import as_dict
from ecs_gate.text import t, verbatim
from ecs_gate.text.masking import mask_data

ACTION = Path(__file__).parents[2] / "action.yml"
BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
"""How a runner starts the shell of a step with `shell: bash` (GitHub's documentation, "Workflow syntax")."""


def data(*findings, text="the roll-out failed: web:7 has no running task\n\nDeploy again."):
    """The data of `--json` for a roll-out that failed."""
    diagnosis = Diagnosis(names="goods/web", stage=t("there"), findings=findings, unread=())
    known = {"cluster": "goods", "service": "web", "exitCode": 1, "text": text}
    return mask_data({**known, "diagnosis": as_dict(diagnosis)})


def cause(title="The image is not in ECR", **how):
    facts = Facts("no-image", depth=1, places=())
    return Finding(facts, title=verbatim(title), why=verbatim("ECS pulls it at each start."), **how)


def test_summary_has_the_cause_its_cure_and_the_evidence_then_all_that_was_printed():
    fix = Fix(t("Push it, and deploy:"), ("docker push goods:7", "pulumi up"))
    seen, evidence = (verbatim("goods:7"),), ("CannotPullContainerError: not found",)
    warned = cause("A task has 256 MiB", kind="warning")
    found = data(cause(seen=seen, fixes=(fix,), evidence=evidence), warned)
    assert github.markdown(found) == (
        "### ecs-gate: web (goods)\n\n"
        "the roll-out failed: web:7 has no running task\n\n"
        "#### cause: The image is not in ECR\n\n"
        "- goods:7\n\n"
        "**Why**: ECS pulls it at each start.\n\n"
        "**Do**: Push it, and deploy:\n\n"
        "```\ndocker push goods:7\npulumi up\n```\n\n"
        "```\nCannotPullContainerError: not found\n```\n\n"
        "#### warning: A task has 256 MiB\n\n"
        "**Why**: ECS pulls it at each start.\n\n"
        "<details><summary>All that was printed</summary>\n\n"
        "```\nthe roll-out failed: web:7 has no running task\n\nDeploy again.\n```\n\n"
        "</details>\n\n"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a | b", r"a \| b"),
        ("`rm` *all* _of_ it", r"\`rm\` \*all\* \_of\_ it"),
        ("[click](https://shop.example)", r"\[click\](https://shop.example)"),
        ("<img src=x> & <b>", r"\<img src=x\> \& \<b\>"),
        ("one\ntwo\r\n\n# three", r"one two \# three"),
        ("- a list", r"\- a list"),
        ("12. of a list", r"12\. of a list"),
        ("100% of 3.5", "100% of 3.5"),
        ("a\\b", r"a\\b"),
    ],
)
def test_text_is_never_markdown(text, shown):
    assert github.inline(text) == shown
    assert f"#### cause: {shown}\n" in github.markdown(data(cause(text)))


def test_a_code_block_ends_only_after_its_text():
    whole = github.markdown(data(cause(evidence=("a ``` b", "````"))))
    assert "\n`````\na ``` b\n````\n`````\n" in whole


def test_annotation_is_one_line_whatever_its_text():
    """`%`, and line ends, and in a property also what ends it, are written as the runner reads them."""
    fix = Fix(t("Do it:"), ("a && b", "c"))
    line = github.annotation(data(cause("100%, it\nfails: ::no", fixes=(fix,))))
    assert line == (
        "::error title=100%25%2C it%0Afails%3A %3A%3Ano"
        "::ECS pulls it at each start.%0ADo: Do it:%0Aa && b%0Ac"
    )


def test_annotation_without_a_cause_has_what_is_known():
    assert github.annotation({"exitCode": 2, "text": "no right:\n50% read"}) == (
        "::error title=ecs-gate::no right:%0A50%25 read"
    )
    warned = data(cause(kind="warning"), text="another one deploys")
    assert github.annotation(warned) == (
        "::error title=ecs-gate%3A web (goods)::another one deploys"
    )


def test_secrets_are_masked_in_both():
    known = "postgresql://shop:hunter2@db/shop"
    found = data(cause(f"It cannot reach {known}", evidence=(known,)), text=f"failed\n{known}")
    both = github.markdown(found) + github.annotation(found)
    assert ("hunter2" in both, "shop:" in both) == (False, True)


def test_a_roll_out_that_runs_is_in_the_summary_alone(tmp_path, monkeypatch):
    summary, out = tmp_path / "summary", io.StringIO()
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    runs = {"cluster": "goods", "service": "web", "exitCode": 0, "text": "web:7 runs"}
    github.show({**runs, "diagnosis": None}, out)
    assert out.getvalue() == ""
    assert summary.read_text() == "before\n### ecs-gate: web (goods)\n\nweb:7 runs\n\n"
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    github.show({**runs, "exitCode": 3, "diagnosis": None}, out)
    assert out.getvalue() == "::error title=ecs-gate%3A web (goods)::web:7 runs\n"


@pytest.fixture
def follow(tmp_path):
    """Run the step of the action that follows; return its exit code, its output, and what ecs-gate was called with."""
    _, step = yaml.safe_load(ACTION.read_text())["runs"]["steps"]
    command, called = tmp_path / "ecs-gate" / "bin" / "ecs-gate", tmp_path / "called"
    command.parent.mkdir(parents=True)

    def follow(code, **given):
        inputs = {"CLUSTER": "goods", "SERVICE": "web", "ROLL_BACK": "false", **given}
        variables = {name: inputs.get(name, "") for name in step["env"]}
        assert inputs.keys() <= step["env"].keys()
        command.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >"{called}"\nexit {code}\n')
        command.chmod(0o755)
        environment = {**variables, "RUNNER_TEMP": str(tmp_path), "PATH": os.environ["PATH"]}
        done = subprocess.run(
            [*BASH, step["run"]], env=environment, capture_output=True, text=True, check=False
        )
        words = called.read_text().splitlines() if called.exists() else []
        return done.returncode, done.stdout + done.stderr, words

    return follow


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4])
def test_the_action_keeps_the_exit_code(follow, code):
    words = ["wait", "--github", "--cluster", "goods", "--service", "web"]
    assert follow(code) == (code, "", words)


def test_the_action_hands_on_what_it_is_given_as_it_is(follow):
    odd = 'a b"; touch $(hacked) `x` *'
    names = ("CLUSTER", "SERVICE", "TASK_DEFINITION", "PAGE", "EXPECTS", "MINUTES")
    given = {name: f"{name} {odd}" for name in names}
    code, said, words = follow(0, **given, ROLL_BACK="true")
    assert (code, said) == (0, "")
    options = ((f"--{name.lower().replace('_', '-')}", value) for name, value in given.items())
    assert words == [
        "wait",
        "--github",
        *(word for pair in options for word in pair),
        "--roll-back",
    ]


def test_the_action_refuses_a_roll_back_that_is_neither(follow):
    assert follow(0, ROLL_BACK="yes") == (
        *(4, "::error title=ecs-gate::roll-back is neither true nor false\n", []),
    )


def test_the_action_reads_each_of_its_inputs_by_a_variable():
    action = yaml.safe_load(ACTION.read_text())
    _, step = action["runs"]["steps"]
    expected = {f"${{{{ inputs.{name} }}}}" for name in action["inputs"]}
    assert {*step["env"].values()} == expected
    assert "${{" not in json.dumps([each["run"] for each in action["runs"]["steps"]])
