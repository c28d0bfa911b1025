"""What each type of resource costs, against sums made by hand from AWS's price pages."""

from itertools import permutations

import pytest

from ops.cost.rules import RULES
from tests.ops.cost_graphs import MICRO, SMALL, UNKNOWN, made, priced, sums

TWO_ZONES = [
    made("Subnet", role, availabilityZone=f"ap-northeast-1{role[0]}") for role in ("a1", "a2", "c1")
]
TASK = made("TaskDefinition", **SMALL)
ARM = made("TaskDefinition", **SMALL, runtimePlatform={"cpuArchitecture": "ARM64"})


CASES = {
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


def test_every_rule_is_tried_by_a_case():
    tried = {each.short for resources, _ in CASES.values() for each in resources}
    assert set(RULES) - tried == {"budgets:BudgetAction", "s3:BucketV2"}
