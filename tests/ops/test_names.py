"""The names in ops are those that infra gives."""

import re
from pathlib import Path

import pytest

from infra import alarms, container, service
from ops import routing
from stack.names import StackNames
from stack.settings import Settings

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("stack", ["poc", "prod"])
def test_prefix_and_repository_are_those_of_the_settings(stack):
    settings = object.__new__(Settings)
    object.__setattr__(settings, "project", "careapp")
    object.__setattr__(settings, "stack", stack)
    names = StackNames.of(stack)
    assert (names.prefix, names.repository) == (settings.prefix, settings.repository)
    assert names.container == container.NAME


@pytest.mark.parametrize(
    ("file", "declared", "name"),
    [
        ("service.py", r'aws\.ecs\.Cluster\([^)]*?name=f"([^"]+)"', "cluster"),
        ("service.py", r'aws\.ecs\.Service\([^)]*?name=f"([^"]+)"', "service"),
        ("load_balancer.py", r'aws\.lb\.LoadBalancer\([^)]*?name=f"([^"]+)"', "balancer"),
        ("load_balancer.py", r'aws\.lb\.TargetGroup\([^)]*?name=f"([^"]+)"', "target_group"),
        ("task.py", r'aws\.cloudwatch\.LogGroup\([^)]*?name=f"([^"]+)"', "log_group"),
        ("task.py", r"aws\.ecs\.TaskDefinition\([^)]*?family=(\w+)", "family"),
        ("database.py", r"aws\.rds\.Instance\([^)]*?identifier=(\w+)", "database"),
    ],
)
def test_a_name_is_the_one_that_infra_declares(file, declared, name):
    found = re.search(declared, (ROOT / "infra" / file).read_text(), re.DOTALL)
    template = found[1] if "{" in found[1] else f"{{{found[1]}}}"
    assert getattr(StackNames.of("poc"), name) == template.format(name="careapp-poc")


def test_the_rule_of_stage_2_has_the_number_that_infra_gives_it():
    assert routing.PRIORITY == service.RULE_PRIORITY


def test_the_alarms_that_a_pause_silences_are_infra_s():
    made = tuple(f"careapp-poc-{name}" for name in (alarms.RUNNING, alarms.PAGE_ERRORS))
    assert StackNames.of("poc").alarms_of_a_pause == made


def test_the_streams_of_tasks_begin_as_infra_lets_them():
    source = (ROOT / "infra/container.py").read_text()
    prefix = re.search(r'"awslogs-stream-prefix": (\w+)', source)
    names = StackNames.of("poc")
    assert names.streams == f"{getattr(container, prefix[1])}/{names.container}"
