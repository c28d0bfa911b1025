"""A domain's certificate, which ACM issues once a record in the domain's zone shows who owns it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

RECORD_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class CertificateArgs:
    """What a certificate is for, and the Route 53 zone in which ACM looks."""

    domain: str
    zone_id: str
    tags: Mapping[str, str] = field(default_factory=dict)


class Certificate(pulumi.ComponentResource):
    """An ACM certificate validated by DNS; ACM renews it for as long as the record stands."""

    arn: pulumi.Output[str]
    """Known only when the certificate is issued: a listener refuses one that is not."""

    def __init__(
        self, name: str, args: CertificateArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("careapp:infra:Certificate", name, None, opts)
        self.child = pulumi.ResourceOptions(parent=self)
        certificate = aws.acm.Certificate(
            f"{name}-certificate",
            domain_name=args.domain,
            validation_method="DNS",
            tags=dict(args.tags),
            opts=self.child,
        )
        record = self._record(name, args, certificate)
        self.arn = aws.acm.CertificateValidation(
            f"{name}-certificate",
            certificate_arn=certificate.arn,
            validation_record_fqdns=[record.fqdn],
            opts=self.child,
        ).certificate_arn
        self.register_outputs({"arn": self.arn})

    def _record(
        self, name: str, args: CertificateArgs, certificate: aws.acm.Certificate
    ) -> aws.route53.Record:
        option = certificate.domain_validation_options[0]
        return aws.route53.Record(
            f"{name}-certificate",
            zone_id=args.zone_id,
            name=option.resource_record_name,
            type=option.resource_record_type,
            records=[option.resource_record_value],
            ttl=RECORD_SECONDS,
            # ACM wants the same record for every certificate of a domain in an account.
            allow_overwrite=True,
            opts=self.child,
        )
