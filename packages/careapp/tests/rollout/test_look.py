"""One look at a roll-out: what is asked of ECS and the load balancer, and what it shows."""

from datetime import timedelta

import pytest

from ecs_gate.aws.errors import AwsProblem
from ecs_gate.parts.records import Traffic
from ecs_gate.rollout.look import look
from ecs_gate.text import verbatim
from tests.rollout import rollout_answers as aws
from tests.rollout.judge_rows import MAIL, lasted

NAMES = aws.EXPECTED.names
GOOD = aws.service(aws.deployment(aws.NEW, "COMPLETED"))
WHERE = {"cluster": NAMES.cluster, "serviceName": NAMES.service}
DENIED = AwsProblem("denied", verbatim("You may not."), verbatim("Ask."), "AccessDenied")
NO_CLUSTER = AwsProblem("missing", verbatim("No cluster."), verbatim("Check the name."))


def test_look_asks_for_the_service_its_tasks_by_page_and_targets():
    account = aws.Account(GOOD)
    assert look(account, aws.EXPECTED) == aws.all_well()
    assert account.calls == [
        ("describe_services", {"cluster": NAMES.cluster, "services": [NAMES.service]}),
        ("list_tasks", {"desiredStatus": "RUNNING", **WHERE}),
        ("list_tasks", {"desiredStatus": "STOPPED", **WHERE}),
        ("describe_tasks", {"cluster": NAMES.cluster, "tasks": ["arn:task/1", "arn:task/2"]}),
        ("describe_target_health", {"TargetGroupArn": aws.EXPECTED.target_group}),
        ("list_service_deployments", {"cluster": NAMES.cluster, "service": NAMES.service}),
    ]


def test_look_at_a_worker_asks_for_no_target():
    mine = aws.deployment(MAIL.definition, "COMPLETED", runningCount=1, desiredCount=1)
    account = aws.Account(aws.service(mine, desired=1), describe_tasks={"tasks": [lasted(60)]})
    seen = look(account, MAIL)
    assert account.calls.of("describe_services")[0]["services"] == [MAIL.names.service]
    assert account.calls.of("describe_target_health") == []
    assert (seen.process, seen.at is None, len(seen.tasks)) == ("mail", False, 1)


def test_look_asks_for_more_tasks_than_one_call_takes_in_parts():
    account = aws.Account(GOOD, tasks=[f"arn:task/{number}" for number in range(230)])
    assert len(look(account, aws.EXPECTED).tasks) == 230
    parts = [params["tasks"] for params in account.calls.of("describe_tasks")]
    assert [len(part) for part in parts] == [100, 100, 30]


UNDONE, GOES = "ROLLBACK_SUCCESSFUL", "SUCCESSFUL"


def history(*pages):
    """An account whose service has had these deployments, a page after the other; the newest last."""

    def listed(params):
        number = int(params.get("nextToken", 0))
        rows = [
            {"status": status, "targetServiceRevisionArn": revision, "statusReason": f"{status}!",
             "createdAt": aws.NOON + timedelta(days=10 * number + day)}
            for day, (status, revision) in enumerate(pages[number])
        ]  # fmt: skip
        more = {"nextToken": str(number + 1)} if number + 1 < len(pages) else {}
        return {"serviceDeployments": rows, **more}

    def revision(params):
        return {"serviceRevisions": [{"taskDefinition": params["serviceRevisionArns"][0]}]}

    return aws.Account(GOOD, list_service_deployments=listed, describe_service_revisions=revision)


@pytest.mark.parametrize(
    ("pages", "undone"),
    [
        ([[]], ""),
        ([[(GOES, aws.NEW)]], ""),
        ([[(GOES, aws.NEW), (UNDONE, aws.NEW)]], f"{UNDONE}!"),
        ([[("STOPPED", aws.NEW)]], "STOPPED!"),
        ([[(UNDONE, aws.NEW), (GOES, aws.NEW)]], ""),
        ([[(UNDONE, aws.NEW)], [(GOES, aws.NEW)]], ""),
        ([[(GOES, aws.NEW)], [("ROLLBACK_FAILED", aws.NEW)]], "ROLLBACK_FAILED!"),
        ([[(UNDONE, aws.NEWER)]], ""),
    ],
)
def test_newest_deployment_tells_of_a_rollback_to_the_same_revision(pages, undone):
    assert look(history(*pages), aws.EXPECTED).rollback_reason == undone


@pytest.mark.parametrize("answer", [None, GOOD | {"status": "DRAINING"}, NO_CLUSTER])
def test_service_that_is_not_there_or_goes_is_none(answer):
    assert look(aws.Account(answer), aws.EXPECTED) == aws.NO_SERVICE


def test_target_group_that_was_deleted_has_no_target():
    seen = look(aws.Account(GOOD, describe_target_health=NO_CLUSTER), aws.EXPECTED)
    assert (seen.targets, len(seen.tasks)) == ((), 2)


def test_service_that_cannot_be_asked_for_is_not_a_missing_one():
    with pytest.raises(AwsProblem, match="You may not"):
        look(aws.Account(DENIED), aws.EXPECTED)


SECOND = aws.EXPECTED.target_group.replace("-tg/1", "-tg2/2")
BALANCER = {
    "targetGroupArn": aws.EXPECTED.target_group, "containerName": "app", "containerPort": 3000,
    "advancedConfiguration": {"alternateTargetGroupArn": SECOND},
}  # fmt: skip
CANARY = {"loadBalancers": [BALANCER], "deploymentConfiguration": {"strategy": "CANARY"}}
BOTH = [aws.deployment(aws.NEW, "IN_PROGRESS"), aws.deployment(aws.OLD, "COMPLETED", primary=False)]
TEN = Traffic(stage="PRODUCTION_TRAFFIC_SHIFT", percent=10.0)


@pytest.mark.parametrize(
    ("status", "share"), [("IN_PROGRESS", TEN), ("ROLLBACK_IN_PROGRESS", None)]
)
def test_look_at_a_canary_reads_both_target_groups_and_its_share(status, share):
    row = {
        "serviceDeploymentArn": "arn:deployment", "status": status, "createdAt": 1,
        "lifecycleStage": TEN.stage, "sourceServiceRevisions": [{"arn": "arn:before"}],
        "targetServiceRevision": {"requestedProductionTrafficWeight": TEN.percent},
    }  # fmt: skip
    rows = {"serviceDeployments": [row]}
    account = aws.Account(
        aws.service(*BOTH, **CANARY),
        list_service_deployments=rows,
        describe_service_deployments=rows,
    )
    assert look(account, aws.EXPECTED).service.traffic == share
    groups = [call["TargetGroupArn"] for call in account.calls.of("describe_target_health")]
    assert groups == [aws.EXPECTED.target_group, SECOND]
