"""Controls of Elastic Load Balancing, and of the certificate, name and page that belong to it."""

from __future__ import annotations

from tests.controls.control import Control, Elsewhere, Service, said, unless
from tests.controls.graph import Graph, Resource

CLASSIC = ("aws:elb/loadBalancer:LoadBalancer",)
BALANCER = "aws:lb/loadBalancer:LoadBalancer"
LISTENER = "aws:lb/listener:Listener"
TARGETS = "aws:lb/targetGroup:TargetGroup"
CERTIFICATE = "aws:acm/certificate:Certificate"
RECOMMENDED = {
    "ELBSecurityPolicy-TLS13-1-3-2021-06",
    "ELBSecurityPolicy-TLS13-1-3-FIPS-2023-04",
    "ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-Res-FIPS-2023-04",
    "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-3-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-2-Res-FIPS-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-3-FIPS-PQ-2025-09",
}
"""The policies that ELB.17 names."""


def secure(listener: Resource) -> bool:
    return said(listener, "protocol") in {"HTTPS", "TLS"}


def does_not_lead_to_https(listener: Resource, graph: Graph) -> bool:
    """Its default action and every rule's; a rule that forwards plain HTTP is no redirect."""
    rules = graph.pointing_at(listener, "aws:lb/listenerRule:ListenerRule", "listenerArn")
    actions = [*listener.inputs["defaultActions"]]
    actions += [action for rule in rules for action in rule.inputs["actions"]]
    return any((one.get("redirect") or {}).get("protocol") != "HTTPS" for one in actions)


def in_one_zone(balancer: Resource, graph: Graph) -> bool:
    subnets = graph.of("aws:ec2/subnet:Subnet")
    mine = [one for one in subnets if {*one.known_as} & {*said(balancer, "subnets", [])}]
    return len({one.inputs["availabilityZone"] for one in mine}) < 2


def weak_key(certificate: Resource, _: Graph) -> bool:
    algorithm = said(certificate, "keyAlgorithm", "RSA_2048")
    return algorithm.startswith("RSA_") and int(algorithm.removeprefix("RSA_")) < 2048


def http(resource: Resource) -> bool:
    return said(resource, "protocol") == "HTTP"


def _classic(id_: str, title: str) -> Control:
    return Control(id_, title, "Classic Load Balancer", CLASSIC)


def _balancer(id_: str, title: str, path: str, *good: object, default: object = None) -> Control:
    wrong = unless(path, *good, default=default)
    return Control(id_, title, "load balancer", (BALANCER,), wrong)


ELB = Service(
    "ELB",
    "elb",
    (
        Control(
            "ELB.1",
            "HTTP requests are redirected to HTTPS",
            "HTTP listener",
            (LISTENER,),
            does_not_lead_to_https,
            http,
        ),
        _classic("ELB.2", "Classic Load Balancers use certificates of ACM"),
        _classic("ELB.3", "Classic Load Balancer listeners terminate HTTPS or TLS"),
        _balancer("ELB.4", "Invalid HTTP headers are dropped", "dropInvalidHeaderFields", True),
        _balancer("ELB.5", "Access logs are on", "accessLogs.enabled", True),
        _balancer("ELB.6", "Deletion protection is on", "enableDeletionProtection", True),
        _classic("ELB.7", "Classic Load Balancers drain connections"),
        _classic("ELB.8", "Classic Load Balancers use a strong security policy"),
        _classic("ELB.9", "Classic Load Balancers balance across zones"),
        _classic("ELB.10", "Classic Load Balancers span zones"),
        _balancer(
            "ELB.12",
            "Desync mitigation is defensive or strictest",
            "desyncMitigationMode",
            "defensive",
            "strictest",
            default="defensive",
        ),
        Control(
            "ELB.13",
            "Load balancers span at least two zones",
            "load balancer",
            (BALANCER,),
            in_one_zone,
        ),
        _classic("ELB.14", "Classic Load Balancers mitigate desync"),
        Control(
            "ELB.17",
            "Listeners use recommended security policies",
            "HTTPS listener",
            (LISTENER,),
            unless("sslPolicy", *RECOMMENDED),
            secure,
        ),
        Control(
            "ELB.18",
            "Listeners use secure protocols",
            "listener",
            (LISTENER,),
            unless("protocol", "HTTPS", "TLS"),
        ),
        Control(
            "ELB.21",
            "Target groups check health by HTTPS",
            "target group",
            (TARGETS,),
            unless("healthCheck.protocol", "HTTPS"),
        ),
        Control(
            "ELB.22",
            "Target groups use encrypted protocols",
            "target group",
            (TARGETS,),
            unless("protocol", "HTTPS", "TLS", "QUIC"),
        ),
    ),
    ("elb", "lb"),
)

ACM = Service(
    "ACM",
    "acm",
    (
        Control(
            "ACM.1",
            "Certificates are renewed in time",
            "certificate",
            (CERTIFICATE,),
            # ACM renews by itself what is validated by DNS; a person has to answer an e-mail
            # (ACM User Guide, "Managed certificate renewal").
            unless("validationMethod", "DNS"),
        ),
        Control(
            "ACM.2",
            "RSA keys have at least 2,048 bits",
            "certificate",
            (CERTIFICATE,),
            weak_key,
        ),
    ),
    ("acm",),
)

ROUTE53 = Service(
    "Route 53",
    "route53",
    (
        Elsewhere(
            "Route53.2",
            "Public hosted zones log DNS queries",
            "as the zone is given by `hostedZoneId` and belongs to who runs the domain",
            ("aws:route53/zone:Zone",),
        ),
    ),
    ("route53",),
)
