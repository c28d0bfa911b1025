"""The most that any role of the program may ever be allowed."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

ROLE = "aws:iam/role:Role"


def keep_within(policy: str) -> None:
    """Give every role of the stack the account's IAM policy of that name as permissions boundary.

    By a transformation of the stack and not by each role's own argument, so that the program can
    make no role without it. The parts of an awsx component are out of its reach; the one that is
    used, awsx.ec2.Vpc, makes no role. To be called before the first resource. An empty name bounds
    nothing.
    """
    if not policy:
        return
    account = aws.get_caller_identity_output().account_id
    arn = account.apply(lambda known: f"arn:aws:iam::{known}:policy/{policy}")

    def bounded(
        args: pulumi.ResourceTransformationArgs,
    ) -> pulumi.ResourceTransformationResult | None:
        if args.type_ != ROLE:
            return None
        return pulumi.ResourceTransformationResult(
            {**args.props, "permissions_boundary": arn}, args.opts
        )

    pulumi.runtime.register_stack_transformation(bounded)
