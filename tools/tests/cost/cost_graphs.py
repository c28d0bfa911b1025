"""Small resource graphs for the tests of what things cost."""

from __future__ import annotations

from tools.cost.bill import Assumptions
from tools.cost.graph import UNKNOWN, Graph, Resource
from tools.cost.prices import PriceBook
from tools.cost.rules import bill

TYPES = {
    "Repository": "aws:ecr/repository:Repository",
    "LifecyclePolicy": "aws:ecr/lifecyclePolicy:LifecyclePolicy",
    "LogGroup": "aws:cloudwatch/logGroup:LogGroup",
    "MetricAlarm": "aws:cloudwatch/metricAlarm:MetricAlarm",
    "CompositeAlarm": "aws:cloudwatch/compositeAlarm:CompositeAlarm",
    "Dashboard": "aws:cloudwatch/dashboard:Dashboard",
    "Database": "aws:rds/instance:Instance",
    "LoadBalancer": "aws:lb/loadBalancer:LoadBalancer",
    "Cluster": "aws:ecs/cluster:Cluster",
    "Service": "aws:ecs/service:Service",
    "TaskDefinition": "aws:ecs/taskDefinition:TaskDefinition",
    "Target": "aws:appautoscaling/target:Target",
    "Policy": "aws:appautoscaling/policy:Policy",
    "ScheduledAction": "aws:appautoscaling/scheduledAction:ScheduledAction",
    "Schedule": "aws:scheduler/schedule:Schedule",
    "Certificate": "aws:acm/certificate:Certificate",
    "Zone": "aws:route53/zone:Zone",
    "Bucket": "aws:s3/bucket:Bucket",
    "Key": "aws:kms/key:Key",
    "Secret": "aws:secretsmanager/secret:Secret",
    "Budget": "aws:budgets/budget:Budget",
    "BudgetAction": "aws:budgets/budgetAction:BudgetAction",
    **{
        kind: f"aws:ec2/{kind[0].lower()}{kind[1:]}:{kind}"
        for kind in ("NatGateway", "Eip", "VpcEndpoint", "FlowLog", "Instance", "Subnet", "Vpc")
    },
}
SMALL = {"cpu": "256", "memory": "512"}
MICRO = {"engine": "postgres", "instanceClass": "db.t4g.micro", "storageType": "gp3"}
BOOK = PriceBook.load("ap-northeast-1")
__all__ = ["BOOK", "MICRO", "SMALL", "UNKNOWN", "exported", "graph", "made", "priced", "sums"]


def made(kind, role="x", needs=(), protect=False, retained=False, **inputs):
    """One resource, by the last word of its type."""
    name = f"careapp-poc-{role}"
    return Resource(
        type=TYPES[kind],
        name=name,
        urn=f"urn:pulumi:poc::careapp::{TYPES[kind]}::{name}",
        inputs=inputs,
        needs=tuple(each.urn for each in needs),
        protect=protect,
        retained=retained,
    )


def graph(*resources, region="ap-northeast-1"):
    return Graph(resources, region)


def exported(*resources):
    """The same as ``pulumi stack export`` prints it."""
    states = [
        {
            "urn": each.urn,
            "type": each.type,
            "custom": True,
            "inputs": dict(each.inputs),
            "dependencies": list(each.needs),
            "protect": each.protect,
            "retainOnDelete": each.retained,
        }
        for each in resources
    ]
    return {"version": 3, "deployment": {"resources": states}}


def priced(*resources, **assumed):
    return bill(graph(*resources), BOOK, Assumptions(**assumed))


def sums(*resources, **assumed):
    """Each line's cost a month, to the cent."""
    found = priced(*resources, **assumed)
    assert found.unpriced == ()
    return {(item.resource.kind, str(item.what)): round(item.usd, 2) for item in found.items}
