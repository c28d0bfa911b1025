"""Which rule of a listener answers a request to the page, and what doctor says when it is another."""

from dataclasses import replace

import pytest

from tools.doctor.diagnose import judge
from tools.preflight.checklist import tick
from tools.snapshot import elb
from tools.snapshot.elb import Certificate, Condition, Listener, Rule
from tools.tests import stacks as a
from tools.tests.doctor.situations import SITUATIONS, causes, kinds

OURS, DEFAULT = a.balancer().listeners[0].rules
PAGE = ("path-pattern", ("/*",))
ELSEWHERE = "arn:elsewhere"
CERTIFICATE = "arn:aws:acm:ap-northeast-1:123456789012:certificate/0a"


def rule(number, *conditions, action="fixed-response", groups=()):
    made = tuple(Condition(*each) for each in conditions)
    arn = f"arn:rule-{number}"
    return Rule(priority=str(number), action=action, groups=groups, conditions=made, arn=arn)


def ours(number, *conditions):
    return rule(number, *conditions, action="forward", groups=(a.GROUP_ARN,))


def listening(*rules, settings=None):
    # Whatever the settings are, users open the one listener.
    return replace(a.stack(settings, balancer=a.entrance(*rules)), output_url="http://page")


@pytest.mark.parametrize(
    "in_front",
    [
        rule(1, PAGE),
        rule(1),
        rule(1, PAGE, action="redirect"),
        rule(1, PAGE, action="forward", groups=(ELSEWHERE,)),
        rule(99, ("path-pattern", ("/x", "/"))),
        rule(1, ("host-header", ("*.EXAMPLE",))),
        rule(1, ("http-request-method", ("GET", "HEAD")), PAGE),
        rule(1, ("source-ip", ("10.0.0.0/8", "0.0.0.0/0"))),
    ],
)
def test_a_rule_before_ours_that_fits_the_page_is_a_cause(in_front):
    # In whatever order ELB lists them: the number counts.
    snapshot = listening(OURS, in_front, DEFAULT)
    assert causes(snapshot) == ["rule-in-the-way"]
    found = judge(snapshot).findings[0]
    assert found.fixes[0].commands == (
        f"aws elbv2 delete-rule --region ap-northeast-1 --rule-arn {in_front.arn}",
    )
    assert f"Rule {in_front.priority} of listener HTTP:80 ({in_front.action})" in str(found.seen[0])


@pytest.mark.parametrize(
    "harmless",
    [
        rule(101, PAGE),
        rule(1, ("path-pattern", ("/api/*", "/?"))),
        rule(1, ("path-pattern", ("/[a-z]*", "[/]"))),
        rule(1, ("host-header", ("other.example",))),
        rule(1, PAGE, ("http-header", ("yes",))),
        rule(1, ("query-string", ("off=1",))),
        rule(1, ("http-request-method", ("POST",))),
        rule(1, ("source-ip", ("203.0.113.0/24",))),
        rule(1, ("regex", ("^/.*$",))),
        rule(1, ("what ELB invents next", ("*",))),
        ours(1, PAGE),
    ],
)
def test_a_rule_that_a_plain_request_does_not_end_at_changes_nothing(harmless):
    assert judge(listening(harmless, OURS, DEFAULT)).findings == ()


@pytest.mark.parametrize(
    "only",
    [
        ours(100, ("path-pattern", ("/api/*",))),
        ours(100, PAGE, ("http-header", ("secret",))),
        ours(100, PAGE, ("host-header", ("other.example",))),
        rule(100, PAGE, action="forward", groups=()),
    ],
)
def test_a_forwarding_rule_that_the_page_does_not_fit_forwards_nothing(only):
    snapshot = listening(only, DEFAULT)
    assert "no-rule-forwards" in causes(snapshot)
    [item] = [each for each in tick(snapshot).items if str(each.text).startswith("A rule forwards")]
    assert item.state == "bad"


def test_of_a_rule_of_ours_that_may_fit_the_best_is_thought():
    office = ours(1, PAGE, ("source-ip", ("203.0.113.0/24",)))
    assert causes(listening(office, rule(2, PAGE), DEFAULT)) == []
    assert causes(listening(office, DEFAULT)) == []


def test_a_default_rule_that_forwards_is_as_good():
    assert judge(listening(replace(OURS, priority="default", conditions=()))).findings == ()


def test_a_rule_for_the_declared_domain_is_the_page_s():
    named = ours(100, ("host-header", ("app.example.com",)))
    settings = a.choices(domainName="app.example.com", hostedZoneId="Z1")
    assert causes(listening(named, DEFAULT, settings=settings)) == []
    assert causes(listening(named, DEFAULT)) == ["no-rule-forwards"]


def test_with_a_certificate_of_one_s_own_nobody_knows_the_page_s_name():
    settings = a.choices(certificateArn=CERTIFICATE)
    for host in ("app.example.com", "*.example.com"):
        named = ours(100, ("host-header", (host,)))
        assert causes(listening(named, DEFAULT, settings=settings)) == []
        other = rule(1, ("host-header", (host,)))
        assert causes(listening(other, OURS, DEFAULT, settings=settings)) == []


def https(*rules, **changes):
    """A listener that serves by HTTPS, beside one that leads there."""
    redirect = Rule(priority="default", action="redirect")
    http = Listener(arn="http", port=80, protocol="HTTP", rules=(redirect,))
    secure = Listener(arn="https", port=443, protocol="HTTPS", rules=rules, **changes)
    open_ = a.groups(alb_in=tuple(a.permission(port, networks=a.ANYWHERE) for port in (80, 443)))
    return a.stack(balancer=a.balancer(listeners=(http, secure)), network=a.network(groups=open_))


def test_with_https_the_listener_that_serves_is_that_one():
    assert causes(https(OURS, DEFAULT)) == []
    assert causes(https(DEFAULT)) == ["no-rule-forwards"]


@pytest.mark.parametrize(("status", "bad"), [("ISSUED", False), ("", False), ("EXPIRED", True),
                                             ("FAILED", True), ("PENDING_VALIDATION", True)])  # fmt: skip
def test_a_certificate_that_does_not_hold_is_a_cause(status, bad):
    held = Certificate(CERTIFICATE, status)
    found = judge(https(OURS, DEFAULT, certificate=held)).causes
    assert [each.id for each in found] == ["certificate-not-valid"] * bad
    assert all(status in str(each.title) for each in found)


def test_where_no_inbound_rule_names_the_port_nobody_gets_in():
    other = (a.permission(8080, networks=a.ANYWHERE),)
    for rules in ((), other, (a.permission(80),)):
        snapshot = a.stack(network=a.network(groups=a.groups(alb_in=rules)))
        assert causes(snapshot) == ["balancer-lets-nobody-in"]
        restored, opened = judge(snapshot).findings[0].fixes
        assert restored.commands == ("pulumi up --refresh -s poc",)
        assert opened.commands[0].startswith(
            "aws ec2 authorize-security-group-ingress --region ap-northeast-1 --group-id sg-alb"
        )


def test_a_closed_port_that_does_not_serve_is_a_warning():
    snapshot = https(OURS, DEFAULT)
    only = a.groups(alb_in=(a.permission(443, networks=a.ANYWHERE),))
    network = replace(snapshot.network.value, groups=only)
    [found] = judge(a.stack(balancer=snapshot.balancer.value, network=network)).findings
    assert (found.id, found.kind) == ("internet-cannot-reach-balancer", "warning")
    some = SITUATIONS["internet-cannot-reach-balancer"]
    assert kinds(some) == [("internet-cannot-reach-balancer", "warning")]


def test_a_load_balancer_that_is_gone_is_told_in_both_stages():
    for snapshot in (a.stack(balancer=None), a.stage1(balancer=None)):
        found = judge(snapshot).causes[0]
        assert found.id == "balancer-missing"
        assert found.fixes[0].commands == ("pulumi up --refresh -s poc",)
    assert "balancer-missing" not in causes(a.stack(balancer=a.DENIED))


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
