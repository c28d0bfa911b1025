"""The load balancer: its listeners, health check, HTTPS and DNS record."""

from __future__ import annotations

from functools import partial

import pytest

from infra.listeners import NO_SERVICE
from tests.unit.conftest import TAGS, balancer

BALANCER = "aws:lb/loadBalancer:LoadBalancer"
LISTENER = "aws:lb/listener:Listener"
TARGETS = "aws:lb/targetGroup:TargetGroup"
OFF = {
    "type": "fixed-response",
    "fixedResponse": {
        "statusCode": "503",
        "contentType": "text/html",
        "messageBody": NO_SERVICE,
    },
}


@pytest.fixture
def build(declare):
    return partial(declare, balancer)


@pytest.mark.parametrize("protect", [False, True])
def test_it_faces_the_internet_from_the_public_subnets(engine, build, protect):
    build(protect=str(protect).lower())
    assert engine.inputs(BALANCER) == {
        "careapp-poc-alb": {
            "name": "careapp-poc-alb",
            "loadBalancerType": "application",
            "internal": False,
            "ipAddressType": "ipv4",
            "subnets": ["public-1", "public-2"],
            "securityGroups": ["SecurityGroup/careapp-poc-alb"],
            "idleTimeout": 60,
            "dropInvalidHeaderFields": True,
            "desyncMitigationMode": "defensive",
            "enableDeletionProtection": protect,
            "tags": TAGS,
        }
    }


def test_it_waits_for_the_whole_network_because_it_needs_the_internet_gateway(engine, build):
    """Its subnets are outputs of awsx's VPC, which gives them when all of its parts stand."""
    build()
    urns = engine.request(BALANCER, "careapp-poc-alb").dependencies
    depended = [urn.rpartition("$")[2] for urn in urns]
    assert "awsx:ec2:Vpc::careapp-poc" in depended


def test_its_security_group_lets_http_in_and_nothing_out(engine, build):
    build()
    assert engine.inputs("aws:ec2/securityGroup:SecurityGroup") == {
        "careapp-poc-alb": {
            "description": "The load balancer",
            "vpcId": "vpc-1",
            "revokeRulesOnDelete": True,
            "tags": {**TAGS, "Name": "careapp-poc-alb"},
        }
    }
    assert engine.inputs("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule") == {
        "careapp-poc-internet-to-alb-80": {
            "securityGroupId": "SecurityGroup/careapp-poc-alb",
            "description": "HTTP from anywhere",
            "cidrIpv4": "0.0.0.0/0",
            "ipProtocol": "tcp",
            "fromPort": 80,
            "toPort": 80,
            "tags": TAGS,
        }
    }
    assert engine.inputs("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule") == {}


def test_a_security_group_keeps_its_description_as_another_one_would_replace_it(engine, build):
    build()
    group = engine.request("aws:ec2/securityGroup:SecurityGroup", "careapp-poc-alb")
    assert list(group.ignoreChanges) == ["description"]


def test_each_allowed_client_has_a_rule_of_its_own_on_each_port(engine, build):
    build(allowedCidrs="203.0.113.7, 198.51.100.0/24,pl-0123456789abcdef0", certificateArn=ARN)
    found = engine.inputs(RULE)
    peers = ("cidrIpv4", "prefixListId", "fromPort", "toPort", "description")
    assert {name: tuple(each.get(key) for key in peers) for name, each in found.items()} == {
        f"careapp-poc-{name}-to-alb-{port}": (
            cidr,
            listed,
            port,
            port,
            f"{protocol} from {cidr or listed}",
        )
        for protocol, port in (("HTTP", 80), ("HTTPS", 443))
        for name, cidr, listed in (
            ("203.0.113.7-32", "203.0.113.7/32", None),
            ("198.51.100.0-24", "198.51.100.0/24", None),
            ("pl-0123456789abcdef0", None, "pl-0123456789abcdef0"),
        )
    }


def test_every_health_number_is_explicit(engine, build):
    build()
    assert engine.inputs(TARGETS) == {
        "careapp-poc-tg": {
            "name": "careapp-poc-tg",
            "targetType": "ip",
            "protocol": "HTTP",
            "port": 80,
            "vpcId": "vpc-1",
            "deregistrationDelay": 15,
            "healthCheck": {
                "enabled": True,
                "protocol": "HTTP",
                "port": "traffic-port",
                "path": "/health",
                "matcher": "200",
                "interval": 10,
                "timeout": 5,
                "healthyThreshold": 2,
                "unhealthyThreshold": 3,
            },
            "tags": TAGS,
        }
    }


def test_health_path_and_matcher_are_the_settings(engine, build):
    build(
        healthPath="/live",
        healthMatcher="204",
    )
    check = engine.inputs(TARGETS)["careapp-poc-tg"]["healthCheck"]
    assert (check["path"], check["matcher"]) == ("/live", "204")
    assert check["timeout"] < check["interval"], "ELB refuses another"


def test_another_container_port_leaves_the_target_group_as_it_is(engine, build):
    build(containerPort="8080")
    assert engine.inputs(TARGETS)["careapp-poc-tg"]["port"] == 80


def test_until_a_rule_forwards_it_says_that_ecs_is_off(engine, build):
    build()
    assert engine.inputs(LISTENER) == {
        "careapp-poc-http": {
            "loadBalancerArn": "arn:LoadBalancer/careapp-poc-alb",
            "protocol": "HTTP",
            "port": 80,
            "defaultActions": [OFF],
            "tags": TAGS,
        }
    }


def test_the_answer_without_ecs_fits_elb_and_names_both_commands():
    assert len(NO_SERVICE.encode()) <= 1024, "ELB's fixed response takes 1024 bytes: shorten it"
    assert "ECS is off" in NO_SERVICE
    assert "pulumi config set ecsEnabled true\npulumi up" in NO_SERVICE


@pytest.mark.parametrize(("kind", "name"), [(BALANCER, "alb"), (TARGETS, "tg")])
def test_fixed_names_are_free_before_a_replacement_takes_them(engine, build, kind, name):
    build()
    assert engine.request(kind, f"careapp-poc-{name}").deleteBeforeReplace is True


ARN = "arn:aws:acm:ap-northeast-1:111122223333:certificate/0a1b"
DOMAIN = {"domainName": "app.example.com", "hostedZoneId": "Z0123456789ABC"}
RECORD = "aws:route53/record:Record"
RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"


def test_the_secure_listener_answers_and_the_plain_one_leads_to_it(engine, build):
    build(certificateArn=ARN)
    common = {"loadBalancerArn": "arn:LoadBalancer/careapp-poc-alb", "tags": TAGS}
    assert engine.inputs(LISTENER) == {
        "careapp-poc-http": {
            **common,
            "protocol": "HTTP",
            "port": 80,
            "defaultActions": [
                {
                    "type": "redirect",
                    "redirect": {"protocol": "HTTPS", "port": "443", "statusCode": "HTTP_301"},
                }
            ],
        },
        "careapp-poc-https": {
            **common,
            "protocol": "HTTPS",
            "port": 443,
            "certificateArn": ARN,
            "sslPolicy": "ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
            "defaultActions": [OFF],
        },
    }


def test_rules_go_to_the_listener_that_serves_and_nothing_else_is_made(engine, build):
    made = build(certificateArn=ARN)
    assert engine.inputs("aws:acm/certificate:Certificate") == engine.inputs(RECORD) == {}
    ports = {name: made["fromPort"] for name, made in engine.inputs(RULE).items()}
    assert ports == {"careapp-poc-internet-to-alb-80": 80, "careapp-poc-internet-to-alb-443": 443}
    assert engine.known(made.listener_arn) == "arn:Listener/careapp-poc-https"
    assert engine.known(made.url) == "https://careapp-poc-alb.example"


def test_a_domain_gets_a_certificate_that_a_record_validates(engine, build):
    build(**DOMAIN)
    assert engine.inputs("aws:acm/certificate:Certificate") == {
        "careapp-poc-certificate": {
            "domainName": "app.example.com",
            "validationMethod": "DNS",
            "tags": TAGS,
        }
    }
    assert engine.inputs(RECORD)["careapp-poc-certificate"] == {
        "zoneId": "Z0123456789ABC",
        "name": "_1.app.example.com.",
        "type": "CNAME",
        "records": ["_2.acm-validations.aws."],
        "ttl": 60,
        "allowOverwrite": True,
    }


def test_the_listener_waits_until_the_certificate_is_issued(engine, build):
    build(**DOMAIN)
    urns = engine.request(LISTENER, "careapp-poc-https").dependencies
    assert "aws:acm/certificateValidation:CertificateValidation::careapp-poc-certificate" in {
        urn.rpartition("$")[2] for urn in urns
    }
    assert engine.inputs(LISTENER)["careapp-poc-https"]["certificateArn"] == (
        "arn:Certificate/careapp-poc-certificate"
    )


def test_the_domain_leads_to_the_load_balancer(engine, build):
    made = build(**DOMAIN)
    assert engine.inputs(RECORD)["careapp-poc-page"] == {
        "zoneId": "Z0123456789ABC",
        "name": "app.example.com",
        "type": "A",
        "aliases": [
            {
                "name": "careapp-poc-alb.example",
                "zoneId": "Z-OF-ELB",
                "evaluateTargetHealth": False,
            }
        ],
    }
    assert engine.known(made.url) == "https://app.example.com"
