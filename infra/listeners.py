"""What answers at the load balancer's ports, and the address that a person types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

from infra import answers
from infra.certificate import Certificate, CertificateArgs
from stack.entrance import HttpsSettings

HTTP, HTTPS = 80, 443
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
"""TLS 1.2 and 1.3 (ELB user guide, "Security policies"; control ELB.17 accepts it)."""


@dataclass(frozen=True, kw_only=True)
class Listeners:
    """Makes listeners whose names begin with `prefix`.

    With HTTPS a listener of its own serves, and the one of HTTP stays and leads there.
    """

    prefix: str
    https: HttpsSettings
    opts: pulumi.ResourceOptions
    tags: Mapping[str, str] = field(default_factory=dict)

    def serving(self, balancer: aws.lb.LoadBalancer) -> aws.lb.Listener:
        """The listener that serves; the other one, if there is one, redirects."""
        if not self.https.enabled:
            return self._plain(balancer, answers.ecs_is_off())
        self._plain(balancer, answers.to_https(HTTPS))
        return aws.lb.Listener(
            f"{self.prefix}-https",
            protocol="HTTPS",
            port=HTTPS,
            certificate_arn=self._certificate_arn(),
            ssl_policy=TLS_POLICY,
            opts=self.opts,
            **self._answering(balancer, answers.ecs_is_off()),
        )

    def url(self, balancer: aws.lb.LoadBalancer) -> pulumi.Output[str]:
        """Where the page is. A domain gets the record that leads to the load balancer."""
        if not self.https.domain:
            scheme = "https" if self.https.enabled else "http"
            return pulumi.Output.concat(f"{scheme}://", balancer.dns_name)
        alias = aws.route53.RecordAliasArgs(
            name=balancer.dns_name, zone_id=balancer.zone_id, evaluate_target_health=False
        )
        record = aws.route53.Record(
            f"{self.prefix}-page",
            zone_id=self.https.zone_id,
            name=self.https.domain,
            type="A",
            aliases=[alias],
            opts=self.opts,
        )
        return pulumi.Output.concat("https://", record.name)

    def _plain(
        self, balancer: aws.lb.LoadBalancer, action: aws.lb.ListenerDefaultActionArgs
    ) -> aws.lb.Listener:
        return aws.lb.Listener(
            f"{self.prefix}-http",
            protocol="HTTP",
            port=HTTP,
            opts=self.opts,
            **self._answering(balancer, action),
        )

    def _answering(
        self, balancer: aws.lb.LoadBalancer, action: aws.lb.ListenerDefaultActionArgs
    ) -> dict[str, Any]:
        return {
            "load_balancer_arn": balancer.arn,
            "default_actions": [action],
            "tags": dict(self.tags),
        }

    def _certificate_arn(self) -> pulumi.Input[str]:
        """The setting's own certificate, or one that is made for the domain."""
        if not self.https.domain:
            return self.https.certificate_arn
        args = CertificateArgs(domain=self.https.domain, zone_id=self.https.zone_id, tags=self.tags)
        return Certificate(self.prefix, args, self.opts).arn
