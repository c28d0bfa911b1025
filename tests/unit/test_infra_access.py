"""Who may talk to whom: exactly the ways a task needs, each with both of its ends."""

import pytest

from infra.security_groups import TaskAccess, TaskAccessArgs

EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
TAGS = {"project": "careapp"}
TASK = "SecurityGroup/careapp-poc-app"


@pytest.fixture
def build(engine):
    def access(port=3000):
        args = TaskAccessArgs(
            vpc_id="vpc-1",
            balancer_group_id="sg-alb",
            database_group_id="sg-database",
            container_port=port,
            database_port=5432,
            tags=TAGS,
        )
        return engine.run(lambda: TaskAccess("careapp-poc", args))

    return access


def tcp(port):
    return {"ipProtocol": "tcp", "fromPort": port, "toPort": port, "tags": TAGS}


def test_a_task_has_a_security_group_of_its_own(engine, build):
    access = build()
    assert engine.inputs("aws:ec2/securityGroup:SecurityGroup") == {
        "careapp-poc-app": {
            "description": "Tasks of the app",
            "vpcId": "vpc-1",
            "revokeRulesOnDelete": True,
            "tags": {"project": "careapp", "Name": "careapp-poc-app"},
        }
    }
    assert engine.known(access.security_group_id) == TASK


def test_the_ways_in(engine, build):
    build()
    assert engine.inputs(INGRESS) == {
        "careapp-poc-app-from-alb-3000": {
            "securityGroupId": TASK,
            "description": "From alb",
            "referencedSecurityGroupId": "sg-alb",
            **tcp(3000),
        },
        "careapp-poc-database-from-app-5432": {
            "securityGroupId": "sg-database",
            "description": "From app",
            "referencedSecurityGroupId": TASK,
            **tcp(5432),
        },
    }


def test_the_ways_out(engine, build):
    build()
    assert engine.inputs(EGRESS) == {
        "careapp-poc-alb-to-app-3000": {
            "securityGroupId": "sg-alb",
            "description": "To app",
            "referencedSecurityGroupId": TASK,
            **tcp(3000),
        },
        "careapp-poc-app-to-database-5432": {
            "securityGroupId": TASK,
            "description": "To database",
            "referencedSecurityGroupId": "sg-database",
            **tcp(5432),
        },
        "careapp-poc-app-to-internet-443": {
            "securityGroupId": TASK,
            "description": "HTTPS to AWS",
            "cidrIpv4": "0.0.0.0/0",
            **tcp(443),
        },
    }


def test_another_port_is_another_rule_so_that_both_generations_are_reachable(engine, build):
    build(port=8080)
    assert set(engine.inputs(INGRESS)) == {
        "careapp-poc-app-from-alb-8080",
        "careapp-poc-database-from-app-5432",
    }
    assert "careapp-poc-alb-to-app-8080" in engine.inputs(EGRESS)


def test_nothing_is_orphaned_and_the_component_finishes(engine, build):
    build()
    assert engine.orphans() == []
    assert engine.unfinished() == set()
