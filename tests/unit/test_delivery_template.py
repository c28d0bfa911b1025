"""careapp/delivery/template.yaml by AWS's own rules: cfn-lint's, and the Service Authorization Reference's."""

import json
import re

import pytest
from cfnlint.api import lint_file

from careapp import ROOT
from tests.authorization_reference import fits, forms, rows, spelled_out
from tests.support.delivery import TEMPLATE, Delivery, iam
from tests.support.iam_policies import listed

LIMIT = 6_144
"""Characters, without blanks, of one managed policy (IAM quotas)."""
DESCRIPTION = re.compile(r"[\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]{0,1000}")
"""What IAM takes as a description (IAM API, CreateRole)."""
EVERYWHERE = ("aws:RequestedRegion", "aws:ResourceAccount", "aws:ViaAWSService")
"""Condition keys of every request, which the reference does not list (IAM User Guide, "global condition keys")."""
IDS = "octo-org@12/careapp@345"
BOTH = [Delivery.of(stack, HostedZone="Z0123456789ABC") for stack in ("poc", "prod")]


def policies():
    return [
        (resource["ManagedPolicyName"], resource["PolicyDocument"])
        for delivery in BOTH
        for resource in delivery.resources.values()
        if "ManagedPolicyName" in resource
    ]


def actions(statement):
    return [name for pattern in listed(statement["Action"]) for name in spelled_out(pattern)]


def known(resource, names):
    return any(fits(resource, form) for name in names for form in forms(name))


def allowing():
    return [
        pytest.param(statement, id=f"{name}-{number}")
        for name, document in policies()
        for number, statement in enumerate(document["Statement"])
        if statement["Effect"] == "Allow"
    ]


@pytest.mark.slow
def test_cfn_lint_finds_nothing_and_cloudformation_takes_it_without_a_bucket():
    """51,200 bytes (CloudFormation User Guide, "Understand CloudFormation quotas", template body)."""
    assert lint_file(TEMPLATE) == []
    assert TEMPLATE.stat().st_size <= 51_200, (
        f"{TEMPLATE.name} is too long for `aws cloudformation deploy` without a bucket: shorten it"
    )


@pytest.mark.parametrize("statement", allowing())
def test_the_actions_of_a_statement_know_its_resources_and_conditions(statement):
    """AWS sends no other key, so that a statement which asks for one allows nothing."""
    named = [resource for resource in listed(statement["Resource"]) if resource != "*"]
    wrong = [resource for resource in named if not known(resource, actions(statement))]
    keys = [key for keys in statement.get("Condition", {}).values() for key in keys]
    for action in actions(statement):
        if named and not any(known(resource, [action]) for resource in named):
            wrong.append(action)
        for key in (key for key in keys if key not in EVERYWHERE):
            written = re.sub(r"^(aws:(Request|Resource)Tag/).*", r"\1${TagKey}", key)
            if not any(written in row["condition_keys"] for row in rows(action)):
                wrong.append((action, key))
    assert wrong == []


def test_every_policy_and_description_fits_into_iams_limits():
    sizes = {name: len(json.dumps(policy, separators=(",", ":"))) for name, policy in policies()}
    assert {name: size for name, size in sizes.items() if size > LIMIT} == {}
    told = [
        str(resource["Description"])
        for delivery in BOTH
        for resource in delivery.resources.values()
        if "Description" in resource
    ]
    assert [text for text in told if not DESCRIPTION.fullmatch(text)] == []


def test_the_state_stays_when_the_stack_of_cloudformation_goes():
    template = BOTH[0]._template["Resources"]
    kept = {name for name, each in template.items() if each.get("DeletionPolicy") == "Retain"}
    assert kept == {"StateKey", "StateKeyAlias", "StateBucket", "StateBucketPolicy"}


def test_a_provider_and_linked_roles_that_are_there_are_left_alone():
    assert "Provider" in Delivery.of("poc").resources
    assert "Provider" not in Delivery.of("poc", IdentityProvider="existing").resources
    services = ("Rds", "Ecs", "LoadBalancer", "Scaling")
    linked = {f"{service}Role": "make" for service in services}
    made = Delivery.of("poc", **linked).resources.keys() - Delivery.of("poc").resources.keys()
    assert made == {f"{service}LinkedRole" for service in services}


def test_without_a_zone_no_record_and_no_certificate_can_be_made():
    held = json.dumps(Delivery.of("poc").deploy)
    assert "route53:Change" not in held
    assert "acm:Request" not in held
    assert "hostedzone/Z0123456789ABC" in json.dumps(BOTH[0].deploy)


SHORT, LONG = "repo:octo-org/careapp", "repo:octo-org@12/careapp@345"
MAIN, PULL, PROD = "ref:refs/heads/main", "pull_request", "environment:prod"
TRUSTED = {
    ("poc", "careapp-delivery-preview"): PULL,
    ("poc", "careapp-delivery-poc"): MAIN,
    ("poc", "careapp-delivery-poc-drift"): MAIN,
    ("prod", "careapp-delivery-prod"): PROD,
    ("prod", "careapp-delivery-prod-drift"): MAIN,
}
"""The end of the subjects that each role trusts."""


@pytest.mark.parametrize(("ids", "starts"), [("", [SHORT]), (IDS, [SHORT, LONG])])
@pytest.mark.parametrize(("role", "end"), TRUSTED.items())
def test_a_role_trusts_certain_tokens_of_one_repository(role, end, ids, starts):
    """By whole subjects: a pattern could fit too much."""
    stack, name = role
    issuer = "token.actions.githubusercontent.com"
    subjects = [f"{start}:{end}" for start in starts]
    document = Delivery.of(stack, RepositoryIds=ids).role(name)["AssumeRolePolicyDocument"]
    [statement] = document["Statement"]
    asked = statement["Condition"]["StringEquals"]
    assert statement == {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": iam(f"oidc-provider/{issuer}")},
        "Condition": {"StringEquals": asked},
    }
    assert asked.keys() == {f"{issuer}:aud", f"{issuer}:sub"}
    assert asked[f"{issuer}:aud"] == "sts.amazonaws.com"
    assert asked[f"{issuer}:sub"] == subjects


def test_those_are_all_the_roles():
    roles = {
        (delivery.stack, resource["RoleName"])
        for delivery in BOTH
        for resource in delivery.resources.values()
        if "RoleName" in resource
    }
    assert roles == set(TRUSTED)


@pytest.mark.parametrize(
    ("parameter", "refused"),
    [
        ("Repository", ["octo-org/*", "octo-org", "octo-org/careapp:ref", "*/careapp"]),
        ("RepositoryIds", ["octo-org/careapp", "octo-org@*/careapp@*", "octo-org@x/careapp@1"]),
        ("Branch", ["*", "release/*", "main:x"]),
        ("HostedZone", ["*", "z1", "Z1/../Z2"]),
    ],
)
def test_a_parameter_that_could_mean_more_than_one_thing_is_refused(parameter, refused):
    pattern = BOTH[0]._template["Parameters"][parameter]["AllowedPattern"]
    assert [value for value in refused if re.search(pattern, value)] == []
    good = {"Repository": "octo-org/careapp", "RepositoryIds": IDS, "Branch": "release/1.x"}
    assert re.search(pattern, good.get(parameter, "Z0123456789ABC"))


def test_the_documents_name_every_parameter():
    page = (ROOT / "docs" / "delivery.md").read_text()
    assert [name for name in BOTH[0]._template["Parameters"] if f"`{name}`" not in page] == []
