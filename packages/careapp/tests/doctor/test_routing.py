"""How the rules and the certificate of a listener are read."""

from ecs_gate.parts import elb
from ecs_gate.parts.elb import Certificate, Condition
from tests import stacks as a
from tests.conftest import Answering
from tests.doctor.variants.network import RULES

CERTIFICATE = "arn:aws:acm:ap-northeast-1:123456789012:certificate/0a"


def asked(certificate=None):
    """A session that knows a listener with a certificate, and a rule; ACM's answer may be a problem."""
    arns = [{"CertificateArn": CERTIFICATE}]
    listener = {"ListenerArn": "l", "Port": 443, "Protocol": "HTTPS", "Certificates": arns}
    balancer = {"LoadBalancerArn": "b", "LoadBalancerName": "b", "DNSName": "b.example"}
    return Answering(
        describe_load_balancers={"LoadBalancers": [balancer]},
        describe_listeners={"Listeners": [listener]},
        describe_rules={"Rules": [RULES["as ELB answers"]]},
        describe_certificate=certificate or {"Certificate": {"Status": "EXPIRED"}},
    )


def test_rules_and_certificates_are_read_as_elb_and_acm_write_them():
    session = asked()
    [listener] = elb.balancer(session, "b").listeners
    assert listener.certificate == Certificate(CERTIFICATE, "EXPIRED")
    assert session.calls.of("describe_certificate") == [{"CertificateArn": CERTIFICATE}]
    [found] = listener.rules
    assert (found.priority, found.action, found.groups) == ("7", "forward", ("arn:on",))
    assert found.conditions == (
        Condition("host-header", ("a.example",)),
        Condition("path-pattern", ("/x", "/y")),
        Condition("regex", ("^x",)),
        Condition("http-header", ("*bot*",), "User-Agent"),
        Condition("query-string", ("a=1", "*=x")),
    )


def test_a_certificate_that_may_not_be_looked_at_hides_nothing_else():
    [listener] = elb.balancer(asked(a.DENIED), "b").listeners
    assert (listener.certificate.status, len(listener.rules)) == ("", 1)


def test_where_no_rules_are_wanted_nothing_more_is_asked():
    session = asked()
    [listener] = elb.balancer(session, "b", rules=False).listeners
    assert [name for name, _ in session.calls] == ["describe_load_balancers", "describe_listeners"]
    assert (listener.rules, listener.certificate) == ((), None)
