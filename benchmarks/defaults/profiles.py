"""The defaults of each tool for a service behind a load balancer, with their sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from infra.service import deployment_settings
from stack.deployments import ROLLOUT_TIMEOUT
from stack.entrance import HealthSettings
from stack.file import Reader, StackFile
from stack.service import ServiceSettings

T = TypeVar("T")


class Wait(Enum):
    """What waits for the deployment, and when it gives up."""

    GATE = "the roll-out gate"
    NOBODY = "nobody"
    PROVIDER = "the provider"
    STACK = "CloudFormation"


@dataclass(frozen=True)
class Told(Generic[T]):
    """A value and its source."""

    value: T
    source: str


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One tool's settings. Times are seconds; ``limit`` is when the tool stops waiting."""

    title: str
    interval: Told[int]
    timeout: Told[int]
    healthy: Told[int]
    unhealthy: Told[int]
    deregistration: Told[int]
    grace: Told[int]
    minimum: Told[int]
    maximum: Told[int]
    breaker: Told[bool]
    rollback: Told[bool]
    wait: Told[Wait]
    limit: Told[int]


TARGET_GROUP = "AWS's default (botocore, CreateTargetGroup)"
SERVICE = "AWS's default (botocore, CreateService)"

HEALTH_CHECK = "pulumi_aws 7.51.1, TargetGroupHealthCheckArgs"
PROVIDER = "hashicorp/terraform-provider-aws, internal/service/ecs/service.go"
AWSX_BALANCER = (
    "pulumi/pulumi-awsx, awsx/lb/applicationLoadBalancer.ts sends no health check, and without "
    "one the provider (internal/service/elbv2/target_group.go) sends none either: "
    f"{TARGET_GROUP}"
)
AWSX = "pulumi/pulumi-awsx, awsx/ecs/fargateService.ts"
CDK = "aws/aws-cdk, aws-cdk-lib/aws-ecs/lib/base/base-service.ts"
CDK_GROUP = "aws/aws-cdk, aws-cdk-lib/aws-elasticloadbalancingv2/lib/shared/base-target-group.ts"
COPILOT = "aws/copilot-cli, templates/workloads/partials/cf/service-base-properties.yml"
COPILOT_GROUP = (
    f"aws/copilot-cli, templates/workloads/partials/cf/alb.yml names none: {TARGET_GROUP}"
)
COPILOT_GO = "aws/copilot-cli, internal/pkg/manifest/lb_web_svc.go"
COPILOT_PERCENT = "aws/copilot-cli, internal/pkg/deploy/cloudformation/stack/transformers.go"
THREE_HOURS = "aws/aws-cdk#37755, by a maintainer: 3 hours to fail without the circuit breaker"


def ours() -> Profile:
    """Return this project's defaults, read from stack/ and infra/."""
    read = Reader(StackFile(project="careapp", stack="poc", values={}))
    health, service = HealthSettings.load(read), ServiceSettings.load(read)
    declared = deployment_settings(service)
    keys, program = "stack/entrance.py", "infra/service.py"
    breaker = declared["deployment_circuit_breaker"]
    return Profile(
        title="careapp",
        interval=Told(health.interval, keys),
        timeout=Told(health.timeout, keys),
        healthy=Told(health.healthy, keys),
        unhealthy=Told(health.unhealthy, keys),
        deregistration=Told(health.deregistration_delay, keys),
        grace=Told(declared["health_check_grace_period_seconds"], keys),
        minimum=Told(declared["deployment_minimum_healthy_percent"], program),
        maximum=Told(declared["deployment_maximum_percent"], program),
        breaker=Told(breaker.enable, program),
        rollback=Told(breaker.rollback, program),
        wait=Told(Wait.GATE, "ops/rollout/gate.py"),
        limit=Told(60 * int(ROLLOUT_TIMEOUT.default), "stack/deployments.py"),
    )


def provider(wait: Wait) -> Profile:
    """Return the defaults of ``pulumi_aws`` with its required arguments and a health check's path."""
    waits = wait is Wait.PROVIDER
    return Profile(
        title="pulumi_aws, `wait_for_steady_state`" if waits else "pulumi_aws",
        interval=Told(30, HEALTH_CHECK),
        timeout=Told(6, HEALTH_CHECK),
        healthy=Told(3, HEALTH_CHECK),
        unhealthy=Told(3, HEALTH_CHECK),
        deregistration=Told(300, "pulumi_aws 7.51.1, TargetGroupArgs"),
        grace=Told(0, SERVICE),
        minimum=Told(100, PROVIDER),
        maximum=Told(200, PROVIDER),
        breaker=Told(False, SERVICE),
        rollback=Told(False, SERVICE),
        wait=Told(wait, "pulumi_aws 7.51.1, ServiceArgs: `wait_for_steady_state`, default false"),
        limit=Told(20 * 60 if waits else 0, f"{PROVIDER}: Create, 20 minutes"),
    )


def awsx() -> Profile:
    """Return the defaults of ``awsx.ecs.FargateService`` with ``awsx.lb.ApplicationLoadBalancer``."""
    return Profile(
        title="awsx FargateService",
        interval=Told(30, AWSX_BALANCER),
        timeout=Told(6, AWSX_BALANCER),
        healthy=Told(5, AWSX_BALANCER),
        unhealthy=Told(2, AWSX_BALANCER),
        deregistration=Told(300, "pulumi_aws 7.51.1, TargetGroupArgs"),
        grace=Told(0, f"{AWSX} passes on what it is given: {SERVICE}"),
        minimum=Told(100, f"{AWSX} passes on what it is given: {PROVIDER}"),
        maximum=Told(200, f"{AWSX} passes on what it is given: {PROVIDER}"),
        breaker=Told(False, f"{AWSX} passes on what it is given: {SERVICE}"),
        rollback=Told(False, f"{AWSX} passes on what it is given: {SERVICE}"),
        wait=Told(Wait.PROVIDER, f"{AWSX}: waits unless `continueBeforeSteadyState`"),
        limit=Told(20 * 60, f"{PROVIDER}: Create, 20 minutes; pulumi/pulumi-awsx#1112"),
    )


def cdk() -> Profile:
    """Return the defaults of CDK's ``ApplicationLoadBalancedFargateService``."""
    group = f"{CDK_GROUP} names none: {TARGET_GROUP}"
    return Profile(
        title="CDK ApplicationLoadBalancedFargateService",
        interval=Told(30, group),
        timeout=Told(6, group),
        healthy=Told(5, group),
        unhealthy=Told(2, group),
        deregistration=Told(300, CDK_GROUP),
        grace=Told(60, f"{CDK}: 60 seconds with a load balancer"),
        minimum=Told(50, CDK),
        maximum=Told(200, CDK),
        breaker=Told(False, CDK),
        rollback=Told(False, CDK),
        wait=Told(Wait.STACK, "aws/aws-cdk#30728"),
        limit=Told(3 * 3600, THREE_HOURS),
    )


def copilot() -> Profile:
    """Return the defaults of AWS Copilot's Load Balanced Web Service."""
    return Profile(
        title="AWS Copilot",
        interval=Told(30, COPILOT_GROUP),
        timeout=Told(6, f"{COPILOT_GROUP}; Copilot's manual says 5"),
        healthy=Told(5, COPILOT_GROUP),
        unhealthy=Told(2, COPILOT_GROUP),
        deregistration=Told(60, COPILOT_GO),
        grace=Told(60, COPILOT_GO),
        minimum=Told(100, COPILOT_PERCENT),
        maximum=Told(200, COPILOT_PERCENT),
        breaker=Told(True, COPILOT),
        rollback=Told(True, COPILOT),
        wait=Told(Wait.STACK, "aws/copilot-cli#5586"),
        limit=Told(3 * 3600, THREE_HOURS),
    )


def profiles() -> Mapping[str, Profile]:
    """Return every profile by its short name."""
    return {
        "careapp": ours(),
        "provider": provider(Wait.NOBODY),
        "provider-waits": provider(Wait.PROVIDER),
        "awsx": awsx(),
        "cdk": cdk(),
        "copilot": copilot(),
    }
