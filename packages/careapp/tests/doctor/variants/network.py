"""Security groups, network ACLs, routes, listeners and their rules."""

from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import yaml

from ecs_gate.parts.elb import Certificate, Condition, Listener, Rule
from ecs_gate.parts.vpc import Acl, AclEntry, Endpoint, Nat, Permission
from tests import stacks as a
from tests.doctor.situations import (
    CRASHED,
    DOORS,
    EXITED,
    ILL,
    NO_ROUTE,
    OUTSIDE,
    crashed,
    in_zones,
    named,
    rules,
)

ANYWHERE = IPv4Network("0.0.0.0/0")
PRIVATE = IPv4Network("10.0.16.0/20")
WIDE = (1024, 65535)


def leading(kind, target, state="active"):
    return a.subnet("private-1", "10.0.16.0/20", a.route(kind, target, state))


def cut_off(private=None, **nat):
    gateway = Nat(**{"id": "nat-1", "state": "available", "subnet": "public-1", **nat})
    return a.stack(network=a.network(private, nats={"nat-1": gateway}))


S3 = Endpoint(
    service="com.amazonaws.ap-northeast-1.s3",
    state="available",
    private_dns=False,
    tables=("rtb-private-1",),
)
OPEN_DOORS = a.groups(db_in=(a.permission(5432, ["sg-app"]), a.permission(443, ["sg-app"])))
NO_NAME = "failed to resolve host 'db.example': [Errno -3] Temporary failure in name resolution"


def entry(number, first=0, last=None, network=ANYWHERE, allow=True):
    last = last or (first or 65535)
    return AclEntry(number=number, allow=allow, network=network, first=first, last=last)


OPEN = (entry(100),)


def acl(ingress=OPEN, egress=OPEN, name="acl-1"):
    return Acl(id=name, ingress=tuple(ingress), egress=tuple(egress))


def with_acls(**acls):
    """The healthy network, with ACLs by the first word of the subnet's name."""
    made = a.network()
    subnets = {
        name: replace(subnet, acl=acls.get(name.partition("-")[0], acl(name="acl-default")))
        for name, subnet in made.subnets.items()
    }
    return replace(made, subnets=subnets)


DENIES = acl((entry(90, 3000, allow=False), entry(100)))
FROM_AWS = with_acls(public=acl(ingress=(entry(100, 80), entry(110, *WIDE))))
TO_CLIENTS = acl(egress=(entry(100, 3000), entry(110, 443), entry(120, *WIDE, network=PRIVATE)))

DENIES_HTTPS = acl((entry(90, 443, allow=False), entry(100)))


def doors(*endpoints, **changes):
    """Endpoints whose group lets the tasks in, in a VPC without a route to the internet."""
    return a.stack(network=a.network(NO_ROUTE, endpoints=endpoints, groups=OPEN_DOORS, **changes))


HALVES = tuple(IPv4Network(cidr) for cidr in ("198.51.100.0/25", "198.51.100.128/25"))
SOME = {"allowedCidrs": "198.51.100.0/24,203.0.113.7,pl-01234567"}
ONE = IPv4Network("203.0.113.7")


def let_in(*permissions, balancer=None, **settings):
    net = a.network(groups=a.groups(alb_in=permissions))
    return a.stack(a.choices(**settings), network=net, balancer=balancer or a.balancer())


def on_80(*networks, lists=(), groups=()):
    return replace(a.permission(80, groups, networks), prefix_lists=tuple(lists))


EVERYTHING = Permission(protocol="-1", networks=(ANYWHERE,))
RIGHT = on_80(*HALVES, ONE, lists=["pl-01234567"])
[HTTP] = a.balancer().listeners
TWO_LISTENERS = a.balancer(listeners=(HTTP, replace(HTTP, arn="other", port=443)))

OURS, DEFAULT = HTTP.rules
PAGE = ("path-pattern", ("/*",))
OFFICE = (PAGE, ("source-ip", ("203.0.113.0/24",)))
CERTIFICATE = "arn:aws:acm:ap-northeast-1:123456789012:certificate/0a"
DOMAIN = a.choices(domainName="app.example.com", hostedZoneId="Z1")
OWN_CERTIFICATE = a.choices(certificateArn=CERTIFICATE)


def rule(number, *conditions, action="fixed-response", groups=()):
    made = tuple(
        Condition(field.partition("=")[0], tuple(values), field.partition("=")[2])
        for field, values in conditions
    )
    return Rule(priority=str(number), action=action, groups=groups, conditions=made,
                arn=f"arn:rule-{number}")  # fmt: skip


def ours(number, *conditions):
    return rule(number, *conditions, action="forward", groups=(a.GROUP_ARN,))


def listening(*rules, settings=None):
    # Whatever the settings are, users open the one listener.
    return a.at_url(a.stack(settings, balancer=a.entrance(*rules)), "http://page")


def by_itself(given):
    """The load balancer answers the page with 403, and a rule with this status and condition is the first."""
    status, condition = given
    now = listening(replace(rule(1, condition), status=status), OURS, DEFAULT)
    return a.but(now, page=a.page(403, by_balancer=True))


def described(number, conditions, action="fixed-response", groups=()):
    """A rule of rules.yaml."""
    if action == "ours":
        return ours(number, *conditions.items())
    return rule(number, *conditions.items(), action=action, groups=tuple(groups))


RULES = yaml.safe_load(Path(__file__).parents[1].joinpath("rules.yaml").read_text())
IN_FRONT, HARMLESS, NOT_THE_PAGE = (
    {name: described(*each) for name, each in RULES[kind].items()}
    for kind in ("in front", "harmless", "not the page")
)


def https(*rules, open_=(80, 443), **changes):
    """A listener that serves by HTTPS, beside one that leads there."""
    redirect = Rule(priority="default", action="redirect")
    http = Listener(arn="http", port=80, protocol="HTTP", rules=(redirect,))
    secure = Listener(arn="https", port=443, protocol="HTTPS", rules=rules, **changes)
    groups = a.groups(alb_in=tuple(a.permission(port, networks=a.ANYWHERE) for port in open_))
    return a.stack(balancer=a.balancer(listeners=(http, secure)), network=a.network(groups=groups))


HOSTS = {host: ("host-header", (host,)) for host in ("app.example.com", "*.example.com")}


def certified(status):
    return https(OURS, DEFAULT, certificate=Certificate(CERTIFICATE, status))


THEIRS = Listener(
    arn="theirs", port=443, protocol="HTTPS", certificate=Certificate(CERTIFICATE, "EXPIRED"),
    rules=(replace(OURS, groups=("arn:theirs",)), DEFAULT),
)  # fmt: skip
MINE = replace(HTTP, port=8080)


def shared(*open_):
    """The page is on port 8080 of a load balancer whose HTTPS, with its expired certificate, is another service's."""
    groups = a.groups(alb_in=tuple(a.permission(port, networks=a.ANYWHERE) for port in open_))
    now = a.stack(balancer=a.balancer(listeners=(THEIRS, MINE)), network=a.network(groups=groups))
    return a.at_url(now, "http://page:8080")


def undeclared(*rules):
    """A service of which nothing is declared, with these inbound rules of its load balancer."""
    now = a.of_another_program(a.stack(network=a.network(groups=a.groups(alb_in=rules))))
    return replace(now, target=replace(now.target, page=replace(now.target.page, allowed=None)))


VARIANTS = {
    "task-cannot-reach-database: the app times out": crashed(
        "connection timeout expired", network=rules(db_in=())),
    "task-cannot-reach-aws: no route": cut_off(NO_ROUTE),
    "task-cannot-reach-aws: a black hole": cut_off(leading("nat", "nat-1", "blackhole")),
    "task-cannot-reach-aws: no such NAT gateway": cut_off(leading("nat", "nat-9")),
    "task-cannot-reach-aws: an internet gateway": cut_off(leading("igw", "igw-1")),
    "task-cannot-reach-aws: a failed NAT gateway": cut_off(state="failed"),
    "task-cannot-reach-aws: a NAT gateway of its own subnet": cut_off(subnet="private-1"),
    "nothing: a public address": a.stack(
        network=a.network(leading("igw", "igw-1")), service=a.service(public_ip=True)),
    "nothing: endpoints in place of a NAT gateway": doors(S3, *DOORS),
    "nothing: an endpoint that failed beside a NAT gateway": a.stack(
        network=a.network(endpoints=(replace(DOORS[0], state="failed"),))),
    "nothing: an endpoint without private DNS beside a NAT gateway": a.stack(
        network=a.network(endpoints=(replace(DOORS[0], private_dns=False),))),
    "task-cannot-reach-aws: an endpoint too few": doors(S3, *DOORS[1:]),
    "task-cannot-reach-aws: endpoints without a way to S3": doors(*DOORS),
    "task-cannot-reach-aws: a way to S3 from another subnet": doors(replace(S3, tables=("rtb-x",)), *DOORS),
    "task-cannot-reach-aws: endpoints without host names": doors(S3, *DOORS, hostnames=False),
    "task-cannot-reach-endpoint: two groups and a network ACL": a.stack(network=replace(
        with_acls(database=DENIES_HTTPS), endpoints=(
            DOORS[0], replace(DOORS[1], groups=("sg-alb",), subnets=("database-1",))))),
    "vpc-without-dns: the app's log": a.stack(network=a.network(dns=False), logs=a.logs(a=[NO_NAME])),
    "balancer-cannot-reach-task: a network ACL": a.stack(network=with_acls(private=DENIES)),
    "balancer-cannot-reach-task: a rule and an ACL": a.stack(
        network=replace(with_acls(private=DENIES), groups=a.groups(app_in=()))),
    "task-cannot-reach-database: an ACL in both directions": a.stack(network=with_acls(database=acl((), ()))),
    "task-cannot-reach-aws: a network ACL": a.stack(network=FROM_AWS),
    "task-cannot-reach-aws: a network ACL in stage 1": a.stage1(network=FROM_AWS),
    "internet-cannot-reach-balancer: a network ACL": a.stack(network=with_acls(public=TO_CLIENTS)),
    "balancer-lets-more-in: on two listeners": let_in(EVERYTHING, balancer=TWO_LISTENERS, **SOME),
    "nothing: two halves of a network": let_in(RIGHT, **SOME),
    "nothing: open to all, twice": let_in(on_80(ANYWHERE, lists=["pl-9"], groups=("sg-app",))),
    "balancer-lets-more-in: three rules": let_in(
        RIGHT, EVERYTHING, on_80(lists=["pl-9"], groups=("sg-app",)), **SOME),
    "balancer-lets-more-in, internet-cannot-reach-balancer: both": let_in(
        on_80(HALVES[0], ONE, IPv4Network("203.0.113.8")), **SOME),
    "balancer-lets-nobody-in: another port": let_in(a.permission(8080, networks=a.ANYWHERE)),
    "internet-cannot-reach-balancer: a port that redirects": https(OURS, DEFAULT, open_=(443,)),
    # In whatever order ELB lists them: the number counts.
    **named("rule-in-the-way", IN_FRONT, lambda each: listening(OURS, each, DEFAULT)),
    **named("nothing", HARMLESS, lambda each: listening(each, OURS, DEFAULT)),
    **named("no-rule-forwards", NOT_THE_PAGE, lambda each: listening(each, DEFAULT)),
    "rule-in-the-way, no-rule-forwards: a forward to no target group": listening(
        rule(100, PAGE, action="forward"), DEFAULT),
    "nothing: a rule for the office before another": listening(ours(1, *OFFICE), rule(2, PAGE), DEFAULT),
    "nothing: a rule for the office": listening(ours(1, *OFFICE), DEFAULT),
    "nothing: a default rule that forwards": listening(replace(OURS, priority="default", conditions=())),
    "nothing: the declared domain": listening(ours(100, HOSTS["app.example.com"]), DEFAULT, settings=DOMAIN),
    "no-rule-forwards: a domain that is not declared": listening(
        ours(100, HOSTS["app.example.com"]), DEFAULT),
    **named("nothing: ours for", HOSTS, lambda host: listening(
        ours(100, host), DEFAULT, settings=OWN_CERTIFICATE)),
    **named("nothing: another's for", HOSTS, lambda host: listening(
        rule(1, host), OURS, DEFAULT, settings=OWN_CERTIFICATE)),
    "nothing: HTTPS": https(OURS, DEFAULT),
    "no-rule-forwards: HTTPS": https(DEFAULT),
    "nothing: another service's listener has an expired certificate and nobody may connect to it": shared(8080),
    "nothing: who may connect is not declared, and an office may": undeclared(on_80(ONE)),
    "balancer-lets-nobody-in: who may connect is not declared": undeclared(),
    "nothing: a database in another VPC": a.stack(
        database=a.database(subnets=("elsewhere-1",), groups=("sg-elsewhere",))),
    "balancer-lets-nobody-in: to the page's listener, beside another service's": shared(443),
    **named("nothing: a certificate", {"issued": "ISSUED", "not read": ""}, certified),
    "certificate-not-valid: PENDING_VALIDATION": certified("PENDING_VALIDATION"),
    "balancer-missing: stage 1": a.stage1(balancer=None),
    "nothing: a load balancer that cannot be read": a.stack(balancer=a.DENIED),
    "nothing: a target group that cannot be read": a.stack(group=a.DENIED, targets=()),
    **named("rule-in-the-way", {
        "it answered itself, by an address": (403, ("source-ip", ("203.0.113.0/24",))),
        "it answered itself, by a regular expression": (403, ("regex", ("^/.*$",)))}, by_itself),
    "page-errors: the load balancer itself, by what is not known": by_itself((404, ("regex", ("x",)))),
    "page-errors: the load balancer itself, as no task answers": a.stack(page=a.page(502, by_balancer=True)),
    "crash: a moment ago, and nothing answers": a.stack(
        page=a.page(503, by_balancer=True), tasks=(a.task(), a.ended(CRASHED, code=3, stop=EXITED)),
        logs=a.logs(b=["no more"])),
    "rule-in-the-way: at the page's own path": a.but(
        listening(rule(1, ("path-pattern", ("/shop*",))), OURS, DEFAULT),
        page=a.page(403, path="/shop", url="http://careapp-poc-alb.example/shop", by_balancer=True)),
    "no-listener: of a CDN": a.of_another_program(a.at_url(a.stack(), "https://shop.example")),
    "no-listener: no listener at all": a.stack(balancer=replace(a.balancer(), listeners=())),
    "rule-in-the-way: in stage 1": a.stage1(balancer=a.entrance(
        rule("7", PAGE, action="redirect"), Rule(priority="default", action="fixed-response"))),
    "rule-in-the-way: of the same number in stage 1": a.stage1(balancer=a.entrance(
        rule("100", ("path-pattern", ("/other",)), action="redirect"),
        Rule(priority="default", action="fixed-response"))),
    "task-cannot-reach-aws: the public subnets' route table": cut_off(
        replace(leading("igw", "igw-1"), other_association="rtbassoc-1")),
    "balancer-not-in-zone: ECS has given up": a.failing(
        a.ended(ILL), network=in_zones("a", "d"), service=a.going(events=(a.failed_check(OUTSIDE),))),
    "balancer-not-in-zone: no task there": a.stack(network=in_zones("a", "d")),
    "nothing: the load balancer in the tasks' zone": a.stack(network=in_zones("a", "a")),
    "balancer-cut-off: in private subnets": a.stage1(balancer=a.balancer(subnets=("private-1",))),
}  # fmt: skip
