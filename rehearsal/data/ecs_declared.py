"""A service as it was declared to the ECS API: kept on moto's object, and read for the scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rehearsal.control import hooks
from rehearsal.data.ecs_state import Breaker, Revision, Settings

DEPLOYMENT = {
    "deploymentCircuitBreaker": {"enable": False, "rollback": False},
    "maximumPercent": 200,
    "minimumHealthyPercent": 100,
    "strategy": "ROLLING",
    "bakeTimeInMinutes": 0,
}
KEPT = {
    "capacityProviderStrategy": "capacity_provider_strategy",
    "placementConstraints": "placement_constraints",
    "placementStrategy": "placement_strategy",
    "healthCheckGracePeriodSeconds": "health_check_grace_period_seconds",
    "enableECSManagedTags": "enable_ecs_managed_tags",
    "enableExecuteCommand": "enable_execute_command",
    "availabilityZoneRebalancing": "availability_zone_rebalancing",
    "propagateTags": "propagate_tags",
    "platformVersion": "platform_version",
    "networkConfiguration": "network_configuration",
    "loadBalancers": "load_balancers",
    "serviceRegistries": "service_registries",
}
"""The API's members that moto drops or does not update, and the attribute it would serialize each from."""
ROLLING = ("networkConfiguration", "platformVersion", "loadBalancers", "serviceRegistries")
"""A change of these starts a new deployment (API reference, UpdateService)."""


def create(params: hooks.Params) -> Any:
    """Let moto make the service, and keep what it would drop."""
    service = hooks.backend("ecs").create_service(
        cluster_str=params.get("cluster", "default"),
        service_name=params["serviceName"],
        desired_count=params.get("desiredCount"),
        task_definition_str=params.get("taskDefinition"),
        load_balancers=params.get("loadBalancers"),
        scheduling_strategy=params.get("schedulingStrategy"),
        tags=params.get("tags"),
        deployment_controller=params.get("deploymentController"),
        launch_type=params.get("launchType")
        or ("FARGATE" if "capacityProviderStrategy" in params else None),
        service_registries=params.get("serviceRegistries"),
        platform_version=params.get("platformVersion"),
        network_configuration=params.get("networkConfiguration"),
        propagate_tags=params.get("propagateTags") or "NONE",
        role_arn=params.get("role"),
    )
    if service.launch_type == "FARGATE":
        service.platform_version = service.platform_version or "LATEST"
    service.platform_family = "Linux"
    service.deployment_configuration = dict(DEPLOYMENT)
    service.availability_zone_rebalancing = "ENABLED"
    service.enable_execute_command = service.enable_ecs_managed_tags = False
    service.health_check_grace_period_seconds = 0 if service.load_balancers else None
    keep(service, params)
    return service


def keep(service: Any, params: hooks.Params) -> bool:
    """Note changed members; whether one of them starts a new deployment."""
    rolls = False
    for name, attribute in KEPT.items():
        if params.get(name) is not None:
            changed = getattr(service, attribute, None) != params[name]
            rolls = rolls or (changed and name in ROLLING)
            setattr(service, attribute, params[name])
    if params.get("desiredCount") is not None:
        service.desired_count = params["desiredCount"]
    given = params.get("deploymentConfiguration")
    if given:
        service.deployment_configuration = {**service.deployment_configuration, **given}
    return rolls


def settings_of(service: Any) -> Settings:
    """What the scheduler needs to know of the service."""
    declared = service.deployment_configuration
    return Settings(
        desired=int(service.desired_count),
        minimum_percent=int(declared["minimumHealthyPercent"]),
        maximum_percent=int(declared["maximumPercent"]),
        grace=float(service.health_check_grace_period_seconds or 0),
        breaker=_breaker(declared["deploymentCircuitBreaker"]),
    )


def _breaker(declared: Mapping[str, Any]) -> Breaker:
    limit = declared.get("thresholdConfiguration") or {}
    return Breaker(
        enable=bool(declared.get("enable")),
        rollback=bool(declared.get("rollback")),
        kind=str(limit.get("type", "BOUNDED_PERCENT")),
        value=int(limit.get("value", 50)),
        reset_on_healthy=bool(declared.get("resetOnHealthyTask", True)),
    )


def revision_of(service: Any, definition: Any) -> Revision:
    """What a deployment of this task definition runs, with the service as it is declared now."""
    checks = any(
        each.get("healthCheck")
        and each.get("essential", True)
        and each["healthCheck"].get("command", ["NONE"])[0] != "NONE"
        for each in definition.container_definitions
    )
    return Revision(
        task_definition=str(definition.arn),
        checks_health=checks,
        network=service.network_configuration or {},
        load_balancers=tuple(service.load_balancers or ()),
        providers=tuple(getattr(service, "capacity_provider_strategy", None) or ()),
    )
