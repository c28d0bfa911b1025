"""Controls of Systems Manager, EC2 Auto Scaling, EventBridge and CloudWatch."""

from __future__ import annotations

from tests.controls.control import Control, Elsewhere, Service, said
from tests.controls.graph import Graph, Resource
from tests.controls.policies import statements

INSTANCE = "aws:ec2/instance:Instance"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
REPORTS = "ssm:UpdateInstanceInformation"
"""With it an instance makes itself known to Systems Manager."""
ACCOUNT = "as it is a setting of the whole account"
RUN_TIME = "as it is seen at run time only"


def not_managed(instance: Resource, graph: Graph) -> bool:
    """Without a profile whose role lets the SSM agent speak, Systems Manager sees no instance."""
    profiles = graph.of("aws:iam/instanceProfile:InstanceProfile")
    mine = said(instance, "iamInstanceProfile")
    roles = {one.inputs["role"] for one in profiles if mine in one.known_as}
    said_of_them = (
        statement
        for one in graph.of("aws:iam/rolePolicy:RolePolicy")
        if one.inputs["role"] in roles
        for statement in statements(one)
    )
    return not any(each.allows and REPORTS in each.actions for each in said_of_them)


def _scaling(id_: str, title: str) -> Control:
    return Control(id_, title, "Auto Scaling group of instances", ("aws:autoscaling/group:Group",))


SSM = Service(
    "Systems Manager",
    "ssm",
    (
        Control(
            "SSM.1",
            "Instances are managed by Systems Manager",
            "EC2 instance",
            (INSTANCE,),
            not_managed,
        ),
        Elsewhere("SSM.2", "Instances comply with their patches", RUN_TIME),
        Elsewhere("SSM.3", "Instances comply with their associations", RUN_TIME),
        Control("SSM.4", "Documents are not public", "document", ("aws:ssm/document:Document",)),
        Elsewhere("SSM.6", "Automation logs to CloudWatch", ACCOUNT),
        Elsewhere(
            "SSM.7",
            "Documents cannot be made public",
            ACCOUNT,
            ("aws:ssm/serviceSetting:ServiceSetting",),
        ),
    ),
    ("ssm",),
)

AUTO_SCALING = Service(
    "EC2 Auto Scaling",
    "autoscaling",
    (
        _scaling("AutoScaling.1", "Groups use the load balancer's health checks"),
        _scaling("AutoScaling.2", "Groups span zones"),
        _scaling("AutoScaling.3", "Groups require IMDSv2"),
        _scaling("AutoScaling.5", "Groups assign no public IP addresses"),
        _scaling("AutoScaling.6", "Groups use several instance types"),
        _scaling("AutoScaling.9", "Groups use launch templates"),
    ),
    ("autoscaling",),
    "The service's tasks are scaled by Application Auto Scaling, of which the standard has no control.",
)

EVENTS = Service(
    "EventBridge",
    "eventbridge",
    (
        Control(
            "EventBridge.3",
            "Custom event buses have a policy",
            "event bus of its own",
            ("aws:cloudwatch/eventBus:EventBus",),
        ),
    ),
)

CLOUDWATCH = Service(
    "CloudWatch",
    "cloudwatch",
    (
        Control(
            "CloudWatch.15",
            "Alarms have an action for the state ALARM",
            "alarm",
            (ALARM,),
            lambda one, _: not said(one, "alarmActions"),
        ),
        Control(
            "CloudWatch.16",
            "Logs are kept for at least 365 days",
            "log group",
            (LOG_GROUP,),
            # 0, or nothing said, keeps them for ever.
            lambda one, _: 0 < said(one, "retentionInDays", 0) < 365,
        ),
        Control(
            "CloudWatch.17",
            "Alarms' actions are enabled",
            "alarm",
            (ALARM,),
            lambda one, _: said(one, "actionsEnabled", True) is not True,
        ),
    ),
    ("cloudwatch",),
    "The standard has no control of CloudWatch; these three are of NIST SP 800-53, in Security Hub as well.",
)
