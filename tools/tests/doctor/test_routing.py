"""How the rules and the certificate of a listener are read."""

from tools.snapshot import elb
from tools.snapshot.elb import Certificate, Condition
from tools.tests import stacks as a

CERTIFICATE = "arn:aws:acm:ap-northeast-1:123456789012:certificate/0a"


class Asked:
    """A session that knows a listener with a certificate, and a rule; ``refused`` is ACM's answer."""

    def __init__(self, rule, refused=None):
        self.rule, self.refused, self.asked = rule, refused, []

    def all(self, _service, operation, _key, **_params):
        self.asked.append(operation)
        arn = {"CertificateArn": CERTIFICATE}
        listener = {"ListenerArn": "l", "Port": 443, "Protocol": "HTTPS", "Certificates": [arn]}
        balancer = {"LoadBalancerArn": "b", "LoadBalancerName": "b", "DNSName": "b.example"}
        return {
            "describe_load_balancers": [balancer],
            "describe_listeners": [listener],
            "describe_rules": [self.rule],
        }[operation]

    def call(self, _service, operation, **params):
        self.asked.append(operation)
        if self.refused:
            raise self.refused
        assert params == {"CertificateArn": CERTIFICATE}
        return {"Certificate": {"Status": "EXPIRED"}}


SHARED = {
    "RuleArn": "arn:rule",
    "Priority": "7",
    "Conditions": [
        {"Field": "host-header", "HostHeaderConfig": {"Values": ["a.example"]}, "Values": []},
        {"Field": "path-pattern", "Values": ["/x", "/y"]},
        {"Field": "http-header", "HttpHeaderConfig": {"RegexValues": ["^x"]}},
    ],
    "Actions": [
        {
            "Type": "forward",
            "ForwardConfig": {
                "TargetGroups": [
                    {"TargetGroupArn": "arn:off", "Weight": 0},
                    {"TargetGroupArn": "arn:on", "Weight": 1},
                ]
            },
        }
    ],
}


def test_rules_and_certificates_are_read_as_elb_and_acm_write_them():
    [listener] = elb.balancer(Asked(SHARED), "b").listeners
    assert listener.certificate == Certificate(CERTIFICATE, "EXPIRED")
    [found] = listener.rules
    assert (found.priority, found.action, found.groups) == ("7", "forward", ("arn:on",))
    assert found.conditions == (
        Condition("host-header", ("a.example",)),
        Condition("path-pattern", ("/x", "/y")),
        Condition("regex", ("^x",)),
    )
    assert found.paths == ("/x", "/y")


def test_a_certificate_that_may_not_be_looked_at_hides_nothing_else():
    [listener] = elb.balancer(Asked(SHARED, a.DENIED), "b").listeners
    assert (listener.certificate.status, len(listener.rules)) == ("", 1)


def test_where_no_rules_are_wanted_nothing_more_is_asked():
    session = Asked(SHARED)
    [listener] = elb.balancer(session, "b", rules=False).listeners
    assert session.asked == ["describe_load_balancers", "describe_listeners"]
    assert (listener.rules, listener.certificate) == ((), None)
