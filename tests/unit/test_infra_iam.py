"""The IAM roles and policies of the program, and how policies are evaluated."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from pulumi_policy import PolicyResource

from infra.iam import ECS_TASKS, TaskRoles, TaskRolesArgs, execution_policy
from ops.shared.policy_evaluation import decide, permits, trusts
from policy.access import Statement, statements
from stack.statements import policy
from tests.support.declared import resource, resources_of
from tests.unit.test_policy_pack import ASKED, document

UNSCOPED = {
    "ecr:GetAuthorizationToken": "a token is for the account's whole registry",
    "ssmmessages:CreateControlChannel": "Session Manager's channels are no resources",
    "ssmmessages:CreateDataChannel": "Session Manager's channels are no resources",
    "ssmmessages:OpenControlChannel": "Session Manager's channels are no resources",
    "ssmmessages:OpenDataChannel": "Session Manager's channels are no resources",
    "logs:DescribeLogGroups": "a list of the account's groups; a role of flow logs must have it",
    "ssm:UpdateInstanceInformation": "every policy that AWS gives for Session Manager says so",
}
"""Actions that know no resource, so that AWS takes only "*" (Service Authorization Reference), or that
AWS's documentation has with "*" alone."""
PATTERNS = {
    "kms:GenerateDataKey*": "SNS asks for GenerateDataKey and for GenerateDataKeyWithoutPlaintext",
}
"""Actions with a "*" in them that say no more than what is needed."""
OWN = {"aws:kms/key:Key": 'in a key\'s own policy "*" is that key (KMS Developer Guide)'}
"""Policies of a resource itself, in which "*" means that resource."""
MANAGED = {
    "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole": (
        "RDS takes this one; it writes to the log groups RDSOSMetrics only"
    ),
}
"""AWS's own policies that a role may bear."""


def too_wide(resource: PolicyResource) -> list[str]:
    """Return what a resource's policies allow beyond need, each as a sentence."""
    return [words for one in statements(resource) for words in _too_wide(resource, one)]


def _too_wide(resource: PolicyResource, statement: Statement) -> list[str]:
    if not statement.allows:
        return []
    of = f"{resource.resource_type.rpartition(':')[2]} {resource.name}"
    open_actions = [one for one in statement.actions if "*" in one and one not in PATTERNS]
    found = [f"{of} allows {one}" for one in open_actions]
    if "NotAction" in statement.said or "NotResource" in statement.said:
        found.append(f"{of} allows all but what it names")
    everything = any(one.strip("*:") == "" for one in statement.resources)
    if resource.resource_type not in OWN and everything:
        scoped = [one for one in statement.actions if one not in UNSCOPED]
        found += [f"{of} allows {one} on every resource" for one in scoped]
    if statement.open_to_all:
        found.append(f"{of} lets anybody in")
    return found


def borrowed(resources: Iterable[PolicyResource]) -> list[tuple[str, str]]:
    """Return AWS's own policies in use, and by which resource."""
    found = []
    for one in resources:
        if one.resource_type == "aws:iam/rolePolicyAttachment:RolePolicyAttachment":
            found.append((one.name, str(one.props["policyArn"])))
        elif one.resource_type == "aws:iam/role:Role":
            found += [(one.name, arn) for arn in one.props.get("managedPolicyArns", [])]
    return found


ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
KEY = "aws:kms/key:Key"


@pytest.fixture(scope="module", params=ASKED, ids=" ".join)
def resources(request):
    return resources_of(*request.param)


def test_no_statement_allows_more_than_it_needs(resources):
    assert sum(len(statements(one)) for one in resources) >= 7
    assert [words for one in resources for words in too_wide(one)] == []


def test_no_policy_document_stands_where_nothing_looks_for_it(resources):
    found = [one for one in resources if '"Statement' in json.dumps(one.props).replace("\\", "")]
    assert {one.resource_type for one in found if not statements(one)} == set()


def test_policies_of_aws_are_borrowed_only_where_that_is_justified(resources):
    assert [(role, arn) for role, arn in borrowed(resources) if arn not in MANAGED] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (document("*"), ["allows *"]),
        (document("s3:Get*"), ["allows s3:Get*"]),
        (
            document("ecr:GetAuthorizationToken", "ecr:BatchGetImage", resource="*"),
            ["allows ecr:BatchGetImage on every resource"],
        ),
        (document("s3:GetObject", Principal="*"), ["lets anybody in"]),
        (document("s3:GetObject", Principal={"AWS": ["1", "*"]}), ["lets anybody in"]),
        (document("s3:GetObject", NotResource="x"), ["allows all but what it names"]),
        # What names its resource, or cannot, is fine.
        (document("s3:GetObject"), []),
        (document("ecr:GetAuthorizationToken", resource="*"), []),
        (document("s3:*", Effect="Deny", Principal="*"), []),
        (
            document(
                "sns:Publish", Principal="*", Condition={"StringEquals": {"aws:SourceArn": "x"}}
            ),
            [],
        ),
    ],
)
def test_what_is_too_wide_is_told(text, words):
    found = too_wide(resource(ROLE_POLICY, policy=text))
    assert found == [f"RolePolicy it {each}" for each in words]


def test_in_a_key_s_own_policy_every_resource_is_that_key():
    text = document("kms:Decrypt", resource="*")
    assert too_wide(resource(KEY, policy=text)) == []
    assert too_wide(resource(ROLE_POLICY, policy=text)) == [
        "RolePolicy it allows kms:Decrypt on every resource"
    ]


def test_trust_policies_inline_policies_and_single_statements_are_read():
    text = document("s3:GetObject")
    role = resource("aws:iam/role:Role", assumeRolePolicy=text, inlinePolicies=[{"policy": text}])
    single = json.dumps({"Statement": json.loads(text)["Statement"][0]})
    assert [len(statements(each)) for each in (role, resource(KEY, policy=single))] == [2, 1]


def test_managed_policies_are_found_on_the_role_and_beside_it():
    kind = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    beside = resource(kind, role="r", policyArn="a")
    on = resource("aws:iam/role:Role", managedPolicyArns=["b"])
    assert [arn for _, arn in borrowed([beside, on])] == ["a", "b"]


SECRET = {"Effect": "Allow", "Action": ["secretsmanager:GetSecretValue"], "Resource": "arn:secret"}
ROLE = "aws:iam/role:Role"
POLICY = "aws:iam/rolePolicy:RolePolicy"
TAGS = {"project": "careapp"}


@pytest.fixture
def roles(engine):
    def roles(*, exec_enabled=False):
        args = TaskRolesArgs(
            repository_arn="arn:repository",
            log_group_arn="arn:log",
            secret_arn="arn:secret",
            exec_enabled=exec_enabled,
            tags=TAGS,
        )
        return engine.run(lambda: TaskRoles("careapp-poc", args))

    return roles


def test_only_ecs_tasks_may_take_either_role(engine, roles):
    roles()
    made = engine.inputs(ROLE)
    assert set(made) == {"careapp-poc-execution", "careapp-poc-task"}
    for role in made.values():
        assert role == {
            "assumeRolePolicy": json.dumps(ECS_TASKS),
            "forceDetachPolicies": True,
            "tags": TAGS,
        }
    assert ECS_TASKS == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }


def test_ecs_may_pull_this_image_write_this_log_and_read_this_secret(engine, roles):
    roles()
    made = engine.inputs(POLICY)["careapp-poc-execution"]
    assert made["role"] == "careapp-poc-execution-made-up"
    assert json.loads(made["policy"]) == {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["ecr:GetAuthorizationToken"], "Resource": "*"},
            {
                "Effect": "Allow",
                "Action": [
                    "ecr:BatchCheckLayerAvailability",
                    "ecr:GetDownloadUrlForLayer",
                    "ecr:BatchGetImage",
                ],
                "Resource": "arn:repository",
            },
            {
                "Effect": "Allow",
                "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": "arn:log:*",
            },
            SECRET,
        ],
    }


def test_ecs_may_read_exactly_the_secrets_that_the_stack_file_names_for_the_app():
    plain = execution_policy("arn:repository", "arn:log", "arn:secret")["Statement"]
    more = execution_policy(
        "arn:repository", "arn:log", "arn:secret", app_secrets=["arn:a", "arn:b"]
    )
    assert more["Statement"] == [
        *plain,
        {
            "Effect": "Allow",
            "Action": ["secretsmanager:GetSecretValue"],
            "Resource": ["arn:a", "arn:b"],
        },
    ]


SHELL = {
    "Effect": "Allow",
    "Action": [
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
    ],
    "Resource": "*",
}


@pytest.mark.parametrize(("exec_enabled", "more"), [(False, []), (True, [SHELL])])
def test_the_app_may_read_its_secret_and_answer_a_shell_by_choice(
    engine, roles, exec_enabled, more
):
    roles(exec_enabled=exec_enabled)
    made = engine.inputs(POLICY)["careapp-poc-task"]
    assert made["role"] == "careapp-poc-task-made-up"
    assert json.loads(made["policy"]) == {"Version": "2012-10-17", "Statement": [SECRET, *more]}


READ = "secretsmanager:GetSecretValue"
RDS_SECRET = "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:rds!db-1-AbCdEf"
PLAIN = {"Bool": {"aws:SecureTransport": "false"}}


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action, resource="*", **more):
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


@pytest.mark.parametrize(
    ("statements", "decision"),
    [
        ([allow(READ, RDS_SECRET)], "allowed"),
        ([allow("SecretsManager:getsecretvalue", RDS_SECRET)], "allowed"),
        ([allow("secretsmanager:*")], "allowed"),
        ([allow("*")], "allowed"),
        ([allow("secretsmanager:Get*", RDS_SECRET[:-3] + "*")], "allowed"),
        ([allow([READ, "x:y"], ["arn:other", f"{RDS_SECRET[:-7]}-??????"])], "allowed"),
        ([allow(READ, RDS_SECRET[:-7])], "not-allowed"),
        ([allow(READ, "arn:other")], "not-allowed"),
        ([allow("secretsmanager:Describe*", RDS_SECRET)], "not-allowed"),
        ([allow("s3:*")], "not-allowed"),
        ([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], "allowed"),
        ([{"Effect": "Allow", "NotAction": "secretsmanager:*", "Resource": "*"}], "not-allowed"),
        ([{"Effect": "Allow", "Action": "*", "NotResource": RDS_SECRET}], "not-allowed"),
        ([allow("*"), deny("secretsmanager:*")], "denied"),
        ([allow(READ), deny("*", RDS_SECRET)], "denied"),
        ([allow("*"), deny("*", Condition=PLAIN)], "allowed"),
        ([], "not-allowed"),
    ],
)
def test_an_allow_is_needed_and_an_explicit_deny_wins(statements, decision):
    assert decide([{"Statement": statements}], READ, RDS_SECRET) == decision
    one_each = [policy(each) for each in statements]
    assert permits(one_each, READ, RDS_SECRET) is (decision == "allowed")


def test_a_boundary_limits_what_the_policies_allow():
    policies, boundary = [policy(allow("*"))], policy(allow("logs:*"))
    assert decide(policies, READ, RDS_SECRET, boundary=boundary) == "boundary"
    assert decide(policies, "logs:PutLogEvents", "arn:logs", boundary=boundary) == "allowed"


def test_an_action_without_a_resource_needs_a_star():
    assert not permits([policy(allow("ecr:*", "arn:one"))], "ecr:GetAuthorizationToken", "*")


@pytest.mark.parametrize(
    ("condition", "fulfilled"),
    [
        ({"StringEquals": {"tag": ["poc", "prod"]}}, True),
        ({"StringEquals": {"tag": "prod"}}, False),
        ({"StringEquals": {"other": "poc"}}, False),
        ({"StringEquals": {"tag": "poc"}, "StringNotEquals": {"tag": "poc"}}, False),
        ({"StringNotEquals": {"other": "poc"}}, True),
        ({"StringLike": {"tag": "p*c"}}, True),
        ({"StringLike": {"tag": ["prod", "pr-*"]}}, False),
        ({"StringLike": {"other": "*"}}, False),
        ({"StringNotLike": {"tag": "p*c"}}, False),
        ({"StringNotLike": {"tag": ["prod", "pr-*"]}}, True),
        ({"StringNotLike": {"other": "*"}}, True),
        ({"Null": {"other": "true"}}, True),
        ({"Null": {"tag": "true"}}, False),
        ({"ForAllValues:StringEquals": {"keys": ["a", "b", "c"]}}, True),
        ({"ForAllValues:StringEquals": {"keys": ["a"]}}, False),
        ({"ForAllValues:StringEquals": {"other": ["a"]}}, True),
    ],
)
def test_the_conditions_of_a_statement_are_compared_with_the_request(condition, fulfilled):
    request = {"tag": "poc", "keys": ["a", "b"]}
    granted = [policy(allow("*", Condition=condition))]
    assert permits(granted, READ, RDS_SECRET, request) is fulfilled
    refused = [policy(allow("*"), deny("*", Condition=condition))]
    assert permits(refused, READ, RDS_SECRET, request) is not fulfilled


def test_an_operator_that_is_not_evaluated_is_an_error():
    granted = [policy(allow("*", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}))]
    with pytest.raises(LookupError, match="IpAddress"):
        permits(granted, READ, RDS_SECRET, {})


@pytest.mark.parametrize(
    ("principal", "trusted"),
    [
        ({"Service": "ecs-tasks.amazonaws.com"}, True),
        ({"Service": ["ec2.amazonaws.com", "ecs-tasks.amazonaws.com"]}, True),
        ({"Service": "ec2.amazonaws.com"}, False),
        ({"AWS": "arn:aws:iam::1:root"}, False),
        ("*", True),
    ],
)
def test_a_trust_policy_names_the_service(principal, trusted):
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
    assert trusts({"Statement": [statement]}, "ecs-tasks.amazonaws.com") is trusted
