"""Service-linked roles: which call needs one that no earlier call has made."""

from __future__ import annotations

from rehearsal.control.hooks import Params, Refused, backend, before
from rehearsal.providers.calls import Calls

RDS = "rds.amazonaws.com"


def install() -> None:
    """The rule hooks itself in as this module is imported; the call makes that visible."""


def prepare(calls: Calls) -> None:
    """Make the role that the runbook has made in a new account before stage 1."""
    calls("iam", "create_service_linked_role", {"AWSServiceName": RDS})


@before("rds", "CreateDBSubnetGroup")
def subnet_group_needs_role(_params: Params) -> None:
    """RDS makes its role at CreateDBInstance, which comes after this call.

    AWS's words: terraform-aws-modules/terraform-aws-rds issue 364, crossplane provider-aws issue
    479. ECS, load balancing and autoscaling make their own at the first call that needs one.
    """
    if not any(role.path == f"/aws-service-role/{RDS}/" for role in backend("iam").roles.values()):
        raise Refused(
            "InvalidParameterValue",
            "Missing necessary credentials. Please check http://docs.aws.amazon.com/AmazonRDS/"
            "latest/UserGuide/UsingWithRDS.IAM.ServiceLinkedRoles.html",
        )
