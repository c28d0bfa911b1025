"""IAM's rules about managed policies that moto lacks."""

from __future__ import annotations

from rehearsal.aws.hooks import Params, Refused, backend, before


@before("iam", "DeletePolicy")
def policy_unused(params: Params) -> None:
    """Refuse to delete a policy that is attached to something (IAM API reference, DeletePolicy)."""
    policy = backend("iam").managed_policies.get(params["PolicyArn"])
    if policy is not None and policy.attachment_count:
        raise Refused("DeleteConflict", "Cannot delete a policy attached to entities.")


@before("iam", "DeletePolicy")
def only_one_version(params: Params) -> None:
    """Refuse to delete a policy that has other versions than the default one (same page)."""
    policy = backend("iam").managed_policies.get(params["PolicyArn"])
    if policy is not None and len(policy.versions) > 1:
        raise Refused(
            "DeleteConflict",
            "This policy has more than one version. Before you delete a policy, you must delete the policy's "
            "versions. The default version is deleted with the policy.",
        )
