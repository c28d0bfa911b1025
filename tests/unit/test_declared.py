"""What the program declares in stage 2, as recorded, and the rules that hold with every value of every setting."""

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pulumi_aws
import pytest
import yaml
from pulumi_policy import PolicyResource

from careapp.policy import CONTROLS, controls
from careapp.policy.access import Statement, statements
from careapp.policy.controls import left_out, violators
from careapp.settings.app_resources import APP_RESOURCES
from careapp.settings.container import RESERVED
from careapp.settings.settings import KEYS
from tests.recorded import FOLDER, records, resources, run_of, together
from tests.support.declared import begun, declared, document, resource, resources_of, variants

PROD, POC = ("prod",), ("poc",)
LEAVING_OUT = {setting: tuple(setting.split()) for setting in controls.reasons()["settings"]}
"""Settings that leave a control out, in any stack."""
DEFINITION, SERVICE = "aws:ecs/taskDefinition:TaskDefinition", "aws:ecs/service:Service"


BOUNDED = ("prod", "permissionsBoundary=b", "bastionEnabled=true", "deployStrategy=canary")
RESOURCES = ("poc", *(f"{key.name}=true" for key in APP_RESOURCES))
"""Everything for the app that a setting adds."""


def stage_1(*keys):
    """The run of prod in stage 1 with another value of a setting."""
    return ("prod", "ecsEnabled=false", *(word for key in keys for word in variants("prod")[key]))


@pytest.fixture(scope="module")
def written():
    """Run the program for every setting at the same time; the records of all runs."""
    for run in LEAVING_OUT.values():
        begun("prod", *run, "bastionEnabled=true")
    for run in (BOUNDED, RESOURCES, stage_1(), stage_1("workers"), stage_1("jobs")):
        begun(*run)
    return records()


def runs():
    yield from (POC, PROD)
    yield from (("prod", *variant) for variant in variants("prod").values())
    yield from map(run_of, together().values())


def every(kind=""):
    for run in runs():
        yield from (each for each in declared(*run)["resources"] if kind in ("", each["kind"]))


def only(kind, run=POC):
    [found] = [each["inputs"] for each in declared(*run)["resources"] if each["kind"] == kind]
    return found


@pytest.mark.parametrize("name", ["poc.yaml", "prod.yaml", "settings.yaml", "together.yaml"])
def test_program_declares_what_is_recorded(written, name):
    assert written[name] == (FOLDER / name).read_text(), (
        "read the change, then write it down: python -m tests.recorded"
    )


def test_every_resource_is_in_a_finished_component():
    assert {name for run in runs() for name in declared(*run)["loose"]} == set()


def test_stage_2_only_adds():
    one, two = (resources(declared(*run)) for run in (stage_1(), PROD))
    assert two.keys() > one.keys()
    (told, later), named = (each.pop("outputs") for each in (one, two)), ("stage", "kept")
    assert {name: two[name] for name in one} == one
    assert {key: later[key] for key in told if key not in named} == {
        key: told[key] for key in told if key not in named
    }


def test_workers_and_jobs_change_nothing_else_and_are_of_stage_2():
    before = resources(declared(*PROD))
    for key in ("workers", "jobs"):
        after = resources(declared("prod", *variants("prod")[key]))
        assert {name: after[name] for name in before} == before
        assert resources(declared(*stage_1(key))) == resources(declared(*stage_1()))


def tasks(run):
    """Return what ECS replaces tasks for when it changes (API reference, UpdateService)."""
    found = {(each["kind"], each["name"]): each["inputs"] for each in declared(*run)["resources"]}
    service = found[SERVICE, "careapp-prod-service"]
    keys = ("networkConfiguration", "capacityProviderStrategies", "loadBalancers")
    return [found[DEFINITION, "careapp-prod-app"], *(service[key] for key in keys)]


KEY = {key.name: key for key in KEYS}
REFUSED_WHILE_IT_RUNS = ("ecsEnabled", "deployStrategy")


@pytest.mark.parametrize(
    "key",
    # A value of another Dockerfile, which does not exist here, has no variant (test_image_tag).
    sorted(variants("prod").keys() - set(REFUSED_WHILE_IT_RUNS)),
)
def test_tasks_are_replaced_by_the_settings_that_say_so(key):
    words = variants("prod")[key]
    needs = [KEY[word.partition("=")[0]] for word in words]
    assert (tasks(("prod", *words)) != tasks(PROD)) == any(need.change.new_tasks for need in needs)


@cache
def has_tags(kind):
    """Whether the provider's resource takes tags, as its class says."""
    _, module, name = kind.split(":")
    return hasattr(getattr(getattr(pulumi_aws, module.partition("/")[0]), name), "tags_all")


def test_everything_that_can_carries_the_stack_s_tags():
    tags = {"project": "careapp", "managed-by": "pulumi"}
    bare = {
        (each["kind"], each["name"])
        for each in every()
        if each["kind"].startswith("aws:") and has_tags(each["kind"])
        if not tags.items() <= each["inputs"].get("tags", {}).items()
    }
    assert bare == set()


def test_security_groups_are_described_in_ec2_s_letters():
    """Botocore, CreateSecurityGroupRequest and IpRange; an apostrophe is refused."""
    described = {
        each["inputs"]["description"]
        for each in every()
        if "ecurityGroup" in each["kind"] and "description" in each["inputs"]
    }
    assert len(described) > 5
    allowed = r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}"
    assert [text for text in described if not re.fullmatch(allowed, text)] == []


def test_every_role_has_the_boundary_and_lets_policies_by_hand_go():
    role = "aws:iam/role:Role"
    assert {each["inputs"].get("forceDetachPolicies") for each in every(role)} == {True}
    held = [each for each in declared(*BOUNDED)["resources"] if each["kind"] == role]
    arn = "arn:aws:iam::123456789012:policy/b"
    assert {each["inputs"].get("permissionsBoundary") for each in held} == {arn}
    assert len(held) >= 6


IN_PLACE = (
    "appautoscaling/",
    "cloudwatch/eventRule",
    "cloudwatch/metricAlarm",
    "route53/",
    "scheduler/",
)
"""Types whose name is no obstacle: it changes in place, or its replacement is another resource's."""


def test_a_fixed_name_is_free_before_a_replacement_takes_it():
    wrong = {
        each["name"]
        for each in every()
        if {"name", "identifier"} & each["inputs"].keys() and each["kind"].startswith("aws:")
        if not each["kind"].removeprefix("aws:").startswith(IN_PLACE)
        if not each["options"].get("deleteBeforeReplace")
    }
    assert wrong == set()


def test_every_variable_that_the_stack_sets_is_reserved():
    [made] = json.loads(only(DEFINITION, RESOURCES)["containerDefinitions"])
    assert {
        variable["name"] for variable in (*made["environment"], *made["secrets"])
    } == RESERVED, "RESERVED of careapp.settings.container has the variables of infra/container.py"


def test_an_idle_connection_outlives_the_load_balancer_s():
    """The other way round ELB answers a request with 502 now and then."""
    [made] = json.loads(only(DEFINITION)["containerDefinitions"])
    variables = {variable["name"]: variable["value"] for variable in made["environment"]}
    assert (
        int(variables["KEEP_ALIVE_SECONDS"])
        > only("aws:lb/loadBalancer:LoadBalancer")["idleTimeout"]
    )


@pytest.mark.parametrize(
    ("name", "kind"), [("alb", "BucketPolicy"), ("https", "CertificateValidation")]
)
def test_a_resource_waits_for_what_its_inputs_do_not_show(name, kind):
    """ELB must be allowed to write before it is told to; the records have what `depends_on` says."""
    found = declared("prod", *variants("prod")["domainName"])["resources"]
    needs = [each["needs"] for each in found if each["name"] == f"careapp-prod-{name}"]
    assert any(urn.startswith(kind) for several in needs for urn in several)


def test_everything_stands_behind_the_protection():
    """Pulumi deletes what is not protected, even when it refuses the rest, unless something depends on it."""
    for run in runs():
        found = declared(*run)["resources"]
        [behind] = [each["needs"] for each in found if "Protection" in each["kind"]]
        apart = {
            f"{each['kind'].rpartition(':')[2]} {each['name']}"
            for each in found
            if "careapp:" not in each["kind"] and each["parent"] != "awsx:ec2:Vpc"
        }
        assert apart - set(behind) == set(), run


# Least privilege.

REASONS = yaml.safe_load(Path(__file__).with_name("unscoped.yaml").read_text())
UNSCOPED, PATTERNS, MANAGED = (REASONS[key] for key in ("unscoped", "patterns", "managed"))
DESCRIBES = re.compile(r"elasticloadbalancing:Describe\w+")
"""Of these AWS knows no resources either."""
KEY_TYPE, ROLE_POLICY = "aws:kms/key:Key", "aws:iam/rolePolicy:RolePolicy"
OWN = {KEY_TYPE: 'in a key\'s own policy "*" is that key (KMS Developer Guide)'}
"""Policies of a resource itself, in which "*" means that resource."""


def too_wide(resource: PolicyResource) -> list[str]:
    """Return what a resource's policies allow beyond need, each as a sentence."""
    return [words for one in statements(resource) for words in _too_wide(resource, one)]


def _too_wide(resource: PolicyResource, statement: Statement) -> list[str]:
    if not statement.allows:
        return []
    of = f"{resource.resource_type.rpartition(':')[2]} {resource.name}"
    open_actions = [one for one in statement.actions if "*" in one and one not in PATTERNS]
    found = [f"{of} allows {one}" for one in open_actions]
    if "NotAction" in statement.document or "NotResource" in statement.document:
        found.append(f"{of} allows all but what it names")
    everything = any(one.strip("*:") == "" for one in statement.resources)
    if resource.resource_type not in OWN and everything:
        scoped = [one for one in statement.actions if one not in UNSCOPED]
        found += [
            f"{of} allows {one} on every resource" for one in scoped if not DESCRIBES.match(one)
        ]
    if statement.open_to_all:
        found.append(f"{of} lets anybody in")
    return found


def borrowed(resources: Iterable[PolicyResource]) -> list[str]:
    found: list[str] = []
    for one in resources:
        if one.resource_type == "aws:iam/rolePolicyAttachment:RolePolicyAttachment":
            found.append(str(one.props["policyArn"]))
        elif one.resource_type == "aws:iam/role:Role":
            found += one.props.get("managedPolicyArns", [])
    return found


def test_no_statement_allows_more_than_it_needs():
    for run in runs():
        made = resources_of(*run)
        assert sum(len(statements(one)) for one in made) >= 3
        assert [words for one in made for words in too_wide(one)] == []
        assert set(borrowed(made)) <= MANAGED.keys()


def test_no_policy_document_stands_where_nothing_looks_for_it():
    found = {
        one.resource_type
        for run in runs()
        for one in resources_of(*run)
        if '"Statement' in json.dumps(one.props).replace("\\", "") and not statements(one)
    }
    assert found == set()


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (document("*"), "allows *"),
        (document("ecr:BatchGetImage", resource="*"), "allows ecr:BatchGetImage on every resource"),
        (document("s3:GetObject", Principal={"AWS": ["1", "*"]}), "lets anybody in"),
        (document("s3:GetObject", NotResource="x"), "allows all but what it names"),
    ],
)
def test_what_is_too_wide_is_told(policy, words):
    assert too_wide(resource(ROLE_POLICY, policy=policy)) == [f"RolePolicy it {words}"]


# The controls of careapp.policy.


@cache
def failing(*run):
    return {control.id for control in CONTROLS if violators(control, resources_of(*run))}


def concerned(*run):
    kinds = {one.resource_type for one in resources_of(*run)}
    return {control.id for control in CONTROLS if kinds & {*control.kinds}}


@pytest.mark.parametrize("stack", ["poc", "prod"])
def test_a_stack_meets_every_control_but_those_left_out_and_none_of_those(stack):
    assert failing(stack) == left_out(stack).keys() & concerned(stack)


@pytest.mark.parametrize("setting", LEAVING_OUT)
def test_a_setting_leaves_out_what_is_said_of_it_and_nothing_else(setting):
    run = ("prod", *LEAVING_OUT[setting], "bastionEnabled=true")
    said = left_out("prod").keys() | controls.reasons()["settings"][setting].keys()
    assert failing(*run) == said & concerned(*run)


def test_no_setting_violates_a_control_that_has_no_reason():
    """What a setting turns off in prod is what poc leaves out, or what the setting itself does."""
    known = left_out("prod").keys() | left_out("poc").keys()
    known |= {control for section in controls.reasons()["settings"].values() for control in section}
    assert {run: failing(*run) - known for run in runs() if failing(*run) - known} == {}
    met = {run for run in runs() if "ELB.1" in concerned(*run) - failing(*run)}
    assert {run for run in met if run[0] == "prod"} == {
        ("prod", *variants("prod")[key])
        for key in ("certificateArn", "domainName", "hostedZoneId", *LOGIN)
    }


LOGIN = [key.name for key in KEYS if key.name.startswith("login")]


def test_each_control_concerns_a_resource_of_some_stack():
    found = {control for run in runs() for control in concerned(*run)}
    assert found == {control.id for control in CONTROLS}
