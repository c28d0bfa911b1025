"""What a deploy of a stack may change: what the program consists of, by the stack's own names."""

from __future__ import annotations

from infra.statements import Policy, allow, of
from ops.delivery.names import Account
from ops.names import StackNames

NETWORK = (
    *of("ec2", "AllocateAddress", "AssociateRouteTable", "AttachInternetGateway"),
    *of("ec2", "AuthorizeSecurityGroupEgress", "AuthorizeSecurityGroupIngress"),
    *of("ec2", "CreateFlowLogs", "CreateInternetGateway", "CreateNatGateway", "CreateRoute"),
    *of("ec2", "CreateRouteTable", "CreateSecurityGroup", "CreateSubnet", "CreateTags"),
    *of("ec2", "CreateVpc", "DeleteFlowLogs", "DeleteInternetGateway", "DeleteNatGateway"),
    *of("ec2", "DeleteRoute", "DeleteRouteTable", "DeleteSecurityGroup", "DeleteSubnet"),
    *of("ec2", "DeleteTags", "DeleteVpc", "DetachInternetGateway", "DisassociateAddress"),
    *of("ec2", "DisassociateRouteTable", "ModifySecurityGroupRules", "ModifySubnetAttribute"),
    *of("ec2", "ModifyVpcAttribute", "ReleaseAddress", "ReplaceRoute"),
    *of("ec2", "ReplaceRouteTableAssociation", "RevokeSecurityGroupEgress"),
    *of("ec2", "RevokeSecurityGroupIngress", "UpdateSecurityGroupRuleDescriptionsEgress"),
    *of("ec2", "UpdateSecurityGroupRuleDescriptionsIngress"),
    *of("ec2", "ModifyInstanceAttribute", "ModifyInstanceMetadataOptions", "RunInstances"),
    *of("ec2", "StartInstances", "StopInstances", "TerminateInstances"),
)
"""EC2 names its resources itself, so only the region and `apart` of another stack bound these."""
BALANCER = (
    *of("elasticloadbalancing", "AddTags", "CreateListener", "CreateLoadBalancer", "CreateRule"),
    *of("elasticloadbalancing", "CreateTargetGroup", "DeleteListener", "DeleteLoadBalancer"),
    *of("elasticloadbalancing", "DeleteRule", "DeleteTargetGroup", "ModifyListener"),
    *of("elasticloadbalancing", "ModifyListenerAttributes", "ModifyLoadBalancerAttributes"),
    *of("elasticloadbalancing", "ModifyRule", "ModifyTargetGroup"),
    *of("elasticloadbalancing", "ModifyTargetGroupAttributes", "RemoveTags"),
    *of("elasticloadbalancing", "SetRulePriorities", "SetSecurityGroups", "SetSubnets"),
    *of("elasticloadbalancing", "AddListenerCertificates", "RemoveListenerCertificates"),
)
DATABASE = (
    *of("rds", "AddTagsToResource", "CreateDBInstance", "CreateDBParameterGroup"),
    *of("rds", "CreateDBSnapshot", "CreateDBSubnetGroup", "DeleteDBInstance"),
    *of("rds", "DeleteDBParameterGroup", "DeleteDBSubnetGroup", "ModifyDBInstance"),
    *of("rds", "ModifyDBParameterGroup", "ModifyDBSubnetGroup", "RebootDBInstance"),
    *of("rds", "RemoveTagsFromResource", "ResetDBParameterGroup", "StartDBInstance"),
    *of("rds", "StopDBInstance"),
)
IMAGES = (
    *of("ecr", "BatchCheckLayerAvailability", "BatchDeleteImage", "BatchGetImage"),
    *of("ecr", "CompleteLayerUpload", "CreateRepository", "DeleteLifecyclePolicy"),
    *of("ecr", "DeleteRepository", "GetDownloadUrlForLayer", "InitiateLayerUpload", "PutImage"),
    *of("ecr", "PutImageScanningConfiguration", "PutImageTagMutability", "PutLifecyclePolicy"),
    *of("ecr", "TagResource", "UntagResource", "UploadLayerPart"),
)
SERVICE = (
    *of("ecs", "CreateCluster", "CreateService", "DeleteCluster", "DeleteService"),
    *of("ecs", "PutClusterCapacityProviders", "TagResource", "UntagResource", "UpdateCluster"),
    *of("ecs", "RegisterTaskDefinition", "UpdateClusterSettings", "UpdateService"),
)
SCALING = of(
    "application-autoscaling",
    *("DeleteScalingPolicy", "DeleteScheduledAction", "DeregisterScalableTarget"),
    *("PutScalingPolicy", "PutScheduledAction", "RegisterScalableTarget", "TagResource"),
    *("UntagResource",),
)
LOGS = (
    *of("logs", "CreateLogGroup", "DeleteLogGroup", "DeleteRetentionPolicy", "FilterLogEvents"),
    *of("logs", "GetLogEvents", "DescribeLogStreams", "PutRetentionPolicy", "TagLogGroup"),
    *of("logs", "TagResource", "UntagLogGroup", "UntagResource"),
)


def network(account: Account) -> Policy:
    """VPC, subnets, routes, gateways, security groups, flow logs, the bastion's instance."""
    return allow("*", *NETWORK, when={"StringEquals": {"aws:RequestedRegion": account.region}})


def balancing(account: Account, names: StackNames) -> Policy:
    """The load balancer and all that hangs from it."""
    own = (
        *(f"{kind}/app/{names.balancer}/*" for kind in ("loadbalancer", "listener")),
        f"listener-rule/app/{names.balancer}/*",
        f"targetgroup/{names.target_group}/*",
    )
    return allow([account.arn("elasticloadbalancing", each) for each in own], *BALANCER)


def storing(account: Account, names: StackNames) -> list[Policy]:
    """The database, whose password RDS puts into a secret in the caller's name, and the images."""
    own = [account.arn("rds", f"{kind}:{names.prefix}*") for kind in ("db", "pg", "snapshot")]
    own.append(account.arn("rds", f"subgrp:{names.prefix}*"))
    secrets = account.arn("secretsmanager", "secret:rds!db-*")
    return [
        allow([*own, account.arn("rds", "og:default*")], *DATABASE),
        allow(secrets, *of("secretsmanager", "CreateSecret", "TagResource")),
        allow(account.arn("ecr", f"repository/{names.repository}"), *IMAGES),
    ]


def running(account: Account, names: StackNames) -> list[Policy]:
    """Cluster, service, tasks, their number and their log."""
    own = [account.arn("ecs", f"cluster/{names.cluster}")]
    own.append(account.arn("ecs", f"service/{names.cluster}/*"))
    own.append(account.arn("ecs", f"task-definition/{names.family}:*"))
    groups = (names.log_group, f"/vpc/{names.prefix}", f"/aws/rds/instance/{names.prefix}/")
    return [
        allow(own, *SERVICE),
        allow(account.arn("application-autoscaling", "scalable-target/*"), *SCALING),
        allow([account.arn("logs", f"log-group:{group}*") for group in groups], *LOGS),
    ]
