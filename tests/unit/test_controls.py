"""Every control of Security Hub, judged on each stack's resources: the table in docs/ cannot lie."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.controls.control import Control, judged, offenders
from tests.controls.ecs import TASK
from tests.controls.example import one
from tests.controls.examples import ALSO_WRONG, EXAMPLES
from tests.controls.graph import ROOT, Graph, graph_of
from tests.controls.left_out import LEFT_OUT
from tests.controls.options import BASE, OPTIONS, surprises
from tests.controls.table import CONTROLS, ELSEWHERE, SERVICES, page, verdict

CHECKED = [control for control in CONTROLS if control.wrong]
OURS = {"careapp", "pulumi"}
STANDARD = {
    "ECS": "2 3 4 5 8 9 10 12 16 17 18 19 20 21",
    "ECR": "1 2 3",
    "ELB": "1 2 3 4 5 6 7 8 9 10 12 13 14 17 18 21 22",
    "ACM": "1 2",
    "Route53": "2",
    "RDS": "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 19 20 21 22 23 24 25 27 34 35 36 37 40 41"
    " 42 43 44 45 46 47 48 50 51",
    "EC2": "1 2 3 4 6 7 8 9 10 15 16 17 18 19 20 21 23 24 25 51 55 56 57 58 60 170 171 172 173 180"
    " 181 182 183",
    "SecretsManager": "1 2 3 4",
    "IAM": "1 2 3 4 5 6 7 8 21",
    "KMS": "1 2 3 5",
    "S3": "1 2 3 5 6 8 9 12 13 19 24 25",
    "SNS": "4",
    "SSM": "1 2 3 4 6 7",
    "AutoScaling": "1 2 3 5 6 9",
    "EventBridge": "3",
    "CloudWatch": "15 16 17",
}
"""Security Hub User Guide, "AWS Foundational Security Best Practices standard" and each service's
own page, as of 2026; CloudWatch's are of NIST SP 800-53."""


@pytest.fixture(scope="module")
def graphs():
    """The graphs of the stacks; those of the options are at work meanwhile."""
    asked = [(stack,) for stack in LEFT_OUT] + [(BASE, *option.settings) for option in OPTIONS]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        every = list(pool.map(lambda one: graph_of(*one), asked))
    return dict(zip(LEFT_OUT, every, strict=False))


def optional(option):
    return graph_of(BASE, *option.settings)


def test_every_control_of_the_standard_is_listed_once():
    listed = sorted(control.id for control in (*CONTROLS, *ELSEWHERE))
    assert listed == sorted(
        f"{name}.{number}" for name, numbers in STANDARD.items() for number in numbers.split()
    )


@pytest.mark.parametrize("stack", LEFT_OUT)
def test_a_stack_meets_every_control_but_those_left_out_with_a_reason(graphs, stack):
    failing = {
        control.id: [str(resource) for resource in found]
        for control in CONTROLS
        if (found := offenders(control, graphs[stack]))
    }
    without_reason = {key: found for key, found in failing.items() if key not in LEFT_OUT[stack]}
    met_after_all = LEFT_OUT[stack].keys() - failing
    assert (without_reason, met_after_all) == ({}, set())


@pytest.mark.parametrize("stack", LEFT_OUT)
def test_what_is_said_to_be_no_stack_s_business_is_in_no_stack(graphs, stack):
    taken_on = [(each.id, graphs[stack].of(*each.kinds)) for each in ELSEWHERE]
    assert [entry for entry in taken_on if entry[1]] == []


@pytest.mark.parametrize("stack", LEFT_OUT)
def test_every_resource_is_of_a_service_whose_controls_are_listed(graphs, stack):
    """A queue, or a file system, would bring controls that nobody has looked at."""
    known = OURS | {module for service in SERVICES for module in service.modules}
    modules = {kind_of(resource.kind) for resource in graphs[stack].resources}
    assert modules - known == set()


def kind_of(token):
    """`ecs` of `aws:ecs/service:Service`; the package, where there is more than one of it."""
    package, module, _ = token.split(":")
    return module.partition("/")[0] if package == "aws" else package


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: " ".join(option.settings))
def test_a_setting_leaves_out_what_is_said_of_it_and_nothing_else(graphs, option):
    assert surprises(option, CONTROLS, optional(option)) == set()


def test_the_page_is_what_the_graphs_say(graphs):
    written = (ROOT / "docs" / "controls.md").read_text()
    assert written == page(graphs, optional), "run `python -m tests.controls`"


def test_every_check_has_an_example():
    assert {control.id for control in CHECKED} == EXAMPLES.keys()


@pytest.mark.parametrize("control", CHECKED, ids=lambda control: control.id)
def test_a_control_passes_what_is_good_and_fails_what_is_not(control):
    example = EXAMPLES[control.id]
    assert judged(control, example.good), "the example has nothing that the control judges"
    assert offenders(control, example.good) == []
    assert len(offenders(control, example.bad)) == 1


@pytest.mark.parametrize(("name", "graph"), ALSO_WRONG.values(), ids=ALSO_WRONG)
def test_a_control_fails_what_is_wrong_in_another_way(name, graph):
    [control] = [each for each in CHECKED if each.id == name]
    assert len(offenders(control, graph)) == 1


def test_a_resource_that_no_check_judges_yet_is_an_error():
    control = Control("ECS.99", "Tasks are blue", "task definition", (TASK,))
    assert offenders(control, Graph(())) == []
    with pytest.raises(ValueError, match=r"ECS\.99 has no check yet, and the stack has Task"):
        offenders(control, Graph((one(TASK),)))


def test_a_control_that_fails_without_a_reason_stops_the_page():
    [control] = [each for each in CHECKED if each.id == "RDS.3"]
    with pytest.raises(
        ValueError, match=r"RDS\.3 .* fails in prod: Instance it; mend it in infra/"
    ):
        verdict(control, "prod", EXAMPLES["RDS.3"].bad)
