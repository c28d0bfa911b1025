"""The resource types of the aws provider that the stand-in knows, by service."""

from __future__ import annotations

from collections.abc import Mapping

from rehearsal.providers.aws import (
    acm,
    ec2,
    ecr,
    ecs,
    elb,
    groups,
    iam,
    logs,
    rds,
    route53,
    scaling,
)
from rehearsal.providers.kind import Kind

KINDS: Mapping[str, Kind] = {
    kind.token: kind
    for module in (ec2, groups, elb, rds, ecr, ecs, iam, logs, acm, route53, scaling)
    for kind in module.KINDS
}
"""Every resource type that the stand-in can create, by its Pulumi type token."""
