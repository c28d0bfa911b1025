"""What ECS needs to shift requests between two target groups: two weighted listener rules, a hook and a role."""

from __future__ import annotations

import json
from collections.abc import Sequence
from secrets import token_hex
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.iam import role
from infra.load_balancer import LoadBalancer
from stack.names import RULE_PRIORITY, TEST_HEADER, TEST_RULE_PRIORITY
from stack.shifting import (
    BLUE_GREEN,
    CANARY,
    LINEAR,
    SHIFT_PERCENT,
    STRATEGIES,
    DeploymentSettings,
)
from stack.statements import Policy, allow, of, policy, trusted

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
) -> aws.ecs.ServiceDeploymentConfigurationArgs:
    """Return the strategy as ECS takes it, with the hook at which it waits for the roll-out gate.

    ECS rolls back where nobody answers within ``limit`` minutes: `pulumi up` was interrupted.
    """
    hook = aws.ecs.ServiceDeploymentConfigurationLifecycleHookArgs(
        target_type="PAUSE",
        lifecycle_stages=["POST_TEST_TRAFFIC_SHIFT"],
        timeout_configuration=aws.ecs.ServiceDeploymentConfigurationLifecycleHookTimeoutConfigurationArgs(
            timeout_in_minutes=str(limit), action="ROLLBACK"
        ),
    )
    percent, minutes = float(SHIFT_PERCENT), str(settings.bake)
    steps: dict[str, dict[str, Any]] = {
        CANARY: {
            "canary_configuration": aws.ecs.ServiceDeploymentConfigurationCanaryConfigurationArgs(
                canary_percent=percent, canary_bake_time_in_minutes=minutes
            )
        },
        LINEAR: {
            "linear_configuration": aws.ecs.ServiceDeploymentConfigurationLinearConfigurationArgs(
                step_percent=percent, step_bake_time_in_minutes=minutes
            )
        },
        BLUE_GREEN: {},
    }
    return aws.ecs.ServiceDeploymentConfigurationArgs(
        strategy=STRATEGIES[settings.strategy],
        bake_time_in_minutes=minutes,
        lifecycle_hooks=[hook],
        **steps[settings.strategy],
    )


def any_path() -> aws.lb.ListenerRuleConditionArgs:
    """Return the condition that every request meets."""
    paths = aws.lb.ListenerRuleConditionPathPatternArgs(values=["/*"])
    return aws.lb.ListenerRuleConditionArgs(path_pattern=paths)


def with_test_header() -> aws.lb.ListenerRuleConditionArgs:
    """Return the condition that a request meets which names the test rule's value.

    It is drawn once, and kept by ``ignore_changes``: nobody without access to AWS knows it. Whoever may
    read the rule may use it, as the gate does.
    """
    header = aws.lb.ListenerRuleConditionHttpHeaderArgs(
        http_header_name=TEST_HEADER, values=[pulumi.Output.secret(token_hex(32))]
    )
    return aws.lb.ListenerRuleConditionArgs(http_header=header)


def listener_rule(
    name: str,
    balancer: LoadBalancer,
    actions: list[aws.lb.ListenerRuleActionArgs],
    opts: pulumi.ResourceOptions,
    *,
    test: bool = False,
) -> aws.lb.ListenerRule:
    """Create the listener rule that forwards users' requests to the tasks, or that of the ``test`` requests.

    ECS refuses a target group that no load balancer uses. ELB does not delete a target group that a
    rule refers to (API reference, DeleteTargetGroup: ResourceInUse). So the rule must be replaced
    with the target group: its listener ARN, which forces replacement, depends on the target group.
    """
    arns = pulumi.Output.all(balancer.listener_arn, balancer.target_group_arn)
    return aws.lb.ListenerRule(
        f"{name}-test" if test else f"{name}-app",
        listener_arn=arns.apply(lambda both: str(both[0])),
        priority=TEST_RULE_PRIORITY if test else RULE_PRIORITY,
        conditions=[with_test_header()] if test else [any_path()],
        actions=actions,
        tags=balancer.tags,
        opts=opts,
    )


class Shifting(pulumi.ComponentResource):
    """The weighted listener rules of two target groups, and the role with which ECS changes them.

    ECS starts each version in the target group that gets no requests, leads the test rule's requests to it, and
    then rewrites the weights of the users' rule. They are ECS's from the first deployment on, so updates
    ignore them.
    """

    rule_arn: pulumi.Output[str]
    test_rule_arn: pulumi.Output[str]
    role_arn: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        balancer: LoadBalancer,
        alternate: aws.lb.TargetGroup,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("careapp:infra:Shifting", name, None, opts)
        self.balancer, self.child = balancer, pulumi.ResourceOptions(parent=self)
        self.groups = [balancer.target_group_arn, alternate.arn]
        self.rule_arn = self._rule(name).arn
        self.test_rule_arn = self._rule(name, test=True).arn
        self.role_arn = self._role(name)
        self.register_outputs({"rule_arn": self.rule_arn, "role_arn": self.role_arn})

    def _rule(self, name: str, *, test: bool = False) -> aws.lb.ListenerRule:
        forward = aws.lb.ListenerRuleActionForwardArgs(
            target_groups=[
                aws.lb.ListenerRuleActionForwardTargetGroupArgs(arn=arn, weight=weight)
                for arn, weight in zip(self.groups, (100, 0), strict=True)
            ]
        )
        kept = ["actions", "conditions"] if test else ["actions"]
        opts = pulumi.ResourceOptions(parent=self, ignore_changes=kept)
        action = aws.lb.ListenerRuleActionArgs(type="forward", forward=forward)
        return listener_rule(name, self.balancer, [action], opts, test=test)

    def _role(self, name: str) -> pulumi.Output[str]:
        made = role(f"{name}-shifting", json.dumps(ECS), self.balancer.tags, self.child)
        allowed = pulumi.Output.all(self.rule_arn, self.test_rule_arn, *self.groups).apply(
            lambda arns: json.dumps(shifting_policy(arns[2:], arns[:2]))
        )
        written = aws.iam.RolePolicy(
            f"{name}-shifting", role=made.name, policy=allowed, opts=self.child
        )
        # ECS must not use the role before it has its policy.
        return pulumi.Output.all(made.arn, written.id).apply(lambda both: str(both[0]))

    def registration(self) -> aws.ecs.ServiceLoadBalancerAdvancedConfigurationArgs:
        """Return what the service's load balancer configuration names."""
        return aws.ecs.ServiceLoadBalancerAdvancedConfigurationArgs(
            alternate_target_group_arn=self.groups[1],
            production_listener_rule=self.rule_arn,
            test_listener_rule=self.test_rule_arn,
            role_arn=self.role_arn,
        )
