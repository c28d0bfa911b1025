"""Where ECS gets its capacity from, and how it goes from one generation of tasks to the next."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

from stack.service import ServiceSettings

ON_DEMAND, SPOT = "FARGATE", "FARGATE_SPOT"


def providers(
    name: str, cluster: aws.ecs.Cluster, opts: pulumi.ResourceOptions
) -> aws.ecs.ClusterCapacityProviders:
    """Let the cluster use both: a service may only name providers that its cluster has."""
    return aws.ecs.ClusterCapacityProviders(
        f"{name}-cluster",
        cluster_name=cluster.name,
        capacity_providers=[ON_DEMAND, SPOT],
        opts=opts,
    )


def scheduling(settings: ServiceSettings) -> dict[str, Any]:
    """How ECS places tasks, and replaces them.

    Always a capacity provider and never a launch type: the provider replaces a service that goes
    from one to the other, and changes one that goes from provider to provider in place, which AWS
    allows with a new deployment only. So every change of the service starts one.
    Spot has no base on demand: the one task of a small stack would be it, and nothing cheaper.
    """
    return {
        "capacity_provider_strategies": [
            aws.ecs.ServiceCapacityProviderStrategyArgs(
                capacity_provider=SPOT if settings.spot else ON_DEMAND, base=0, weight=1
            )
        ],
        "force_new_deployment": True,
        "platform_version": "LATEST",
        "deployment_circuit_breaker": aws.ecs.ServiceDeploymentCircuitBreakerArgs(
            enable=True, rollback=True
        ),
        "deployment_minimum_healthy_percent": 100,
        "deployment_maximum_percent": 200,
        "health_check_grace_period_seconds": settings.grace_period,
        "availability_zone_rebalancing": "ENABLED",
        # The provider's own waiting takes a rolled-back deployment for a success.
        "wait_for_steady_state": False,
    }
