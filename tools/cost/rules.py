"""Prices each type of resource by a rule that returns what it uses, or by the reason why it is free.

A type with neither is reported as unpriced.
"""

from __future__ import annotations

from collections.abc import Iterator

from tools.cost import compute, resources
from tools.cost.bill import Assumptions, Bill, Case, Item, Rule, UnknownUsage, Unpriced, Use
from tools.cost.graph import Graph, Resource, UnknownInput
from tools.cost.prices import NoPrice, PriceBook
from tools.i18n import Text, t

RULES: dict[str, Rule] = {**resources.RULES, **compute.RULES}


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
    "scheduler:ScheduleGroup": PART,
    "sns:Topic": TOPIC,
    "route53:Record": RECORD,
    "index:Image": BUILT,
}
"""Types that AWS does not charge for, each with the reason: the pricing page of its service names no charge."""


def bill(graph: Graph, book: PriceBook, assumed: Assumptions) -> Bill:
    """Price every resource of a graph. A type without a rule is unpriced unless it is in FREE."""
    case, free = Case(graph, assumed), [each for each in graph if each.short in FREE]
    rest = [each for each in graph if each.short not in FREE]
    outcomes = [
        found for each in rest for found in _priced(each, RULES.get(each.short), case, book)
    ]
    return Bill(
        items=tuple(each for each in outcomes if isinstance(each, Item)),
        unpriced=tuple(each for each in outcomes if isinstance(each, Unpriced)),
        free=tuple(free),
        needed=frozenset(
            use.price for each in rest for use in _uses(each, RULES.get(each.short), case)
        ),
    )


def _priced(
    resource: Resource, rule: Rule | None, case: Case, book: PriceBook
) -> Iterator[Item | Unpriced]:
    if rule is None:
        why = t("no price is known for the type {type}", type=resource.type)
        yield Unpriced(resource=resource, why=why)
        return
    try:
        for use in rule(resource, case):
            yield _item(resource, use, book)
    except UnknownInput as unknown:
        why = t("its {input} is known only after an update", input=str(unknown))
        yield Unpriced(resource=resource, why=why)
    except UnknownUsage as problem:
        yield Unpriced(resource=resource, why=problem.text)


def _item(resource: Resource, use: Use, book: PriceBook) -> Item | Unpriced:
    try:
        price = book.price(use.price)
    except NoPrice as missing:
        why = t("the price table has no {key}; --live asks AWS", key=str(missing))
        return Unpriced(resource=resource, why=why)
    return Item(
        resource=resource, what=use.what, group=use.group, quantity=use.quantity, price=price
    )


def _uses(resource: Resource, rule: Rule | None, case: Case) -> Iterator[Use]:
    if rule is not None:
        try:
            yield from rule(resource, case)
        except (UnknownInput, UnknownUsage):
            return
