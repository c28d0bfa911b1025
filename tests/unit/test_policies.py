"""Every policy that a stack declares names what it allows, and on what."""

import json

import pytest

from tests.controls.example import one, policy
from tests.controls.graph import Graph, graph_of
from tests.controls.identity import INLINE, KEY
from tests.controls.left_out import LEFT_OUT
from tests.controls.options import BASE, OPTIONS
from tests.controls.policies import MANAGED, all_statements, borrowed, statements, too_wide

ROLE_POLICY = INLINE[0]


ASKED = [(stack,) for stack in LEFT_OUT] + [(BASE, *option.settings) for option in OPTIONS]


@pytest.fixture(scope="module", params=ASKED, ids=" ".join)
def graph(request):
    return graph_of(*request.param)


def test_no_statement_allows_more_than_it_needs(graph):
    assert len(all_statements(graph)) >= 7
    assert [words for statement in all_statements(graph) for words in too_wide(statement)] == []


def test_policies_of_aws_are_borrowed_only_where_that_is_justified(graph):
    assert [(str(role), arn) for role, arn in borrowed(graph) if arn not in MANAGED] == []


def verdict(text, kind=ROLE_POLICY):
    return [
        words for statement in statements(one(kind, policy=text)) for words in too_wide(statement)
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (policy("*"), "RolePolicy it allows *"),
        (policy("s3:Get*"), "RolePolicy it allows s3:Get*"),
        (
            policy("ecr:GetAuthorizationToken", "ecr:BatchGetImage", resource="*"),
            "RolePolicy it allows ecr:BatchGetImage on every resource",
        ),
        (policy("s3:GetObject", Principal="*"), "RolePolicy it lets anybody in"),
        (policy("s3:GetObject", Principal={"AWS": ["1", "*"]}), "RolePolicy it lets anybody in"),
        (policy("s3:GetObject", NotResource="x"), "RolePolicy it allows all but what it names"),
    ],
)
def test_what_is_too_wide_is_told(text, words):
    assert verdict(text) == [words]


@pytest.mark.parametrize(
    "text",
    [
        policy("s3:GetObject"),
        policy("ecr:GetAuthorizationToken", resource="*"),
        policy("s3:*", Effect="Deny", Principal="*"),
        policy("sns:Publish", Principal="*", Condition={"StringEquals": {"aws:SourceArn": "x"}}),
    ],
)
def test_what_names_its_resource_or_cannot_is_fine(text):
    assert verdict(text) == []


def test_in_a_key_s_own_policy_every_resource_is_that_key():
    assert verdict(policy("kms:Decrypt", resource="*"), KEY) == []
    assert verdict(policy("kms:Decrypt", resource="*")) == [
        "RolePolicy it allows kms:Decrypt on every resource"
    ]


def test_a_policy_is_found_wherever_it_stands_in_the_inputs():
    text = policy("s3:GetObject")
    role = one("aws:iam/role:Role", assumeRolePolicy=text, inlinePolicies=[{"policy": text}])
    single = json.dumps({"Statement": json.loads(text)["Statement"][0]})
    assert [len(statements(each)) for each in (role, one(KEY, policy=single))] == [2, 1]


def test_managed_policies_are_found_on_the_role_and_beside_it():
    beside = one("aws:iam/rolePolicyAttachment:RolePolicyAttachment", role="r", policyArn="a")
    on = one("aws:iam/role:Role", managedPolicyArns=["b"])
    assert [arn for _, arn in borrowed(Graph((beside, on)))] == ["a", "b"]
