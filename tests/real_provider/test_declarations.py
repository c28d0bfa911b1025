"""HashiCorp's AWS provider makes what the program declares, and changes it, in the local cloud as our stand-ins do."""

import os
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest
from moto.core.utils import get_service_model
from pulumi._types import input_type_types, is_input_type
from pulumi_aws import ecs

from local_cloud.aws import models
from local_cloud.calls import to_shape
from local_cloud.paths import ROOT

pytestmark = pytest.mark.slow


def test_every_resource_is_created_at_the_first_try(life):
    assert life.held == life.declared


def test_a_second_plan_is_empty(life):
    assert life.differing == {}


def test_what_aws_chooses_is_recorded(life):
    """A default that is not AWS's is in no plan: the provider takes what it reads."""
    file = Path(__file__).with_name("defaults.txt")
    if os.environ.get("RECORD"):
        file.write_text("".join(f"{path}: {value}\n" for path, value in life.defaults.items()))
    assert life.defaults == dict(line.split(": ", 1) for line in file.read_text().splitlines())


def test_a_change_of_all_settings_is_made_as_pulumi_did_it(life):
    differing = {
        address: (life.previewed.get(address), life.changed.get(address))
        for address in {*life.previewed, *life.changed}
        if life.previewed.get(address) != life.changed.get(address)
    }
    assert differing == {}, "what Pulumi did, and what the provider did"
    assert len(life.changed) > 10


def test_a_plan_after_the_change_is_empty(life):
    # Application Auto Scaling has changed it, which Pulumi ignores.
    scaled = {each for each in life.differing_after if each.endswith("service.desired_count")}
    assert life.differing_after.keys() - scaled == set()


def test_another_value_replaces_what_it_replaces_in_the_stand_ins(life):
    """Of every argument of which the schemas take another value; of a reference that is another id."""
    differing = {name for name, (ours, provider) in life.replaced.items() if ours != provider}
    # The provider changes an association, of which Pulumi's does not know it (pulumi/pulumi-aws#3911). A balancer of
    # another type is a network load balancer, whose subnets cannot be exchanged.
    assert differing == {"aws_route_table_association.route_table_id", "aws_lb.subnets"}
    assert sum(provider for _, provider in life.replaced.values()) > 90


def test_a_destroy_leaves_nothing(life):
    assert life.remains == []


def test_the_log_of_the_local_cloud_has_no_traceback(life, tmp_path_factory):
    [log] = tmp_path_factory.getbasetemp().glob("real0/home/cloud.log")
    assert "Traceback" not in log.read_text()


def test_the_readme_has_the_number_of_resources(life):
    """In both languages, from this run."""
    for stack, number in Counter(
        each.split(".")[1].split("_")[0] for each in life.declared
    ).items():
        number = f"{stack} {number}"
        for page in ("README.md", "README.ja.md"):
            assert number in (ROOT / page).read_text().replace("`", ""), number


LACKING = {
    "aws_ecs_service.deployment_configuration": (
        "deploymentConfiguration",
        ecs.ServiceDeploymentConfigurationArgs,
    ),
    "aws_ecs_service.load_balancer.advanced_configuration": (
        "loadBalancers",
        ecs.ServiceLoadBalancerAdvancedConfigurationArgs,
    ),
}
"""What 5.100 cannot express, with ECS's parameter and pulumi_aws's type: strategies, hooks and test rules."""


def test_what_the_provider_lacks_is_known_to_pulumi_and_ecs(life):
    assert {path for path, _ in life.missing} == LACKING.keys()
    request = get_service_model("ecs").operation_model("CreateService").input_shape
    strategies = set()
    for path, value in life.missing:
        parameter, form = LACKING[path]
        assert unknown(form, value) == []
        nested = [{"advancedConfiguration": value}] if "advanced" in path else value
        sent = to_shape(request.members[parameter], nested)
        assert models.problem("ecs", "CreateService", {"serviceName": "a", parameter: sent}) is None
        strategies.add(value.get("strategy"))
    assert {"ROLLING", "CANARY"} < strategies


def unknown(form, value):
    """The names in a value that pulumi_aws's type lacks."""
    if isinstance(value, list):
        return [name for each in value for name in unknown(form, each)]
    if not isinstance(value, dict):
        return []
    types = input_type_types(form)
    given = {name: each for name, each in value.items() if name != "__defaults"}
    inner = [name for key in types.keys() & given for name in unknown(of(types[key]), given[key])]
    return [*(given.keys() - types.keys()), *inner]


def of(kind):
    """The structure in a type, which may be a list of it, or of what becomes one."""
    while not is_input_type(kind) and get_args(kind):
        kind = get_args(kind)[0]
    return kind
