"""What the real engine does to a stack, from its first stage to nothing."""

from __future__ import annotations

import json

STAGE_2 = {
    "aws:cloudwatch/eventRule:EventRule",
    "aws:cloudwatch/eventTarget:EventTarget",
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:cloudwatch/metricAlarm:MetricAlarm",
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:ecs/cluster:Cluster",
    "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders",
    "aws:ecs/service:Service",
    "aws:ecs/taskDefinition:TaskDefinition",
    "aws:iam/role:Role",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:lb/listenerRule:ListenerRule",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    "careapp:infra:Service",
    "careapp:infra:ServiceMonitoring",
    "careapp:infra:Task",
    "careapp:infra:TaskAccess",
    "careapp:infra:TaskRoles",
}


def types(steps, operation):
    return {step.split()[1] for step in steps if step.split()[0] == operation}


def test_stage_1_only_creates(journey):
    did = journey.did["stage 1"]
    assert (did.updated, did.replaced, did.deleted, did.unchanged) == (0, 0, 0, 0)
    assert did.created == len(did.steps)
    assert types(did.steps, "create") & STAGE_2 <= {
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        "aws:ec2/securityGroup:SecurityGroup",
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    }


def test_stage_2_only_adds(journey):
    before, did = journey.did["stage 1"], journey.did["stage 2"]
    assert (did.updated, did.replaced, did.deleted) == (0, 0, 0)
    assert did.unchanged == before.created
    assert types(did.steps, "create") == STAGE_2


def test_a_second_up_changes_nothing(journey):
    did = journey.did["again"]
    assert did.steps == ()
    assert did.unchanged == journey.did["stage 2"].created + journey.did["stage 2"].unchanged


NEW_VERSION = [
    "create-replacement aws:ecs/taskDefinition:TaskDefinition careapp-poc-app",
    "delete-replaced aws:ecs/taskDefinition:TaskDefinition careapp-poc-app",
    "replace aws:ecs/taskDefinition:TaskDefinition careapp-poc-app",
    "update aws:ecs/service:Service careapp-poc-service",
    "update docker:index/image:Image careapp-poc-app",
]


def test_a_new_app_version_replaces_the_task_definition_and_updates_the_service_only(journey):
    assert sorted(set(journey.did["new app version"].steps)) == NEW_VERSION


def test_earlier_sources_are_a_version_like_any_other(journey):
    assert sorted(set(journey.did["sources of the first version"].steps)) == NEW_VERSION
    first, again = (journey.tag(each) for each in ("stage 1", "sources of the first version"))
    assert first != again
    assert first.partition("-")[0] == again.partition("-")[0]


def test_a_push_whose_update_was_killed_is_made_again(journey):
    assert sorted(set(journey.did["after a kill"].steps)) == NEW_VERSION
    killed, again = (
        journey.tag(each) for each in ("pushed, and killed before its state", "after a kill")
    )
    assert killed != again
    assert killed.partition("-")[0] == again.partition("-")[0]


def test_another_image_revision_port_and_size_roll_through(journey):
    steps = journey.did["another revision, port and size"].steps
    assert types(steps, "replace") == {"aws:ecs/taskDefinition:TaskDefinition"}
    assert types(steps, "update") == {
        "aws:ecs/service:Service",
        "aws:cloudwatch/dashboard:Dashboard",
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        "docker:index/image:Image",
    }
    assert types(steps, "create") == types(steps, "delete")
    assert {kind.split("/")[0] for kind in types(steps, "create")} == {"aws:vpc"}


def test_going_back_to_stage_1_deletes_what_stage_2_added_and_nothing_else(journey):
    did, added = journey.did["back to stage 1"], journey.did["stage 2"].created
    assert (did.created, did.updated, did.replaced, did.deleted) == (0, 0, 0, added)
    assert types(did.steps, "delete") == STAGE_2


def test_a_change_that_would_replace_a_protected_database_is_refused(journey):
    assert "unprotect" in journey.refused["replace the database"]
    assert (
        "careapp:infra:Database$aws:rds/instance:Instance"
        in journey.refused["replace the database"]
    )


def test_bad_settings_are_refused_all_at_once_and_without_a_traceback(journey):
    said = journey.refused["bad settings"]
    assert "taskCpu" in said
    assert "natStrategy" in said
    assert "Traceback" not in said


def test_destroy_leaves_nothing(journey):
    did = journey.did["destroy"]
    assert journey.left == []
    assert did.deleted == journey.did["unprotected"].unchanged + journey.did["unprotected"].updated
    assert (did.created, did.updated, did.replaced) == (0, 0, 0)


def test_no_secret_stands_in_the_state(journey):
    password = json.loads(journey.password)["password"]
    for name, state in journey.states.items():
        assert password not in state, name
        assert "auth-token" not in state, f"{name}: the registry's password"
