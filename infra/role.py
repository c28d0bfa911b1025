"""What every IAM role of the program has alike."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws


def role(
    name: str, trust: pulumi.Input[str], tags: Mapping[str, str], opts: pulumi.ResourceOptions
) -> aws.iam.Role:
    """A role that whoever the policy `trust` names may take."""
    return aws.iam.Role(
        name,
        assume_role_policy=trust,
        # A policy that somebody has added by hand must not hold up a destroy.
        force_detach_policies=True,
        tags=dict(tags),
        opts=opts,
    )
