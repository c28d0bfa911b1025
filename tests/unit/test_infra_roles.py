"""The two roles of a task, and that neither may do more than it needs."""

import json

import pytest

from infra.iam import ECS_TASKS, TaskRoles, TaskRolesArgs, execution_policy, task_policy

ROLE = "aws:iam/role:Role"
POLICY = "aws:iam/rolePolicy:RolePolicy"
TAGS = {"project": "careapp"}


@pytest.fixture
def build(engine):
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


def test_only_ecs_tasks_may_take_either_role(engine, build):
    build()
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


def test_each_role_has_its_policy_inline(engine, build):
    build()
    made = engine.inputs(POLICY)
    assert {name: policy["role"] for name, policy in made.items()} == {
        "careapp-poc-execution": "careapp-poc-execution-made-up",
        "careapp-poc-task": "careapp-poc-task-made-up",
    }
    assert json.loads(made["careapp-poc-execution"]["policy"]) == execution_policy(
        "arn:repository", "arn:log", "arn:secret"
    )
    assert json.loads(made["careapp-poc-task"]["policy"]) == task_policy(
        "arn:secret", exec_enabled=False
    )


def test_ecs_may_pull_this_image_write_this_log_and_read_this_secret():
    assert execution_policy("arn:repository", "arn:log", "arn:secret") == {
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
            {
                "Effect": "Allow",
                "Action": ["secretsmanager:GetSecretValue"],
                "Resource": "arn:secret",
            },
        ],
    }


SECRET = {"Effect": "Allow", "Action": ["secretsmanager:GetSecretValue"], "Resource": "arn:secret"}


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


def test_the_app_may_read_its_secret_and_nothing_else():
    assert task_policy("arn:secret", exec_enabled=False) == {
        "Version": "2012-10-17",
        "Statement": [SECRET],
    }


def test_a_shell_in_the_container_takes_four_more_actions():
    assert task_policy("arn:secret", exec_enabled=True) == {
        "Version": "2012-10-17",
        "Statement": [
            SECRET,
            {
                "Effect": "Allow",
                "Action": [
                    "ssmmessages:CreateControlChannel",
                    "ssmmessages:CreateDataChannel",
                    "ssmmessages:OpenControlChannel",
                    "ssmmessages:OpenDataChannel",
                ],
                "Resource": "*",
            },
        ],
    }


def test_the_setting_decides_about_the_shell(engine, build):
    build(exec_enabled=True)
    made = engine.inputs(POLICY)["careapp-poc-task"]
    assert json.loads(made["policy"]) == task_policy("arn:secret", exec_enabled=True)


def test_it_tells_both_arns(engine, build):
    roles = build()
    assert engine.known(roles.execution_arn) == "arn:Role/careapp-poc-execution"
    assert engine.known(roles.task_arn) == "arn:Role/careapp-poc-task"


def test_nothing_is_orphaned_and_the_component_finishes(engine, build):
    build()
    assert engine.orphans() == []
    assert engine.unfinished() == set()
