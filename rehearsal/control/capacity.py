"""What moto lacks of clusters: their settings on a change, and AWS's rules about capacity providers."""

from __future__ import annotations

from rehearsal.control.hooks import Params, Refused, backend, before, instead


def install() -> None:
    """The rules hook themselves in as this module is imported; the call makes that visible."""


@instead("ecs", "UpdateClusterSettings")
def update_cluster_settings(params: Params) -> Params:
    """Change a cluster's settings and describe the cluster."""
    changed = backend("ecs").update_cluster(
        params["cluster"].rpartition("/")[2], params["settings"], None, None
    )
    return {"cluster": changed}


def _providers_of_the_cluster(params: Params) -> None:
    cluster = backend("ecs").clusters.get(str(params.get("cluster", "default")).rpartition("/")[2])
    known = cluster.capacity_providers or [] if cluster else []
    for each in params.get("capacityProviderStrategy") or []:
        if each["capacityProvider"] not in known:
            words = f"The specified capacity provider {each['capacityProvider']} was not found. "
            words += "Specify a valid capacity provider and try again."
            raise Refused("InvalidParameterException", words)


before("ecs", "CreateService")(_providers_of_the_cluster)
before("ecs", "UpdateService")(_providers_of_the_cluster)


@before("ecs", "UpdateService")
def another_provider_needs_a_deployment(params: Params) -> None:
    if params.get("capacityProviderStrategy") and not params.get("forceNewDeployment"):
        raise Refused(
            "InvalidParameterException",
            "When switching from launch type to capacity provider strategy on an existing service, "
            "or making a change to a capacity provider strategy on a service that is already using "
            "one, you must force a new deployment.",
        )
