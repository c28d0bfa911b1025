"""Lists the resource types that AWS does not charge for, each with the reason.

A type is here only when the pricing page of its service names no charge. A type that is neither here nor in
``RULES`` is reported as unpriced.
"""

from __future__ import annotations

from i18n import Text, t

VPC = t("a VPC and its parts are free; NAT, addresses, endpoints and traffic are billed")

RULES_OF = t("part of a load balancer, which is billed by the hour and by LCU")

RIGHTS = t("IAM is free")

SCHEDULER = t("ECS itself is free; its tasks are billed")

PART = t("settings of something that is billed itself")

SCALING = t("scaling is free; its alarms are billed")

RULE = t("rules for the events of AWS's own services are free")

TOPIC = t("a topic is free; of its e-mails the first 1,000 a month are, too")

RECORD = t("alias records for AWS's own resources are free; the hosted zone is billed")

BUILT = t("built on this machine; the repository's storage is billed")

FREE: dict[str, Text] = {
    **dict.fromkeys(
        [
            *("ec2:Vpc", "ec2:Subnet", "ec2:RouteTable", "ec2:RouteTableAssociation", "ec2:Route"),
            *("ec2:InternetGateway", "ec2:SecurityGroup", "ec2:DefaultSecurityGroup"),
            *("ec2:NetworkAcl", "ec2:DefaultNetworkAcl", "ec2:DefaultRouteTable"),
            *("vpc:SecurityGroupIngressRule", "vpc:SecurityGroupEgressRule"),
            *("ec2:VpcEndpointRouteTableAssociation", "ec2:EipAssociation"),
        ],
        VPC,
    ),
    **dict.fromkeys(["lb:Listener", "lb:ListenerRule", "lb:TargetGroup"], RULES_OF),
    **dict.fromkeys(
        [
            *("iam:Role", "iam:RolePolicy", "iam:RolePolicyAttachment", "iam:Policy"),
            "iam:InstanceProfile",
        ],
        RIGHTS,
    ),
    **dict.fromkeys(["ecs:TaskDefinition", "ecs:ClusterCapacityProviders"], SCHEDULER),
    **dict.fromkeys(
        [
            *("rds:SubnetGroup", "rds:ParameterGroup", "ecr:LifecyclePolicy"),
            *("ecr:RepositoryPolicy", "sns:TopicPolicy", "sns:TopicSubscription"),
            *("s3:BucketPolicy", "s3:BucketPublicAccessBlock", "s3:BucketLifecycleConfiguration"),
            *("s3:BucketOwnershipControls", "s3:BucketServerSideEncryptionConfiguration"),
            *("s3:BucketVersioning", "kms:Alias", "kms:KeyPolicy", "cloudwatch:EventTarget"),
            *("cloudwatch:LogResourcePolicy", "acm:CertificateValidation"),
            *("s3:BucketLifecycleConfigurationV2", "s3:BucketVersioningV2"),
            *("s3:BucketServerSideEncryptionConfigurationV2", "secretsmanager:SecretVersion"),
            *("secretsmanager:SecretRotation", "secretsmanager:SecretPolicy"),
        ],
        PART,
    ),
    **dict.fromkeys(["appautoscaling:Target", "appautoscaling:ScheduledAction"], SCALING),
    "cloudwatch:EventRule": RULE,
    "sns:Topic": TOPIC,
    "route53:Record": RECORD,
    "index:Image": BUILT,
}
