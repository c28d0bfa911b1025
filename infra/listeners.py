"""The load balancer's listeners, their default actions, their certificate and the page's DNS record."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from careapp.settings.load_balancer import HTTP, HTTPS
from careapp.settings.settings import Settings

from .component import Component

NO_SERVICE = """\
<!doctype html><html lang="en"><meta charset="utf-8"><title>ECS is off</title>
<h1>ECS is off</h1>
<p>The network, the database and the image are there; the app does not run yet. Start it with:</p>
<pre>pulumi config set ecsEnabled true
pulumi up</pre>
</html>
"""
"""At most 1024 bytes (botocore, FixedResponseActionConfig)."""


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
            opts=self.child,
        )
        option = certificate.domain_validation_options[0]
        record = aws.route53.Record(
            f"{name}-certificate",
            zone_id=settings.https.zone_id,
            name=option.resource_record_name,
            type=option.resource_record_type,
            records=[option.resource_record_value],
            ttl=RECORD_TTL,
            # All certificates of a domain in an account have the same validation record.
            allow_overwrite=True,
            opts=self.child,
        )
        self.arn = aws.acm.CertificateValidation(
            f"{name}-certificate",
            certificate_arn=certificate.arn,
            validation_record_fqdns=[record.fqdn],
            opts=self.child,
        ).certificate_arn
        self.register_outputs({})


TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
"""TLS 1.2 and 1.3 (ELB user guide, "Security policies"; control ELB.17 accepts it)."""


def create(
    name: str, settings: Settings, balancer: aws.lb.LoadBalancer, opts: pulumi.ResourceOptions
) -> aws.lb.Listener:
    """Create the load balancer's listeners and return the one that serves the page.

    With HTTPS the HTTP listener redirects to the HTTPS listener; ELB keeps host, path and query by default.
    """
    off: aws.lb.ListenerDefaultActionArgsDict = {
        "type": "fixed-response",
        "fixed_response": {
            "status_code": "503",
            "content_type": "text/html",
            "message_body": NO_SERVICE,
        },
    }
    to_https: aws.lb.ListenerDefaultActionArgsDict = {
        "type": "redirect",
        "redirect": {"protocol": "HTTPS", "port": str(HTTPS), "status_code": "HTTP_301"},
    }
    https = settings.https
    http = aws.lb.Listener(
        f"{name}-http",
        load_balancer_arn=balancer.arn,
        protocol="HTTP",
        port=HTTP,
        default_actions=[to_https if https.enabled else off],
        opts=opts,
    )
    if not https.enabled:
        return http
    return aws.lb.Listener(
        f"{name}-https",
        load_balancer_arn=balancer.arn,
        protocol="HTTPS",
        port=HTTPS,
        certificate_arn=Certificate(name, settings, opts).arn
        if https.domain
        else https.certificate_arn,
        ssl_policy=TLS_POLICY,
        default_actions=[off],
        opts=opts,
    )


def page_url(
    name: str, settings: Settings, balancer: aws.lb.LoadBalancer, opts: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    """Return the page's URL. For a domain name, create its alias record to the load balancer."""
    https = settings.https
    if not https.domain:
        return balancer.dns_name.apply(https.url)
    record = aws.route53.Record(
        f"{name}-page",
        zone_id=https.zone_id,
        name=https.domain,
        type="A",
        aliases=[
            {
                "name": balancer.dns_name,
                "zone_id": balancer.zone_id,
                "evaluate_target_health": False,
            }
        ],
        opts=opts,
    )
    return record.name.apply(https.url)
