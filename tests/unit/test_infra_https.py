"""HTTPS: one listener serves, the other leads to it, and a domain gets what it needs."""

import pytest

from infra.listeners import NO_SERVICE
from tests.unit.parts import TAGS, balancer

ARN = "arn:aws:acm:ap-northeast-1:111122223333:certificate/0a1b"
DOMAIN = {"domainName": "app.example.com", "hostedZoneId": "Z0123456789ABC"}
LISTENER = "aws:lb/listener:Listener"
RECORD = "aws:route53/record:Record"
RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
OFF = {
    "type": "fixed-response",
    "fixedResponse": {
        "statusCode": "503",
        "contentType": "text/html",
        "messageBody": NO_SERVICE,
    },
}


@pytest.fixture
def build(engine, configured):
    def declare(**changes):
        settings = configured(**changes)
        return engine.run(lambda: balancer(settings))

    return declare


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


def test_rules_go_to_the_listener_that_serves(engine, build):
    made = build(certificateArn=ARN)
    assert engine.known(made.listener_arn) == "arn:Listener/careapp-poc-https"
    assert engine.known(made.url) == "https://careapp-poc-alb.example"


def test_both_ports_are_open(engine, build):
    build(certificateArn=ARN)
    ports = {name: made["fromPort"] for name, made in engine.inputs(RULE).items()}
    assert ports == {"careapp-poc-internet-to-alb-80": 80, "careapp-poc-internet-to-alb-443": 443}


def test_a_certificate_that_exists_needs_nothing_made(engine, build):
    build(certificateArn=ARN)
    assert engine.inputs("aws:acm/certificate:Certificate") == {}
    assert engine.inputs(RECORD) == {}


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


def test_https_can_be_turned_off_on_a_protected_stack(engine, configured):
    """Its parts are made again in a minute, and none holds anything."""
    engine.run(lambda: balancer(configured(protect="true", **DOMAIN)))
    kept = {key for key, made in engine.monitor.requests.items() if made.protect}
    assert kept == {("aws:lb/loadBalancer:LoadBalancer", "careapp-poc-alb")}


def test_nothing_is_orphaned_and_every_component_finishes(engine, build):
    build(**DOMAIN)
    assert engine.orphans() == []
    assert engine.unfinished() == set()
