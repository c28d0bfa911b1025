"""The load balancer's listeners, their default actions, their certificate and the page's DNS record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.component import Component
from stack.load_balancer import HTTP, HTTPS
from stack.settings import Settings

NO_SERVICE = """\
<!doctype html><html lang="en"><meta charset="utf-8"><title>ECS is off</title>
<h1>ECS is off</h1>
<p>The network, the database and the image are there; the app does not run yet. Start it with:</p>
<pre>pulumi config set ecsEnabled true
pulumi up</pre>
</html>
"""
"""At most 1024 bytes (botocore, FixedResponseActionConfig)."""


def ecs_is_off() -> aws.lb.ListenerDefaultActionArgs:
    """Return the action that answers 503 with a page that says how to turn ECS on."""
    return aws.lb.ListenerDefaultActionArgs(
        type="fixed-response",
        fixed_response=aws.lb.ListenerDefaultActionFixedResponseArgs(
            status_code="503", content_type="text/html", message_body=NO_SERVICE
        ),
    )


def to_https(port: int) -> aws.lb.ListenerDefaultActionArgs:
    """Return the action that redirects to HTTPS; ELB keeps host, path and query by default."""
    return aws.lb.ListenerDefaultActionArgs(
        type="redirect",
        redirect=aws.lb.ListenerDefaultActionRedirectArgs(
            protocol="HTTPS", port=str(port), status_code="HTTP_301"
        ),
    )


RECORD_TTL = 60


class Certificate(Component):
    """An ACM certificate of `domainName`, validated by DNS; ACM renews it as long as the record exists."""

    arn: pulumi.Output[str]
    """Known after the certificate is issued: a listener refuses a certificate that is not."""

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions) -> None:
        super().__init__(name, settings, opts)
        certificate = aws.acm.Certificate(
            f"{name}-certificate",
            domain_name=settings.https.domain,
            validation_method="DNS",
            tags=self.tags,
            opts=self.child,
        )
        record = self._record(name, certificate)
        self.arn = aws.acm.CertificateValidation(
            f"{name}-certificate",
            certificate_arn=certificate.arn,
            validation_record_fqdns=[record.fqdn],
            opts=self.child,
        ).certificate_arn
        self.register_outputs({"arn": self.arn})

    def _record(self, name: str, certificate: aws.acm.Certificate) -> aws.route53.Record:
        option = certificate.domain_validation_options[0]
        return aws.route53.Record(
            f"{name}-certificate",
            zone_id=self.settings.https.zone_id,
            name=option.resource_record_name,
            type=option.resource_record_type,
            records=[option.resource_record_value],
            ttl=RECORD_TTL,
            # All certificates of a domain in an account have the same validation record.
            allow_overwrite=True,
            opts=self.child,
        )


TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
"""TLS 1.2 and 1.3 (ELB user guide, "Security policies"; control ELB.17 accepts it)."""


@dataclass(frozen=True, kw_only=True)
class Listeners:
    """Creates the listeners of one load balancer; `prefix` begins the resources' names.

    With HTTPS the HTTP listener redirects to the HTTPS listener.
    """

    prefix: str
    settings: Settings
    opts: pulumi.ResourceOptions

    def create(self, balancer: aws.lb.LoadBalancer) -> aws.lb.Listener:
        """Create the listeners and return the one that serves the page."""
        if not self.settings.https.enabled:
            return self._http(balancer, ecs_is_off())
        self._http(balancer, to_https(HTTPS))
        return aws.lb.Listener(
            f"{self.prefix}-https",
            protocol="HTTPS",
            port=HTTPS,
            certificate_arn=self._certificate_arn(),
            ssl_policy=TLS_POLICY,
            opts=self.opts,
            **self._arguments(balancer, ecs_is_off()),
        )

    def url(self, balancer: aws.lb.LoadBalancer) -> pulumi.Output[str]:
        """Return the page's URL. For a domain name, create its alias record to the load balancer."""
        https = self.settings.https
        if not https.domain:
            return balancer.dns_name.apply(https.url)
        alias = aws.route53.RecordAliasArgs(
            name=balancer.dns_name, zone_id=balancer.zone_id, evaluate_target_health=False
        )
        record = aws.route53.Record(
            f"{self.prefix}-page",
            zone_id=https.zone_id,
            name=https.domain,
            type="A",
            aliases=[alias],
            opts=self.opts,
        )
        return record.name.apply(https.url)

    def _http(
        self, balancer: aws.lb.LoadBalancer, action: aws.lb.ListenerDefaultActionArgs
    ) -> aws.lb.Listener:
        return aws.lb.Listener(
            f"{self.prefix}-http",
            protocol="HTTP",
            port=HTTP,
            opts=self.opts,
            **self._arguments(balancer, action),
        )

    def _arguments(
        self, balancer: aws.lb.LoadBalancer, action: aws.lb.ListenerDefaultActionArgs
    ) -> dict[str, Any]:
        return {
            "load_balancer_arn": balancer.arn,
            "default_actions": [action],
            "tags": self.settings.tags,
        }

    def _certificate_arn(self) -> pulumi.Input[str]:
        """Return the ARN of the certificate of the settings, or of a new one for the domain name."""
        https = self.settings.https
        if not https.domain:
            return https.certificate_arn
        return Certificate(self.prefix, self.settings, self.opts).arn
