"""What ECS needs to shift requests between two target groups: a weighted listener rule and a role."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.iam import role
from infra.load_balancer import LoadBalancer
from stack.deployments import BLUE_GREEN, CANARY, LINEAR, STRATEGIES, DeploymentSettings
from stack.names import RULE_PRIORITY
from stack.statements import Policy, allow, of, policy, trusted

ECS = trusted("ecs.amazonaws.com")
"""The trust policy of the role for load balancers (ECS developer guide, infrastructure IAM role)."""
READ = of(
    "elasticloadbalancing",
    *("DescribeListeners", "DescribeRules", "DescribeTargetGroups", "DescribeTargetHealth"),
)


def shifting_policy(groups: list[str], rule: str) -> Policy:
    """Return the policy of the role with which ECS shifts requests: these target groups, this rule.

    AWS's AmazonECSInfrastructureRolePolicyForLoadBalancers allows the same actions for every rule and
    target group, and ModifyListener, which ECS needs for a listener's default rule only. The
    Describe actions have no resource-level permissions (Service Authorization Reference).
    """
    return policy(
        allow("*", *READ),
        allow(groups, *of("elasticloadbalancing", "RegisterTargets", "DeregisterTargets")),
        allow(rule, "elasticloadbalancing:ModifyRule"),
    )


def configuration(settings: DeploymentSettings) -> aws.ecs.ServiceDeploymentConfigurationArgs:
    """Return the strategy as ECS takes it."""
    percent, minutes = float(settings.percent), str(settings.minutes)
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
        bake_time_in_minutes=str(settings.bake),
        **steps[settings.strategy],
    )


def listener_rule(
    name: str,
    balancer: LoadBalancer,
    actions: list[aws.lb.ListenerRuleActionArgs],
    opts: pulumi.ResourceOptions,
) -> aws.lb.ListenerRule:
    """Create the listener rule that forwards to the tasks.

    ECS refuses a target group that no load balancer uses. ELB does not delete a target group that a
    rule refers to (API reference, DeleteTargetGroup: ResourceInUse). So the rule must be replaced
    with the target group: its listener ARN, which forces replacement, depends on the target group.
    """
    arns = pulumi.Output.all(balancer.listener_arn, balancer.target_group_arn)
    return aws.lb.ListenerRule(
        f"{name}-app",
        listener_arn=arns.apply(lambda both: str(both[0])),
        priority=RULE_PRIORITY,
        conditions=[
            aws.lb.ListenerRuleConditionArgs(
                path_pattern=aws.lb.ListenerRuleConditionPathPatternArgs(values=["/*"])
            )
        ],
        actions=actions,
        tags=balancer.tags,
        opts=opts,
    )


class Shifting(pulumi.ComponentResource):
    """The weighted listener rule of two target groups, and the role with which ECS changes it.

    ECS starts each version in the target group that gets no requests, and then rewrites the weights of
    the rule. They are ECS's from the first deployment on, so updates ignore them.
    """

    rule_arn: pulumi.Output[str]
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
        self.role_arn = self._role(name)
        self.register_outputs({"rule_arn": self.rule_arn, "role_arn": self.role_arn})

    def _rule(self, name: str) -> aws.lb.ListenerRule:
        forward = aws.lb.ListenerRuleActionForwardArgs(
            target_groups=[
                aws.lb.ListenerRuleActionForwardTargetGroupArgs(arn=arn, weight=weight)
                for arn, weight in zip(self.groups, (100, 0), strict=True)
            ]
        )
        opts = pulumi.ResourceOptions(parent=self, ignore_changes=["actions"])
        action = aws.lb.ListenerRuleActionArgs(type="forward", forward=forward)
        return listener_rule(name, self.balancer, [action], opts)

    def _role(self, name: str) -> pulumi.Output[str]:
        made = role(f"{name}-shifting", json.dumps(ECS), self.balancer.tags, self.child)
        allowed = pulumi.Output.all(self.rule_arn, *self.groups).apply(
            lambda arns: json.dumps(shifting_policy(arns[1:], arns[0]))
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
            role_arn=self.role_arn,
        )
