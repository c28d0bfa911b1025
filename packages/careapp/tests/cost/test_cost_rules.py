"""What each type of resource costs, compared with sums made by hand from AWS's price pages."""

import json
from datetime import UTC, datetime

import pytest

from careapp.cost.bill import Assumptions
from careapp.cost.graph import UNKNOWN, Resource
from careapp.cost.rules import FREE, RULES, left
from careapp.cost.tasks import runs
from tests.cost.cost_graphs import BOOK, MICRO, SMALL, graph, made, priced, sums

TASK = made("TaskDefinition", **SMALL)
ARM = made("TaskDefinition", **SMALL, runtimePlatform={"cpuArchitecture": "ARM64"})
PUBLIC = {"assignPublicIp": True}
WEB = made("Service", needs=[TASK])
NAT = [TASK, WEB, made("NatGateway")]
ZONES = [made("Subnet", role, availabilityZone=role[0]) for role in ("a1", "a2", "c1")]
REPOSITORY, FLOWS = made("Repository"), made("LogGroup", name="/vpc", retentionInDays=365)
TWO = {"metricQueries": [{"metric": {}}, {"metric": {}}, {"id": "e"}]}
IMAGES = {"rules": [{"selection": {"countType": "imageCountMoreThan", "countNumber": 25}}]}
INSIGHTS = {"settings": [{"name": "containerInsights", "value": "enabled"}]}
SPOT = [
    {"capacityProvider": "FARGATE_SPOT", "weight": 3},
    {"capacityProvider": "FARGATE", "weight": 1},
]

ENDPOINT = made("VpcEndpoint", vpcEndpointType="Interface", subnetIds=UNKNOWN, serviceName="ecr")
S3 = made("VpcEndpoint", serviceName="com.amazonaws.ap-northeast-1.s3")
VOLUME = {"rootBlockDevice": {"volumeSize": 20, "volumeType": "gp2"}}
JOB = {"scheduleExpression": "rate(1 minute)", "target": {"ecsParameters": {"taskCount": 1}}}
ONE_TASK = "vCPU hours 9.23; memory, GB hours 2.02"

DATABASE = made("Database", **MICRO, allocatedStorage=20, manageMasterUserPassword=True)
STANDBY = made("Database", **MICRO, allocatedStorage=20, multiAz=True, monitoringInterval=15)
INTERNET = made("LoadBalancer", subnets=["a", "b"])
THREE_ON_ARM = [ARM, made("Service", needs=[ARM], desiredCount=3)]
IN_PUBLIC = [TASK, made("Service", needs=[TASK], networkConfiguration=PUBLIC)]
BASTION = made("Instance", instanceType="t4g.nano", associatePublicIpAddress=True, **VOLUME)
KEPT_IMAGES = made("LifecyclePolicy", needs=[REPOSITORY], policy=json.dumps(IMAGES))
CASES = {
    "address": ([made("Eip")], "public IPv4 3.65"),
    "NAT": (NAT, f"{ONE_TASK}; hours 45.26; GB through it 0.40"),
    "NAT beside S3": ([*NAT, S3], f"{ONE_TASK}; hours 45.26; GB through it 0.03"),
    "endpoint": ([*ZONES, ENDPOINT], "hours 20.44"),
    "balancer": ([INTERNET], "hours 17.74; LCU hours 0.04; public IPv4 7.30; GB to the internet 0.57"),
    "internal balancer": ([made("LoadBalancer", internal=True)], "hours 17.74; LCU hours 0.04"),
    "database": ([DATABASE], "hours 18.25; disk, GB 2.76; password's secret 0.40"),
    "standby": ([STANDBY], "hours 36.50; disk, GB 5.52; enhanced monitoring, GB 0.91"),
    "three tasks on ARM": (THREE_ON_ARM, "vCPU hours 22.15; memory, GB hours 4.84"),
    "public task": (IN_PUBLIC, f"{ONE_TASK}; public IPv4 3.65"),
    "job each minute": ([TASK, made("Schedule", needs=[TASK], **JOB)], ONE_TASK),
    "instance": ([BASTION], "hours 3.94; disk, GB 2.40; public IPv4 3.65"),
    "repository": ([REPOSITORY, KEPT_IMAGES], "images, GB 0.25"),
    "bucket and key": ([made("Bucket"), made("Key")], "kept, GB 0.03; key 1.00"),
    "app's log": ([made("LogGroup", name="/ecs/x", retentionInDays=730)], "written, GB 0.38; kept, GB 0.40"),
    "other log": ([made("LogGroup", name="/events")], "written, GB 0.08; kept, GB 0.04"),
    "flow log": ([FLOWS, made("FlowLog", needs=[FLOWS])], "kept, GB 0.40; GB delivered 0.76"),
    "alarm": ([made("MetricAlarm", metricName="x")], "alarm 0.10"),
    "alarm of two metrics": ([made("MetricAlarm", **TWO)], "alarm 0.20"),
    "dashboard": ([made("Dashboard")], "dashboard 3.00"),
    "scaler": ([made("Policy", policyType="TargetTrackingScaling")], "its alarms 0.20"),
    "insights": ([TASK, WEB, made("Cluster", **INSIGHTS)], f"{ONE_TASK}; Container Insights, metrics 9.00"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_month_costs(name):
    resources, expected = CASES[name]
    assert sums(*resources) == expected


def test_each_rule_has_a_case_and_no_free_type_a_rule():
    assert {each.short for resources, _ in CASES.values() for each in resources} >= set(RULES)
    assert set(FREE) & set(RULES) == set()


def test_spot_and_on_demand_share_by_weight():
    service = made("Service", needs=[TASK], desiredCount=4, capacityProviderStrategies=SPOT)
    hours = {item.price.key: item.use.quantity for item in priced(TASK, service).items}
    assert (hours["fargate-vcpu:X86_64"], hours["spot-vcpu:X86_64"]) == (182.5, 547.5)


@pytest.mark.parametrize(
    ("start", "stop", "hours"),
    [
        ("cron(0 8 ? * MON-FRI *)", "cron(0 20 ? * MON-FRI *)", 60),
        ("cron(0 8 ? * MON *)", "cron(0 20 ? * FRI *)", 108),
        ("", "", 168),
    ],
)
def test_tasks_that_stop_at_night_are_billed_for_the_rest(start, stop, hours):
    limits = made("Target", needs=[WEB], serviceNamespace="ecs", minCapacity=2)
    actions = [
        made("ScheduledAction", name, needs=[limits], schedule=text, timezone="Asia/Tokyo",
             scalableTargetAction={"maxCapacity": most})
        for name, text, most in (("start", start, 4), ("stop", stop, 0)) if text
    ]  # fmt: skip
    vcpu, *_ = priced(TASK, WEB, limits, *actions).items
    assert vcpu.use.quantity == pytest.approx(2 * 730 * 0.25 * hours / 168)


@pytest.mark.parametrize(
    ("schedule", "state", "count"),
    [
        ("rate(1 minute)", "ENABLED", 43_800),
        ("rate(1 minute)", "DISABLED", 0),
        ("cron(0 3 * * ? *)", "ENABLED", 365 / 12),
        ("cron(0 3 1 * ? *)", "ENABLED", 1),
        ("at(2026-11-29T00:00:00)", "ENABLED", 1),
        ("at(2026-11-27T00:00:00)", "ENABLED", 0),
    ],
)
def test_runs_of_a_job_are_those_of_its_schedule(schedule, state, count):
    job = made("Schedule", scheduleExpression=schedule, state=state)
    assert runs(job, datetime(2026, 11, 28, tzinfo=UTC)) == pytest.approx(count)


def database(**changes):
    return made("Database", **{**MICRO, "allocatedStorage": 20, **changes})


UNPRICED = {
    "no price is known for the type aws:wafv2/webAcl:WebAcl": Resource(type="aws:wafv2/webAcl:WebAcl", name="acl"),
    "its instanceClass is known only after an update": database(instanceClass=UNKNOWN),
    "the price table has no rds-hour:db.r7g.large; --live asks AWS": database(instanceClass="db.r7g.large"),
    "no price is known with engine mysql": made("Database", engine="mysql"),
    "no price is known for Performance Insights beyond 7 days": database(performanceInsightsRetentionPeriod=93),
    "which task definition it runs is known only after an update": made("Service"),
    "no lifecycle policy limits its images": made("Repository"),
}  # fmt: skip


@pytest.mark.parametrize("why", UNPRICED)
def test_an_unpriced_resource_is_never_free(why):
    assert [str(text) for _, text in priced(UNPRICED[why]).unpriced] == [why]


def test_a_destroyed_stack_is_billed_for_what_its_database_leaves():
    def bill(**inputs):
        kept = made("Database", **MICRO, allocatedStorage=40, backupRetentionPeriod=15, **inputs)
        found = left(graph(kept, made("Eip")), BOOK, Assumptions())
        return {str(item.use.what): round(item.usd, 2) for item in found.items}

    assert bill(skipFinalSnapshot=True, deleteAutomatedBackups=True) == {}
    both = {"final snapshot, GB": 3.8, "backups until they expire, GB": 1.9}
    assert bill(skipFinalSnapshot=False, deleteAutomatedBackups=False) == both
