"""The resource types of the aws provider that the stand-in has, by service."""

from collections.abc import Mapping

from local_cloud.providers.aws import (
    cloudwatch,
    domains,
    ec2,
    ecr,
    ecs,
    elb,
    groups,
    iam,
    kms,
    rds,
    routes,
    s3,
    scaling,
    scheduler,
    secrets,
    sns,
    sqs,
    ssm,
)
from local_cloud.providers.kind import Kind, snake

MODULES = (
    *(cloudwatch, domains, ec2, ecr, ecs, elb, groups),
    *(iam, kms, rds, routes, s3, scaling, scheduler, secrets, sns, sqs, ssm),
)
KINDS: Mapping[str, Kind] = {kind.token: kind for module in MODULES for kind in module.KINDS}
"""Every resource type that the stand-in can create, by its Pulumi type token."""


OUTPUTS = {token: tuple(map(snake, kind.outputs)) for token, kind in KINDS.items()}
"""What each type has besides its inputs, by the names in Python."""
