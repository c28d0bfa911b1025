"""What ECS needs to shift requests between two target groups: two weighted listener rules, a hook and a role."""

from __future__ import annotations

from collections.abc import Sequence
from secrets import token_hex

import pulumi
import pulumi_aws as aws

from careapp.settings.names import RULE_PRIORITY, TEST_HEADER, TEST_RULE_PRIORITY
from careapp.settings.settings import Settings
from careapp.settings.shifting import (
    BLUE_GREEN,
    CANARY,
    LINEAR,
    SHIFT_PERCENT,
    STRATEGIES,
    DeploymentSettings,
)
from careapp.settings.statements import Policy, allow, of, policy, trusted

from .component import Component
from .iam import role_arn
from .load_balancer import Action, LoadBalancer

ECS = trusted("ecs.amazonaws.com")
"""The trust policy of the role for load balancers (ECS developer guide, infrastructure IAM role)."""
READ = of(
    "elasticloadbalancing",
    *("DescribeListeners", "DescribeRules", "DescribeTargetGroups", "DescribeTargetHealth"),
)


def shifting_policy(groups: Sequence[str], rules: Sequence[str]) -> Policy:
    """Return the policy of the role with which ECS shifts requests: these target groups, these rules.

    AWS's AmazonECSInfrastructureRolePolicyForLoadBalancers allows the same actions for every rule and
    target group, and ModifyListener, which ECS needs for a listener's default rule only. The
    Describe actions have no resource-level permissions (Service Authorization Reference).
    """
    return policy(
        allow("*", *READ),
        allow([*groups], *of("elasticloadbalancing", "RegisterTargets", "DeregisterTargets")),
        allow([*rules], "elasticloadbalancing:ModifyRule"),
    )


def configuration(
    settings: DeploymentSettings, limit: int
) -> aws.ecs.ServiceDeploymentConfigurationArgsDict:
    """Return the strategy as ECS takes it, with the hook at which it waits for the roll-out gate.

    ECS rolls back where nobody answers within ``limit`` minutes: `pulumi up` was interrupted.
    """
    hook: aws.ecs.ServiceDeploymentConfigurationLifecycleHookArgsDict = {
        "target_type": "PAUSE",
        "lifecycle_stages": ["POST_TEST_TRAFFIC_SHIFT"],
        "timeout_configuration": {"timeout_in_minutes": str(limit), "action": "ROLLBACK"},
    }
    percent, minutes = float(SHIFT_PERCENT), str(settings.bake)
    steps: dict[str, aws.ecs.ServiceDeploymentConfigurationArgsDict] = {
        CANARY: {
            "canary_configuration": {
                "canary_percent": percent,
                "canary_bake_time_in_minutes": minutes,
            }
        },
        LINEAR: {
            "linear_configuration": {"step_percent": percent, "step_bake_time_in_minutes": minutes}
        },
        BLUE_GREEN: {},
    }
    return {
        "strategy": STRATEGIES[settings.strategy],
        "bake_time_in_minutes": minutes,
        "lifecycle_hooks": [hook],
        **steps[settings.strategy],
    }


def with_test_header() -> aws.lb.ListenerRuleConditionArgsDict:
    """Return the condition that a request meets which names the test rule's value.

    It is drawn once, and kept by ``ignore_changes``: nobody without access to AWS knows it. Whoever may
    read the rule may use it, as the gate does.
    """
    values = [pulumi.Output.secret(token_hex(32))]
    return {"http_header": {"http_header_name": TEST_HEADER, "values": values}}


def listener_rule(
    name: str,
    balancer: LoadBalancer,
    actions: list[Action],
    opts: pulumi.ResourceOptions,
    *,
    test: bool = False,
) -> aws.lb.ListenerRule:
    """Create the listener rule that forwards users' requests to the tasks, or that of the ``test`` requests."""
    if test:
        return balancer.rule(f"{name}-test", TEST_RULE_PRIORITY, with_test_header(), actions, opts)
    every: aws.lb.ListenerRuleConditionArgsDict = {"path_pattern": {"values": ["/*"]}}
    return balancer.rule(f"{name}-app", RULE_PRIORITY, every, actions, opts)


class Shifting(Component):
    """The weighted listener rules of two target groups, and the role with which ECS changes them.

    ECS starts each version in the target group that gets no requests, leads the test rule's requests to it, and
    then rewrites the weights of the users' rule. They are ECS's from the first deployment on, so updates
    ignore them.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        balancer: LoadBalancer,
        alternate: aws.lb.TargetGroup,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__(name, settings, opts)
        self.balancer = balancer
        self.groups = [balancer.target_group_arn, alternate.arn]
        self.rule_arn = self._rule(name).arn
        self.test_rule_arn = self._rule(name, test=True).arn
        allowed = pulumi.Output.all(self.rule_arn, self.test_rule_arn, *self.groups).apply(
            lambda arns: shifting_policy(arns[2:], arns[:2])
        )
        # ECS must not use the role before it has its policy.
        self.role_arn = role_arn(self, f"{name}-shifting", ECS, allowed)
        self.register_outputs({})

    def _rule(self, name: str, *, test: bool = False) -> aws.lb.ListenerRule:
        first, second = self.groups
        weights: aws.lb.ListenerRuleActionForwardArgsDict = {
            "target_groups": [{"arn": first, "weight": 100}, {"arn": second, "weight": 0}]
        }
        opts = self.options(ignore_changes=["actions", "conditions"] if test else ["actions"])
        action: Action = {"type": "forward", "forward": weights}
        return listener_rule(name, self.balancer, [action], opts, test=test)

    def registration(self) -> aws.ecs.ServiceLoadBalancerAdvancedConfigurationArgsDict:
        """Return what the service's load balancer configuration names."""
        return {
            "alternate_target_group_arn": self.groups[1],
            "production_listener_rule": self.rule_arn,
            "test_listener_rule": self.test_rule_arn,
            "role_arn": self.role_arn,
        }
