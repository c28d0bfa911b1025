"""The task's security group, and rules between two security groups."""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from careapp.settings.load_balancer import HTTPS
from careapp.settings.settings import Settings
from ecs_gate.facts.clients import EVERYONE

from .component import Component
from .database import Database
from .load_balancer import LoadBalancer
from .network import Network, security_group


@dataclass(frozen=True)
class SecurityGroupRules:
    """Creates rules of a component, whose names begin with `prefix` and end with their port."""

    prefix: str
    component: Component

    def connect(
        self,
        source: str,
        source_id: pulumi.Input[str],
        target: str,
        target_id: pulumi.Input[str],
        port: int,
    ) -> None:
        """Create the egress rule of the source and the ingress rule of the target."""
        aws.vpc.SecurityGroupEgressRule(
            f"{self.prefix}-{source}-to-{target}-{port}",
            security_group_id=source_id,
            description=f"To {target}",
            referenced_security_group_id=target_id,
            **self._tcp(port),
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{self.prefix}-{target}-from-{source}-{port}",
            security_group_id=target_id,
            description=f"From {source}",
            referenced_security_group_id=source_id,
            **self._tcp(port),
        )

    def allow_https(self, source: str, source_id: pulumi.Input[str]) -> None:
        """Create the egress rule to the AWS services, which all use HTTPS."""
        self.reach(source, source_id, "internet", HTTPS, "HTTPS to AWS")

    def reach(
        self, source: str, source_id: pulumi.Input[str], target: str, port: int, description: str
    ) -> None:
        """Create the egress rule to a target whose addresses change."""
        aws.vpc.SecurityGroupEgressRule(
            f"{self.prefix}-{source}-to-{target}-{port}",
            security_group_id=source_id,
            description=description,
            cidr_ipv4=str(EVERYONE),
            **self._tcp(port),
        )

    def _tcp(self, port: int) -> dict[str, Any]:
        return {
            "ip_protocol": "tcp",
            "from_port": port,
            "to_port": port,
            "opts": self.component.child,
        }


class TaskAccess(Component):
    """The task's security group: ingress from the load balancer, egress to the database and HTTPS.

    HTTPS is for ECR, CloudWatch Logs and Secrets Manager. DNS needs no rule: security groups do not
    filter the VPC's resolver (VPC User Guide, "Security groups").

    A rule has its port in its name. When the port changes, the new rule is created before the old one
    is deleted, and the tasks of both deployments stay reachable.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        network: Network,
        balancer: LoadBalancer,
        database: Database,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__(name, settings, opts)
        task = security_group(f"{name}-app", "Tasks of the app", network, self).id
        rules = SecurityGroupRules(name, self)
        port, rds = settings.service.port, database.security_group_id
        rules.connect("alb", balancer.security_group_id, "app", task, port)
        rules.connect("app", task, "database", rds, database.port)
        rules.allow_https("app", task)
        self.security_group_id = task
        self.register_outputs({})
