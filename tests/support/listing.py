"""What an AWS account has, asked by boto3 alone: nothing here knows the programs whose remains are looked for."""

import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError


def listed(client: Callable[[str], Any]) -> list[str]:
    """Return what costs money or keeps a name that a new stack needs, as JSON, and the lists that AWS refuses.

    ``client`` returns boto3's client of a service. What AWS describes for an hour after its end is left out.
    """
    found = []
    for service, operation, path in LISTS:
        asked, options = client(service), OPTIONS.get(operation, {})
        try:
            if operation == "describe_clusters":
                options = {"clusters": asked.list_clusters()["clusterArns"]}
            if asked.can_paginate(operation):
                items = asked.get_paginator(operation).paginate(**options).build_full_result()[path]
            else:
                items = getattr(asked, operation)(**options)[path]
        except (ClientError, BotoCoreError) as problem:
            items = [f"careapp may be here: {problem}"]
        texts = [json.dumps(item, default=str) for item in items]
        found += [
            f"{operation}: {text}" for text in texts if not any(word in text for word in FREE)
        ]
    return found


LISTS = (
    ("ec2", "describe_vpcs", "Vpcs"),
    ("ec2", "describe_subnets", "Subnets"),
    ("ec2", "describe_security_groups", "SecurityGroups"),
    ("ec2", "describe_security_group_rules", "SecurityGroupRules"),
    ("ec2", "describe_network_interfaces", "NetworkInterfaces"),
    ("ec2", "describe_addresses", "Addresses"),
    ("ec2", "describe_internet_gateways", "InternetGateways"),
    ("ec2", "describe_nat_gateways", "NatGateways"),
    ("ec2", "describe_route_tables", "RouteTables"),
    ("ec2", "describe_vpc_endpoints", "VpcEndpoints"),
    ("ec2", "describe_flow_logs", "FlowLogs"),
    ("ec2", "describe_instances", "Reservations"),
    ("ec2", "describe_volumes", "Volumes"),
    ("elbv2", "describe_load_balancers", "LoadBalancers"),
    ("elbv2", "describe_target_groups", "TargetGroups"),
    ("application-autoscaling", "describe_scalable_targets", "ScalableTargets"),
    ("ecs", "describe_clusters", "clusters"),
    ("rds", "describe_db_instances", "DBInstances"),
    ("rds", "describe_db_subnet_groups", "DBSubnetGroups"),
    ("rds", "describe_db_parameter_groups", "DBParameterGroups"),
    ("secretsmanager", "list_secrets", "SecretList"),
    ("iam", "list_roles", "Roles"),
    ("iam", "list_policies", "Policies"),
    ("iam", "list_instance_profiles", "InstanceProfiles"),
    ("s3", "list_buckets", "Buckets"),
    ("logs", "describe_log_groups", "logGroups"),
    ("ecr", "describe_repositories", "repositories"),
    ("scheduler", "list_schedules", "Schedules"),
    ("scheduler", "list_schedule_groups", "ScheduleGroups"),
    ("sns", "list_topics", "Topics"),
    ("ssm", "describe_parameters", "Parameters"),
    ("cloudwatch", "describe_alarms", "MetricAlarms"),
    ("cloudwatch", "list_dashboards", "DashboardEntries"),
    ("events", "list_rules", "Rules"),
)
OPTIONS: dict[str, dict[str, Any]] = {
    "list_policies": {"Scope": "Local"},
    "describe_scalable_targets": {"ServiceNamespace": "ecs"},
}
FREE = (
    *('"deleted"', '"terminated"', '"INACTIVE"'),
    '"DBParameterGroupName": "default.',  # RDS makes it with the first database, and nobody can delete it.
)
"""What is in the text of what no longer costs anything."""
