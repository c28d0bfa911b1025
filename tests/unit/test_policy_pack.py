"""Each policy passes what meets its control and reports what does not; test_declared has the stacks."""

import json
import re
from pathlib import Path

import pytest
import yaml
from pulumi_policy import ResourceValidationArgs, StackValidationArgs, StackValidationPolicy
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

from careapp.policy import CONTROLS, controls
from careapp.policy.controls import as_policy, left_out
from careapp.rehearsal.stages import Rehearsal
from local_cloud.engine.pulumi import Changes, Pulumi
from local_cloud.run.client import RunningCloud
from tests.documents.controls import page
from tests.support.declared import ROOT, document, resource

BY_ID = {control.id: control for control in CONTROLS}


def containers(*items):
    return {"containerDefinitions": json.dumps(items)}


def rows(name):
    return yaml.safe_load(Path(__file__).with_name(f"{name}.yaml").read_text())


def example(props):
    """Return properties of controls.yaml; containers and policies are texts in a resource."""
    texts = ("containerDefinitions", "policy")
    return {key: json.dumps(value) if key in texts else value for key, value in props.items()}


EXAMPLES = {
    name: (example(row["good"]), example(row["bad"])) for name, row in rows("controls").items()
}
"""Of controls of one resource: properties that meet it, and those that violate it."""


def pointing(target, kind, key, **props):
    """A resource whose property `key` comes from the target."""
    one = resource(kind, **props)
    one.property_dependencies = {key: [target]}
    return one


def stack_of(rows):
    """Return the resources of a row of control_stacks.yaml."""
    made = []
    for kind, *more in rows:
        props, needs = [*more, {}, {}][:2]
        made.append(resource(kind, **example(props)))
        made[-1].property_dependencies = {key: [made[at]] for key, at in needs.items()}
    return made


def placed(subnet_id="subnet-1", **route):
    """A database in a subnet whose route table has this route."""
    subnet = resource("aws:ec2/subnet:Subnet")
    table = resource("aws:ec2/routeTable:RouteTable")
    ids = [subnet_id]
    group = pointing(subnet, "aws:rds/subnetGroup:SubnetGroup", "subnetIds", subnetIds=ids)
    kind = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    link = pointing(subnet, kind, "subnetId", subnetId=subnet_id)
    link.property_dependencies["routeTableId"] = [table]
    way = {"destinationCidrBlock": "0.0.0.0/0"} | route
    out = pointing(table, "aws:ec2/route:Route", "routeTableId", **way)
    database = pointing(group, "aws:rds/instance:Instance", "dbSubnetGroupName")
    return [database, group, subnet, link, table, out]


FLOW_LOG = "aws:ec2/flowLog:FlowLog"
STACKS = {
    "RDS.46": (placed(natGatewayId="n"), placed(gatewayId="i")),
    **{
        name: (stack_of(row["good"]), stack_of(row["bad"]))
        for name, row in rows("control_stacks").items()
    },
}
"""Of controls of several resources: those of a stack that meets it, and of one that does not."""
ALSO_WRONG = {
    "a user that is absent": ("ECS.20", containers({})),
    "root by name": ("ECS.20", containers({"user": "root"})),
    "a role with an inline policy": ("IAM.1", {"inlinePolicies": [{"policy": document("*")}]}),
    "a rule of a low port to a high one": (
        "EC2.19",
        {"cidrIpv4": "0.0.0.0/0", "ipProtocol": "tcp", "fromPort": 0, "toPort": 65535},
    ),
    "a default action that answers": (
        "ELB.1",
        [resource("aws:lb/listener:Listener", protocol="HTTP", defaultActions=[{}])],
    ),
    "a database without a subnet group": ("RDS.46", [resource("aws:rds/instance:Instance")]),
    "a subnet with the VPC's main route table": ("RDS.46", placed(natGatewayId="n")[:3]),
    "a default group that the stack leaves to AWS": ("EC2.2", [resource("aws:ec2/vpc:Vpc")]),
    "a bucket without a policy": ("S3.5", [resource("aws:s3/bucket:Bucket")]),
}
"""Other properties, or stacks, that violate a control."""


def reported(control_id, *resources):
    """What the control's policy reports when the engine asks it, on plain dicts: each resource's name."""
    policy = as_policy(BY_ID[control_id])
    found = []

    def report(_, urn):
        found.append(urn.rpartition("::")[2])

    if isinstance(policy, StackValidationPolicy):
        policy.validate(StackValidationArgs([*resources]), report)
        return found
    for one in resources:
        args = ResourceValidationArgs(
            one.resource_type, one.props, one.urn, one.name, one.opts, None
        )
        policy.validate(args, report)
    return found


def single(control_id, props, stack="prod"):
    return resource(BY_ID[control_id].kinds[0], "it", stack, **props)


def test_every_control_has_an_example():
    assert BY_ID.keys() == EXAMPLES.keys() | STACKS.keys(), (
        "each control of careapp.policy has a good and a bad resource in controls.yaml or control_stacks.yaml"
    )


@pytest.fixture
def strict(monkeypatch):
    """No stack leaves anything out."""
    monkeypatch.setattr(controls, "left_out", lambda _: {})


@pytest.mark.parametrize("control_id", [*EXAMPLES, *STACKS])
def test_a_policy_passes_what_is_good_and_reports_what_is_not(strict, control_id):
    good, bad = STACKS.get(control_id) or (
        [single(control_id, props)] for props in EXAMPLES[control_id]
    )
    assert reported(control_id, *good) == []
    assert reported(control_id, *bad) == ["it"]


@pytest.mark.parametrize(("control_id", "wrong"), ALSO_WRONG.values(), ids=ALSO_WRONG)
def test_a_policy_reports_what_is_wrong_in_another_way(strict, control_id, wrong):
    resources = wrong if isinstance(wrong, list) else [single(control_id, wrong)]
    assert reported(control_id, *resources) == ["it"]


def test_a_rule_within_a_security_group_is_checked_as_one_beside_it(strict):
    group = "aws:ec2/securityGroup:SecurityGroup"
    inner = {"cidrBlocks": ["0.0.0.0/0"], "protocol": "tcp", "fromPort": 22, "toPort": 22}
    assert reported("EC2.18", resource(group, ingress=[inner])) == ["it"]
    assert reported("EC2.18", resource(group)) == []


def test_a_public_subnet_on_which_the_group_only_depends_is_fine(strict):
    """Each output of awsx's VPC depends on all of its subnets."""
    own, other = placed("subnet-1", natGatewayId="n"), placed("subnet-2", gatewayId="i")
    for one in other:
        one.urn += "-2"
    own[1].property_dependencies["subnetIds"] += other[2:3]
    assert reported("RDS.46", *own, *other[2:]) == []
    own[1].props["subnetIds"].append("subnet-2")
    assert reported("RDS.46", *own, *other[2:]) == ["it"]


def test_what_a_preview_does_not_know_is_no_violation(strict):
    unknown = unknown_checking_proxy({"containerDefinitions": UNKNOWN_STRING_VALUE})
    task = resource("aws:ecs/taskDefinition:TaskDefinition")
    task.props = unknown
    assert reported("ECS.5", task) == []
    database = placed(gatewayId="i")
    database[1].props = unknown_checking_proxy({"subnetIds": UNKNOWN_STRING_VALUE})
    assert reported("RDS.46", *database) == []


def test_what_comes_from_awsx_s_component_points_at_the_vpc_in_it(strict):
    component = resource("awsx:ec2:Vpc", "network")
    vpc = resource("aws:ec2/vpc:Vpc")
    vpc.parent = component
    log = pointing(component, FLOW_LOG, "vpcId", trafficType="ALL")
    assert reported("EC2.6", vpc, component, log) == []


def test_a_stack_without_a_section_of_its_own_has_the_rules_of_prod():
    assert left_out("copied") == left_out("prod")
    bad = EXAMPLES["RDS.5"][1]
    asked = {name: single("RDS.5", bad, name) for name in ("poc", "prod", "copied")}
    found = {name: reported("RDS.5", one) for name, one in asked.items()}
    assert found == {"poc": [], "prod": ["it"], "copied": ["it"]}


def test_what_is_left_out_somewhere_is_a_control():
    written = controls.reasons()
    named = {*written["every stack"]}
    for part in ("stacks", "settings"):
        named |= {control for section in written[part].values() for control in section}
    assert named - BY_ID.keys() == set(), (
        "policy/left_out.yaml names controls that careapp.policy has not"
    )


def test_the_page_is_what_the_pack_says():
    assert (ROOT / "docs" / "controls.md").read_text() == page(), "run `python -m tests.documents`"


def test_every_deploy_of_the_workflows_passes_the_pack():
    files = (ROOT / ".github" / "workflows").glob("*.yml")
    ups = re.findall(r"run: (pulumi up .*)", "".join(file.read_text() for file in files))
    assert ups
    assert [words for words in ups if "--policy-pack policy" not in words] == []


def test_a_rehearsal_passes_the_pack_but_where_it_lifts_the_protection(monkeypatch):
    asked = []
    monkeypatch.setattr(Pulumi, "update", lambda *words: asked.append(words[3:]) or Changes())
    monkeypatch.setattr(Pulumi, "run", lambda *_: "")
    run = Rehearsal(Pulumi(ROOT, {}), "prod", RunningCloud, lambda _: None)
    run._stage("stage1")
    run._turn_protection_off()
    assert asked == [("--policy-pack", "policy"), ()]
