"""Rules that let one security group reach another, or the internet by HTTPS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

ANYWHERE = "0.0.0.0/0"
HTTPS = 443


@dataclass(frozen=True, kw_only=True)
class Connections:
    """Makes rules whose names begin with `prefix` and bear their port."""

    prefix: str
    opts: pulumi.ResourceOptions
    tags: Mapping[str, str] = field(default_factory=dict)

    def between(
        self,
        source: str,
        source_id: pulumi.Input[str],
        target: str,
        target_id: pulumi.Input[str],
        port: int,
    ) -> None:
        """Let one group connect to another: it takes a way out of the one and into the other."""
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

    def to_aws(self, source: str, source_id: pulumi.Input[str]) -> None:
        """Let a group reach AWS's own services, which all answer by HTTPS."""
        aws.vpc.SecurityGroupEgressRule(
            f"{self.prefix}-{source}-to-internet-{HTTPS}",
            security_group_id=source_id,
            description="HTTPS to AWS",
            cidr_ipv4=ANYWHERE,
            **self._tcp(HTTPS),
        )

    def _tcp(self, port: int) -> dict[str, Any]:
        return {
            "ip_protocol": "tcp",
            "from_port": port,
            "to_port": port,
            "tags": dict(self.tags),
            "opts": self.opts,
        }
