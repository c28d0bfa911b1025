"""What each type of resource costs, compared with sums made by hand from AWS's price pages."""

import json
from itertools import permutations

import pytest

from tools.cost.bill import Assumptions
from tools.cost.graph import Resource
from tools.cost.rules import FREE, RULES
from tools.tests.cost.cost_graphs import MICRO, SMALL, UNKNOWN, made, priced, sums

TWO_ZONES = [
    made("Subnet", role, availabilityZone=f"ap-northeast-1{role[0]}") for role in ("a1", "a2", "c1")
]
TASK = made("TaskDefinition", **SMALL)
ARM = made("TaskDefinition", **SMALL, runtimePlatform={"cpuArchitecture": "ARM64"})


RUNS = {"ecsParameters": {"taskCount": 1, "networkConfiguration": {"assignPublicIp": False}}}
OUTSIDE = {"ecsParameters": {"taskCount": 1, "networkConfiguration": {"assignPublicIp": True}}}
JOB = {("Schedule", "vCPU hours"): 0.13, ("Schedule", "memory, GB hours"): 0.03}

NAT_TASK = [TASK, made("NatGateway"), made("Service", desiredCount=1)]
S3_GATEWAY = made(
    "VpcEndpoint", vpcEndpointType="Gateway", serviceName="com.amazonaws.ap-northeast-1.s3"
)
IN_PRIVATE = {("Service", "vCPU hours"): 9.23, ("Service", "memory, GB hours"): 2.02}


CASES = {
    "a job that runs ten hours a month": ([TASK, made("Schedule", target=RUNS)], JOB),
    "a job whose tasks have public addresses": (
        [TASK, made("Schedule", target=OUTSIDE)],
        JOB | {("Schedule", "public IPv4"): 0.05},
    ),
    "a job that is off": (
        [TASK, made("Schedule", target=OUTSIDE, state="DISABLED")],
        dict.fromkeys(JOB, 0),
    ),
    "an address": ([made("Eip")], {("Eip", "public IPv4"): 3.65}),
    "a NAT gateway that nobody uses": (
        [made("NatGateway")],
        {("NatGateway", "hours"): 45.26},
    ),
    "an interface endpoint in two zones": (
        [made("VpcEndpoint", vpcEndpointType="Interface", subnetIds=["a", "b"])],
        {("VpcEndpoint", "hours"): 20.44},
    ),
    "an interface endpoint whose subnets nobody knows yet": (
        [*TWO_ZONES, made("VpcEndpoint", vpcEndpointType="Interface", subnetIds=UNKNOWN)],
        {("VpcEndpoint", "hours"): 20.44},
    ),
    "a gateway endpoint": ([made("VpcEndpoint", vpcEndpointType="Gateway")], {}),
    "a gateway endpoint for S3, past which the image is pulled": (
        [*NAT_TASK, S3_GATEWAY],
        {
            ("NatGateway", "hours"): 45.26,
            ("NatGateway", "GB through it"): 0.03,
            ("VpcEndpoint", "GB of S3, which do not pass NAT"): 0,
            **IN_PRIVATE,
        },
    ),
    "the same stack without it": (
        NAT_TASK,
        {
            ("NatGateway", "hours"): 45.26,
            ("NatGateway", "GB through it"): 0.4,
            **IN_PRIVATE,
        },
    ),
    "a hosted zone": ([made("Zone")], {("Zone", "hosted zone"): 0.5}),
    "a public certificate": ([made("Certificate", domainName="example.com")], {}),
    "an internet-facing balancer": (
        [*TWO_ZONES, made("LoadBalancer", internal=False, subnets=UNKNOWN)],
        {
            ("LoadBalancer", "hours"): 17.74,
            ("LoadBalancer", "LCU hours"): 0.04,
            ("LoadBalancer", "public IPv4"): 7.3,
            ("LoadBalancer", "GB to the internet"): 0.57,
        },
    ),
    "an internal balancer": (
        [made("LoadBalancer", internal=True)],
        {("LoadBalancer", "hours"): 17.74, ("LoadBalancer", "LCU hours"): 0.04},
    ),
    "a database": (
        [made("Database", **MICRO, allocatedStorage=20, manageMasterUserPassword=True)],
        {
            ("Instance", "hours"): 18.25,
            ("Instance", "disk, GB"): 2.76,
            ("Instance", "password's secret"): 0.4,
        },
    ),
    "a database with a standby and enhanced monitoring every 15 s": (
        [made("Database", **MICRO, allocatedStorage=20, multiAz=True, monitoringInterval=15)],
        {
            ("Instance", "hours"): 36.5,
            ("Instance", "disk, GB"): 5.52,
            ("Instance", "enhanced monitoring, GB"): 0.91,
        },
    ),
    "one task": (
        [TASK, made("Service", desiredCount=1)],
        {("Service", "vCPU hours"): 9.23, ("Service", "memory, GB hours"): 2.02},
    ),
    "three tasks on ARM": (
        [ARM, made("Service", desiredCount=3)],
        {("Service", "vCPU hours"): 22.15, ("Service", "memory, GB hours"): 4.84},
    ),
    "two tasks with public addresses": (
        [TASK, made("Service", desiredCount=2, networkConfiguration={"assignPublicIp": True})],
        {
            ("Service", "vCPU hours"): 18.45,
            ("Service", "memory, GB hours"): 4.04,
            ("Service", "public IPv4"): 7.3,
        },
    ),
    "tasks with a scaler's minimum": (
        [
            TASK,
            made("Service", desiredCount=3),
            made("Target", serviceNamespace="ecs", minCapacity=2, maxCapacity=6),
        ],
        {("Service", "vCPU hours"): 18.45, ("Service", "memory, GB hours"): 4.04},
    ),
    "an instance": (
        [made("Instance", instanceType="t4g.nano")],
        {("Instance", "hours"): 3.94, ("Instance", "disk, GB"): 0.77},
    ),
    "an instance with a disk and an address": (
        [
            made(
                "Instance",
                instanceType="t4g.nano",
                rootBlockDevice={"volumeSize": 20, "volumeType": "gp2"},
                associatePublicIpAddress=True,
            )
        ],
        {
            ("Instance", "hours"): 3.94,
            ("Instance", "disk, GB"): 2.4,
            ("Instance", "public IPv4"): 3.65,
        },
    ),
    "a repository": ([made("Repository")], {("Repository", "images, GB"): 0.1}),
    "a bucket": ([made("Bucket")], {("Bucket", "kept, GB"): 0.03}),
    "a key and a secret": (
        [made("Key"), made("Secret")],
        {("Key", "key"): 1.0, ("Secret", "secret"): 0.4},
    ),
    "the app's log for two years": (
        [made("LogGroup", name="/ecs/careapp-poc", retentionInDays=730)],
        {("LogGroup", "written, GB"): 0.38, ("LogGroup", "kept, GB"): 0.4},
    ),
    "another log that is kept for ever counts a year of it": (
        [made("LogGroup", name="/events")],
        {("LogGroup", "written, GB"): 0.08, ("LogGroup", "kept, GB"): 0.04},
    ),
    "an alarm, one of two metrics, one over alarms": (
        [
            made("MetricAlarm", "one", metricName="CPUUtilization"),
            made("CompositeAlarm", "all"),
            made("MetricAlarm", "two", metricQueries=[{"metric": {}}, {"metric": {}}, {"id": "e"}]),
        ],
        {("MetricAlarm", "alarm"): 0.2, ("CompositeAlarm", "alarm"): 0.5},
    ),
    "a dashboard": ([made("Dashboard")], {("Dashboard", "dashboard"): 3.0}),
    "a scaler that makes two alarms": (
        [made("Policy", policyType="TargetTrackingScaling")],
        {("Policy", "its alarms"): 0.2},
    ),
    "a scaler that makes none": ([made("Policy", policyType="StepScaling")], {}),
    "a budget": ([made("Budget")], {}),
    "a cluster without insights": ([made("Cluster")], {}),
    "flow logs to a bucket": (
        [made("FlowLog", logDestinationType="s3")],
        {("FlowLog", "GB delivered"): 0.38},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_month_costs(name):
    resources, expected = CASES[name]
    assert sums(*resources) == expected


def test_a_sum_is_the_same_in_whatever_order_the_engine_planned_its_resources():
    """Else half a cent is rounded up today and down tomorrow, and the README's table is wrong."""
    kept = [made("Repository"), made("Bucket"), made("Key"), made("Secret")]
    bills = [priced(*order) for order in permutations(kept)]
    assert len({each.month for each in bills}) == 1
    assert len({each.of_group("storage") for each in bills}) == 1


def test_every_rule_has_a_case():
    tried = {each.short for resources, _ in CASES.values() for each in resources}
    untried = set(RULES) - tried - {"budgets:BudgetAction", "s3:BucketV2"}
    assert untried == set(), f"each rule of tools/cost has a case in CASES of {__file__}"


def test_image_pulls_go_through_nat_gateways_in_equal_shares():
    gateways = [made("NatGateway", "1"), made("NatGateway", "2")]
    found = priced(*gateways, TASK, made("Service"), image_gb=0.5, starts=100, log_gb=2)
    shares = [round(i.quantity, 6) for i in found.items if str(i.what) == "GB through it"]
    assert shares == [26, 26]


def test_tasks_with_public_addresses_do_not_pay_nat():
    service = made("Service", networkConfiguration={"assignPublicIp": True})
    found = sums(made("NatGateway"), TASK, service)
    assert ("NatGateway", "GB through it") not in found


def test_a_flow_log_in_a_log_group_is_billed_once():
    group = made("LogGroup", name="/vpc/careapp-poc", retentionInDays=365)
    flow = made("FlowLog", needs=[group])
    assert sums(group, flow, flow_log_gb=10) == {
        ("LogGroup", "kept, GB"): 3.96,
        ("FlowLog", "GB delivered"): 7.6,
    }


def test_spot_and_on_demand_share_by_weight():
    strategies = [
        {"capacityProvider": "FARGATE", "weight": 1},
        {"capacityProvider": "FARGATE_SPOT", "weight": 3},
    ]
    found = priced(TASK, made("Service", desiredCount=4, capacityProviderStrategies=strategies))
    hours = {item.price.key: item.quantity for item in found.items if "vcpu" in item.price.key}
    assert hours == {"fargate-vcpu:X86_64": 182.5, "spot-vcpu:X86_64": 547.5}


def test_insights_cost_by_metric_and_service_only_where_they_are_on():
    cluster = made("Cluster", settings=[{"name": "containerInsights", "value": "enabled"}])
    service = made("Service", networkConfiguration={"assignPublicIp": True})
    found = sums(cluster, TASK, service, insights_metrics=40)
    assert found["Cluster", "Container Insights, metrics"] == 12
    assert sums(cluster) == {}


def test_a_repository_is_as_full_as_its_lifecycle_policy_lets_it_be():
    policy = {
        "rules": [
            {"selection": {"countType": "sinceImagePushed", "countNumber": 7}},
            {"selection": {"countType": "imageCountMoreThan", "countNumber": 25}},
        ]
    }
    held = made("LifecyclePolicy", policy=json.dumps(policy))
    assert sums(made("Repository"), held)["Repository", "images, GB"] == 0.25
    unknown = made("LifecyclePolicy", policy=UNKNOWN)
    assert sums(made("Repository"), unknown, images=30)["Repository", "images, GB"] == 0.3


STOP = {"minCapacity": 0, "maxCapacity": 0}
START = {"minCapacity": 1, "maxCapacity": 4}


def scheduled(*pairs):
    return [
        made("ScheduledAction", str(index), schedule=schedule, scalableTargetAction=action)
        for index, (schedule, action) in enumerate(pairs)
    ]


@pytest.mark.parametrize(
    ("pairs", "hours"),
    [
        ([], 168),
        ([("cron(0 8 ? * MON-FRI *)", START), ("cron(0 20 ? * MON-FRI *)", STOP)], 60),
        ([("cron(30 8 * * ? *)", START), ("cron(0 20 * * ? *)", STOP)], 80.5),
        ([("cron(0 20 ? * FRI *)", STOP), ("cron(0 8 ? * 2 *)", START)], 108),
        ([("cron(0 8 ? * SAT-SUN *)", START), ("cron(0 9 ? * SAT,SUN *)", STOP)], 2),
    ],
)
def test_tasks_that_stop_at_night_are_billed_for_the_rest_of_the_week(pairs, hours):
    found = priced(TASK, made("Service", desiredCount=1), *scheduled(*pairs))
    paid = {item.price.key: item.quantity for item in found.items}
    assert paid["fargate-vcpu:X86_64"] == pytest.approx(730 * 0.25 * hours / 168)


def test_each_of_two_services_is_billed_by_its_own_tasks_hours_and_definition():
    small = made("TaskDefinition", **SMALL)
    large = made("TaskDefinition", "l", cpu="1024", memory="2048")
    web, worker = (
        made("Service", needs=[small]),
        made("Service", "w", needs=[large], desiredCount=3),
    )
    range_of_web = made("Target", needs=[web], serviceNamespace="ecs", minCapacity=2)
    night = made(
        "ScheduledAction",
        "s",
        needs=[range_of_web],
        schedule="cron(0 0 ? * MON *)",
        scalableTargetAction=STOP,
    )
    day = made(
        "ScheduledAction",
        "d",
        needs=[range_of_web],
        schedule="cron(0 12 ? * THU *)",
        scalableTargetAction=START,
    )
    found = priced(small, large, web, worker, range_of_web, night, day)
    paid = {item.resource.name: item.quantity for item in found.items if "vcpu" in item.price.key}
    assert paid == {
        "careapp-poc-x": pytest.approx(2 * 730 * 0.25 / 2),
        "careapp-poc-w": pytest.approx(3 * 730 * 1),
    }


NOBODY_KNOWS = {
    "a schedule that calls something else": (
        [made("Schedule", target={"arn": "arn:aws:lambda:x"})],
        "no price is known for a schedule that runs no ECS task",
    ),
    "a type that no rule knows": (
        [made("Vpc", "x"), Resource(type="aws:wafv2/webAcl:WebAcl", name="acl")],
        "no price is known for the type aws:wafv2/webAcl:WebAcl",
    ),
    "an input that is known after the update": (
        [made("Database", **{**MICRO, "instanceClass": UNKNOWN}, allocatedStorage=20)],
        "its instanceClass is known only after an update",
    ),
    "a class that the table lacks": (
        [made("Database", **{**MICRO, "instanceClass": "db.r7g.large"}, allocatedStorage=20)],
        "the price table has no rds-hour:db.r7g.large; --live asks AWS",
    ),
    "another engine": (
        [made("Database", **{**MICRO, "engine": "mysql"})],
        "prices are known for PostgreSQL only, not for mysql",
    ),
    "long Performance Insights": (
        [made("Database", **MICRO, allocatedStorage=20, performanceInsightsRetentionPeriod=93)],
        "no price is known for Performance Insights beyond 7 days",
    ),
    "a network load balancer": (
        [made("LoadBalancer", loadBalancerType="network")],
        "no price is known for a load balancer of type network",
    ),
    "tasks on EC2": (
        [TASK, made("Service", launchType="EC2")],
        "no price is known for tasks on EC2",
    ),
    "a task definition that is not there": (
        [made("Service")],
        "which task definition it runs is known only after an update",
    ),
    "task storage": (
        [made("TaskDefinition", **SMALL, ephemeralStorage={"sizeInGib": 50}), made("Service")],
        "no price is known for more than Fargate's 20 GiB of task storage",
    ),
    "a monthly schedule": (
        [TASK, made("Service"), *scheduled(("cron(0 8 1 * ? *)", STOP))],
        "cron(0 8 1 * ? *) is not a weekly schedule, so its hours are unknown",
    ),
    "a private certificate": (
        [made("Certificate", certificateAuthorityArn="arn")],
        "only public certificates that are not exported are known to be free",
    ),
    "a budget that acts": (
        [made("BudgetAction")],
        "a budget's actions are billed by the day, with no price here",
    ),
}


@pytest.mark.parametrize("name", NOBODY_KNOWS)
def test_an_unpriced_resource_is_never_free(name):
    resources, why = NOBODY_KNOWS[name]
    found = priced(*resources)
    assert [str(each.why) for each in found.unpriced] == [why]
    assert found.unpriced[0].resource not in found.free


def test_the_priced_parts_of_a_database_are_counted():
    found = priced(made("Database", **{**MICRO, "instanceClass": "db.x"}, allocatedStorage=20))
    assert round(found.month, 2) == 2.76
    assert "rds-hour:db.x" in found.needed


def test_a_free_type_has_a_reason_and_no_rule():
    assert set(FREE) & set(RULES) == set()
    assert all(str(reason) for reason in FREE.values())
    found = priced(made("Vpc"))
    assert (found.month, [each.kind for each in found.free]) == (0, ["Vpc"])


def test_an_hour_is_a_part_of_a_month_of_730():
    assert priced(made("Eip")).hour == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("assumed", "lcu"),
    [
        ({"requests": 730 * 3600 * 50, "gb_out": 0}, 2),
        ({"requests": 0, "gb_out": 730 * 3}, 3),
        ({"requests": 1e9, "lcu": 0.5}, 0.5),
    ],
)
def test_lcus_are_those_of_the_largest_dimension(assumed, lcu):
    assert Assumptions(**assumed).average_lcu == pytest.approx(lcu)
