"""Services of other kinds: on instances, of other controllers and schedulers, behind other load balancers or none."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.screen import plain
from ecs_gate.discovery import Unfollowed, discover
from ecs_gate.doctor import judge
from ecs_gate.facts.images import image_parts
from ecs_gate.owner import Owner
from ecs_gate.parts import ecs, elb
from ecs_gate.parts.elb import TargetHealth
from ecs_gate.parts.gather import Inquiry, Snapshot, gather
from ecs_gate.parts.records import Container, Part, Task
from ecs_gate.parts.rollout import Rollout
from ecs_gate.parts.task_inputs import Image
from ecs_gate.parts.vpc import Endpoint
from ecs_gate.rollout.say import failed
from ecs_gate.rollout.verdict import End, Outcome, Verdict
from ecs_gate.target import ServiceNames, Target
from ecs_gate.text import t
from tests.any_service.conftest import REGION, client, definition

WEB = Target(names=ServiceNames(cluster="goods", service="web"), region=REGION)
AT = datetime(2026, 12, 2, tzinfo=UTC)
COMPLETED = {
    **{"id": "ecs-svc/1", "status": "PRIMARY", "rolloutState": "COMPLETED"},
    **{"desiredCount": 1, "runningCount": 1, "pendingCount": 0, "createdAt": AT, "updatedAt": AT},
}
ON_INSTANCES = {"launchType": "EC2"}
BRIDGED = {"family": "bridged", "networkMode": "bridge", "requiresCompatibilities": []}
NO_LOG = {"logConfiguration": {"logDriver": "json-file"}, "image": "public.ecr.aws/shop/web:7"}


@pytest.fixture
def seen(shop, session, calls):
    """A snapshot of the service with one task that runs, as DescribeServices and its task definition are given."""

    def seen(service=(), address="10.9.0.4", without=(), **registered):
        named = definition(shop, **registered) if registered else shop.definition

        def answer(asked):
            answer = client("ecs").describe_services(**asked)
            answer["services"][0] |= {"runningCount": 1, "taskDefinition": named}
            answer["services"][0]["deployments"] = [{**COMPLETED, "taskDefinition": named}]
            answer["services"][0] |= dict(service)
            for name in without:
                del answer["services"][0][name]
            return answer

        calls.answers["describe_services"] = answer
        found = discover(WEB, session)
        now = gather(Inquiry(found.target, session, Owner(unseen=found.unseen, verdicts=False)))
        task = Task(
            arn="a/1", definition=named, address=address, started_by="ecs-svc/1", started=AT
        )
        target = TargetHealth(address=address, port=8000, state="healthy")
        if balancer := now.balancer.value:
            listeners = tuple(replace(one, certificate=None) for one in balancer.listeners)
            now = now.having(Snapshot.balancer, Part(replace(balancer, listeners=listeners)))
        if not now.targets.problem:
            now = now.having(Snapshot.targets, Part((target,)))
        return now.having(Snapshot.tasks, Part((task,)))

    return seen


def ids(now):
    return [finding.id for finding in judge(now).findings]


def not_read(now):
    return {str(part.part) for part in judge(now).unread} - {"Fargate's quota of vCPUs"}


def ended(now, **how):
    """The snapshot with its task stopped, and a roll-out that goes on."""
    service, [task] = now.service.value, now.tasks.value
    going = replace(service.deployments[0], rollout="IN_PROGRESS", running=0)
    stopped = replace(task, status="STOPPED", desired="STOPPED", stopped=AT, **how)
    now = now.having(
        Snapshot.service, Part(replace(service, running=0, deployments=(going,)))
    ).having(Snapshot.targets, Part(()))
    return now.having(Snapshot.tasks, Part((stopped,)))


def test_a_service_that_is_well_has_no_finding(seen):
    now = seen()
    assert (ids(now), not_read(now)) == ([], set())


def test_deployments_of_another_controller_are_not_judged(seen):
    now = seen({"deploymentController": {"type": "CODE_DEPLOY"}, "deployments": []})
    assert (ids(now), not_read(now)) == ([], {"the deployments that CODE_DEPLOY makes"})


def test_a_service_of_task_sets_is_refused(seen):
    external = {"deploymentController": {"type": "EXTERNAL"}, "deployments": []}
    with pytest.raises(Unfollowed, match="made by EXTERNAL") as refused:
        seen(external, without=["taskDefinition"])
    assert refused.value.exit_code == 2


def test_tasks_without_an_address_are_not_judged_by_one(seen, shop):
    now = seen(ON_INSTANCES, address="", without=["networkConfiguration"], **BRIDGED)
    instances = "the instances that its tasks run on"
    assert (ids(now), not_read(now)) == ([], {instances, "the health of the targets"})
    network = now.network.value
    door = Endpoint(
        service=f"com.amazonaws.{REGION}.logs",
        state="available",
        private_dns=True,
        subnets=(*network.subnets,),
        groups=(*network.groups,),
    )
    now = now.having(Snapshot.network, Part(replace(network, endpoints=(door,))))
    assert (ids(now), not_read(now)) == ([], {instances, "the health of the targets"})


def test_a_task_on_an_instance_needs_neither_a_route_nor_an_execution_role_of_its_own(seen):
    now = seen(ON_INSTANCES, family="roleless", executionRoleArn="", app={"secrets": []})
    network = now.network.value
    cut_off = {name: replace(subnet, routes=()) for name, subnet in network.subnets.items()}
    now = now.having(Snapshot.network, Part(replace(network, subnets=cut_off)))
    now = now.having(Snapshot.balancer, Part(replace(now.balancer.value, scheme="internal")))
    assert ids(now) == []
    assert now.quota == Part()
    with_a_secret = seen(ON_INSTANCES, family="roleless", executionRoleArn="")
    assert ids(with_a_secret) == ["execution-role-missing"]


def test_a_task_that_needs_no_execution_role_lacks_none(seen):
    now = seen(family="roleless", executionRoleArn="", app={**NO_LOG, "secrets": []})
    assert ids(now) == []


def test_a_task_on_an_instance_gets_no_size_of_fargate(seen):
    now = seen(ON_INSTANCES, family="small")
    full = Container("storefront", 137, "OutOfMemoryError: Container killed due to memory usage")
    text = plain(judge(ended(now, containers=(full,), reason="Essential container in task exited")))
    assert "Do: Give the task more memory (the task definition's `memory`), and deploy:" in text


def test_a_daemon_without_an_instance_gets_no_desired_count(seen):
    idle = {"schedulingStrategy": "DAEMON", "desiredCount": 0, "runningCount": 0}
    text = plain(judge(seen({**ON_INSTANCES, **idle})))
    assert "The cluster has no instance on which the service runs a task" in text
    assert "--desired-count" not in text


def test_of_a_service_without_a_load_balancer_none_is_spoken(seen):
    alone = {"loadBalancers": []}
    idle = seen({**alone, "desiredCount": 0, "runningCount": 0})
    unhealthy = ended(seen(alone), reason="Task failed container health checks")
    for now, found in ((idle, "scaled-to-zero"), (unhealthy, "container-check-failed")):
        assert (found in ids(now), "load balancer" in plain(judge(now))) == (True, False)
    end = End(Verdict(Outcome.GAVE_UP, t("it ended")), Rollout(process="web"))
    assert "web service stays" not in failed(end, "", "")


def test_a_zone_that_a_network_load_balancer_lacks_is_no_missing_listener(seen, calls):
    def behind_another(asked):
        answer = client("elbv2").describe_target_groups(**asked)
        answer["TargetGroups"][0]["LoadBalancerArns"] = [
            "arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/net/quick/50dc6c495c0c9188"
        ]
        return answer

    calls.answers["describe_target_groups"] = behind_another
    now = seen()
    assert (ids(now), not_read(now)) == (
        [],
        {"the network load balancer quick", "the page"},
    )
    lost = TargetHealth(
        address="10.9.0.4",
        port=8000,
        state="unused",
        reason="Target.NotInUse",
        description="Target is in an Availability Zone that is not enabled for the load balancer",
    )
    now = now.having(Snapshot.targets, Part((lost,)))
    assert "no-rule-forwards" not in ids(now)


def test_an_image_for_windows_fits_its_processor(seen):
    now = seen().having(Snapshot.image, Part(Image(present=True, platforms=("windows/amd64",))))
    assert ids(now) == []
    now = now.having(Snapshot.image, Part(Image(present=True, platforms=("windows/arm64",))))
    assert ids(now) == ["image-architecture"]


@pytest.mark.parametrize(
    "host",
    [
        *("dkr.ecr.eu-west-1.amazonaws.com", "dkr.ecr.eu-west-1.amazonaws.com.cn"),
        *("dkr-ecr.eu-west-1.on.aws", "dkr.ecr-fips.eu-west-1.amazonaws.com"),
        "dkr.ecr.eu-west-1.c2s.ic.gov",
    ],
)
def test_an_image_of_each_of_ecr_s_hosts_is_ecr_s(host):
    named = image_parts(f"123456789012.{host}/goods/storefront:7")
    assert named == {
        **{"account": "123456789012", "region": "eu-west-1"},
        **{"repository": "goods/storefront", "tag": "7", "digest": ""},
    }
    assert image_parts(f"123456789012.example.com/{host}:7")["account"] == ""


def test_a_log_group_that_the_log_driver_makes_is_not_missing(seen):
    log = {
        **{"awslogs-group": "/apps/new", "awslogs-region": REGION},
        **{"awslogs-stream-prefix": "web", "awslogs-create-group": "true"},
    }
    made = {"logConfiguration": {"logDriver": "awslogs", "options": log}}
    now = seen(family="logged", app=made)
    assert (now.logs.value.exists, ids(now)) == (False, [])


def test_of_several_load_balancers_the_first_one_s_container_is_the_app(seen, shop):
    app = {"containerName": "storefront", "containerPort": 8000, "targetGroupArn": shop.group}
    admin = {"containerName": "proxy", "containerPort": 9901, "targetGroupArn": shop.other}
    now = seen({"loadBalancers": [app, admin]})
    assert (ids(now), now.names.container) == ([], "storefront")
    assert not_read(now) == {"the target group somebody-else"}


def test_a_range_of_ports_is_none_of_the_ports_that_a_load_balancer_has(seen):
    ports = [{"containerPort": 8000}, {"containerPortRange": "9000-9010"}]
    now = seen(family="ranged", app={"portMappings": ports})
    assert (ids(now), now.definitions.problem) == ([], None)


def test_what_is_in_another_region_is_not_missing_here(seen):
    log = {
        **{"awslogs-group": "/apps/storefront", "awslogs-region": "eu-central-1"},
        "awslogs-stream-prefix": "web",
    }
    away = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:pepper-AbCdEf"
    app = {
        "logConfiguration": {"logDriver": "awslogs", "options": log},
        "secrets": [{"name": "PEPPER", "valueFrom": away}],
    }
    now = seen(family="away", app=app)
    assert (ids(now), now.logs, now.secrets.value) == ([], Part(), {})
    assert not_read(now) == {
        "the app's log, which is not in CloudWatch Logs of eu-west-1",
        "the secrets of another region that its tasks get",
    }


def test_tasks_without_subnets_have_no_network_that_is_judged(seen):
    now = seen(
        {**ON_INSTANCES, "loadBalancers": []},
        address="",
        without=["networkConfiguration"],
        **{**BRIDGED, "family": "worker"},
    )
    assert (now.network, ids(now)) == (Part(), [])


def test_a_subnet_of_ipv6_alone_is_no_problem(seen, calls):
    def with_another(asked):
        subnets = client("ec2").describe_subnets(**asked)["Subnets"]
        return {"Subnets": [*subnets, {"SubnetId": "subnet-6", "VpcId": "vpc-1"}]}

    calls.answers["describe_subnets"] = with_another
    now = seen()
    assert (now.network.problem, "subnet-6" in now.network.value.subnets) == (None, False)


def test_a_service_may_leave_out_the_other_target_group_and_its_own_network():
    placed = {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}}
    raw = {
        **{"status": "ACTIVE", "desiredCount": 1, "runningCount": 0, "pendingCount": 0},
        "loadBalancers": [{"targetGroupArn": "a", "advancedConfiguration": {"roleArn": "r"}}],
        "taskSets": [placed],
    }
    service = ecs.service_of(raw)
    assert (service.alternate, service.subnets) == ("", ("subnet-1",))


def test_a_health_check_by_grpc_expects_grpc_s_codes(seen, session, calls):
    def by_grpc(asked):
        answer = client("elbv2").describe_target_groups(**asked)
        answer["TargetGroups"][0] |= {
            **{"ProtocolVersion": "GRPC", "Matcher": {"GrpcCode": "0"}},
            "HealthCheckPath": "/grpc.health.v1.Health/Check",
        }
        return answer

    calls.answers["describe_target_groups"] = by_grpc
    check = elb.target_group(session, "k8s-a1b2c3").check
    assert (check.matcher, check.grpc) == ("0", True)
    words = "Health checks failed with these codes: [12]"
    refused = TargetHealth(address="10.9.0.4", port=8000, state="unhealthy", description=words)
    now = seen().having(Snapshot.targets, Part((refused,)))
    case = Case.of(now)
    assert case.remedies.set("healthMatcher", "12")[0].endswith("--matcher GrpcCode=12")
    text = plain(judge(now))
    assert "gRPC /grpc.health.v1.Health/Check answers 12; the health check expects 0." in text
    assert "HttpCode" not in text
