"""The program as a whole: what it follows, warns of and refuses; what it declares is recorded (test_declared)."""

import grpc
import pulumi
import pytest

from careapp.settings.settings import KEYS
from tests.unit.conftest import ZONES

KEPT = {
    "vpcCidr": "10.0.0.0/16",
    "zones": ["ap-northeast-1a", "ap-northeast-1c"],
    "databaseStorageGb": 20,
}


def inputs(engine):
    return {(made.typ, made.name): made.inputs for made in engine.made}


def test_stage_1_has_no_roll_out_to_follow(program, gates):
    assert program(ecsEnabled="false")["stage"] == 1
    assert gates == []


def test_stage_2_follows_its_service_into_its_target_group(engine, program, gates):
    told = program(ecsEnabled="true", rolloutTimeoutMinutes="40")
    [((service, definition), (group, url), settings, changes, workers)] = gates
    assert workers == {}
    assert engine.known(service.task_definition) != engine.known(definition), "read back from ECS"
    assert engine.known(definition) == "arn:TaskDefinition/careapp-poc-app"
    assert engine.known(service.urn).endswith("aws:ecs/service:Service::careapp-poc-service")
    assert engine.known(group) == "arn:TargetGroup/careapp-poc-tg"
    assert engine.known(url) == told["pageUrl"]
    assert (settings.rollout_minutes, settings.health.notice) == (40, 40)
    assert settings.service.scaling.counts == {1}
    assert changes.last is None


@pytest.mark.parametrize(("count", "warned"), [("6", 0), ("7", 1)])
def test_settings_near_a_limit_are_warned_of(program, monkeypatch, count, warned):
    said = []
    monkeypatch.setattr("pulumi.log.warn", said.append)
    program(desiredCount=count)
    assert len([line for line in said if line.startswith(f"desiredCount {count}: ")]) == warned


@pytest.fixture
def refused(engine, program):
    """Says with what the program refuses settings, before it declares anything."""

    def refused(**changes):
        with pytest.raises(pulumi.RunError) as problem:
            program(**changes)
        assert inputs(engine) == {}
        return str(problem.value)

    return refused


@pytest.fixture
def had(engine):
    """Lays down what the last update had."""

    def had(**more):
        engine.lookups["pulumi:pulumi:readStackOutputs"] = {"outputs": {"kept": KEPT | more}}

    return had


@pytest.mark.parametrize(
    ("key", "value", "before"),
    [
        ("vpcCidr", "10.1.0.0/16", {}),
        ("zones", "ap-northeast-1c,ap-northeast-1a", {}),
        ("zones", "ap-northeast-1a,ap-northeast-1d", {}),
        ("databaseStorageGb", "20", {"databaseStorageGb": 100}),
        ("region", "eu-central-1", {}),
    ],
)
def test_what_the_last_update_had_and_aws_cannot_change_is_refused(
    had, refused, key, value, before
):
    had(**before)
    assert f"{key}: {value} is refused: this stack " in refused(**{key: value})


@pytest.mark.parametrize(
    "change", [{}, {"databaseStorageGb": "30"}, {"zones": "3"}, {"natStrategy": "none"}]
)
def test_what_may_change_is_no_move(had, program, change):
    had()
    told = program(**change)["kept"]
    assert told["databaseStorageGb"] == int(change.get("databaseStorageGb", 20))
    assert len(told["zones"]) == int(change.get("zones", 2))


def test_a_new_stack_gets_the_first_zones_of_its_account_which_differ_between_accounts(
    engine, program
):
    engine.lookups[ZONES] = {"names": ["us-east-1f", "us-east-1b", "us-east-1d"]}
    assert program(region="us-east-1")["kept"]["zones"] == ["us-east-1b", "us-east-1d"]


def test_a_zone_that_aws_adds_or_closes_moves_no_subnet(engine, had, program):
    """A stack has its zones until it is destroyed; only a third one is asked for, and given up again."""
    zones = ["ap-northeast-1b", "ap-northeast-1c"]
    had(zones=zones)
    assert program(zones="3")["kept"]["zones"] == [*zones, "ap-northeast-1a"]
    del engine.lookups[ZONES]
    assert program()["kept"]["zones"] == zones
    assert program(zones=",".join(zones))["kept"]["zones"] == zones
    had(zones=[*zones, "ap-northeast-1a"])
    assert program()["kept"]["zones"] == zones


def test_zones_that_the_account_does_not_have_are_refused(engine, refused):
    assert refused(zones="ap-northeast-1a,ap-northeast-1b") == (
        "zones: the account has no availability zone ap-northeast-1b in ap-northeast-1; it has ap-northeast-1a, "
        "ap-northeast-1c, ap-northeast-1d. Nothing was changed."
    )
    engine.lookups[ZONES] = {"names": ["us-west-1c", "us-west-1a"]}
    assert refused(region="us-west-1", zones="3") == (
        "zones: the account has 2 availability zones in us-west-1 (us-west-1a, us-west-1c), and zones is 3; "
        "set a smaller number, or another aws:region. Nothing was changed."
    )


QUOTA, LIST = (
    "aws:servicequotas/getServiceQuota:getServiceQuota",
    "aws:ec2/getManagedPrefixList:getManagedPrefixList",
)
HTTPS = {"certificateArn": "arn:aws:acm:ap-northeast-1:123456789012:certificate/0a"}


def addresses(count):
    return ",".join(f"198.51.100.{number}" for number in range(count))


def clients(entries=0, address_family="IPv4"):
    """A prefix list with so many entries at most; 0 is CloudFront's, which has 55."""
    name = "office" if entries else "com.amazonaws.global.cloudfront.origin-facing"
    return {"addressFamily": address_family, "maxEntries": entries, "name": name}


@pytest.mark.parametrize(
    ("settings", "found", "count", "ports"),
    [
        ({"allowedCidrs": addresses(61)}, None, 61, "80"),
        ({"allowedCidrs": addresses(31), **HTTPS}, None, 62, "80, 443"),
        ({"allowedCidrs": "pl-01234567", **HTTPS}, clients(), 110, "80, 443"),
        ({"allowedCidrs": "pl-01234567,203.0.113.7"}, clients(60), 61, "80"),
    ],
)
def test_rules_beyond_the_account_s_quota_are_refused(
    engine, program, refused, settings, found, count, ports
):
    engine.lookups |= {QUOTA: {"value": 60.0}, LIST: found}
    words = refused(**settings)
    assert words.startswith(
        f"allowedCidrs needs {count} inbound rules of the load balancer's security group"
    )
    assert f"each of the ports {ports}, a prefix" in words
    assert words.endswith(f"--service-code vpc --quota-code L-0EA8095F --desired-value {count}")
    engine.lookups[QUOTA] = {"value": float(count)}
    program(**settings)


@pytest.mark.parametrize(
    "settings",
    [{"allowedCidrs": f"pl-01234567,{addresses(5)}"}, {"allowedCidrs": addresses(30), **HTTPS}],
)
def test_the_quota_is_not_asked_for_where_the_usual_one_is_enough(
    engine, had, refused, monkeypatch, settings
):
    """What is refused after the rules were counted ends the program before it declares 60 of them."""
    warnings = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, *_: warnings.append(text))
    engine.lookups[LIST] = clients()
    had()
    assert "vpcCidr: 10.1.0.0/16 is refused" in refused(vpcCidr="10.1.0.0/16", **settings)
    assert warnings == []


class NotFound(grpc.RpcError):
    """The provider's answer, as the engine passes it on."""

    def code(self):
        return grpc.StatusCode.UNKNOWN

    def details(self):
        return "no matching EC2 Managed Prefix List found"


@pytest.fixture
def not_found(engine, monkeypatch):
    """Has AWS refuse the look-ups of the quota and of the prefix list."""

    def call(args, asked=engine.call):
        if args.token in (QUOTA, LIST):
            raise NotFound
        return asked(args)

    monkeypatch.setattr(engine, "call", call)


@pytest.mark.usefixtures("not_found")
def test_a_quota_that_may_not_be_read_is_said_and_ec2_decides(program, monkeypatch):
    said = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, *_: said.append(text))
    program(allowedCidrs=addresses(61))
    begin = "allowedCidrs needs 61 inbound rules, and the quota of a security group"
    [words] = [line for line in said if "allowedCidrs" in line]
    assert words.startswith(begin)


PREFIX_LIST = "allowedCidrs: the prefix list pl-01234567"


def test_a_prefix_list_of_ipv6_is_refused(engine, refused):
    engine.lookups[LIST] = clients(5, "IPv6")
    words = refused(allowedCidrs="pl-01234567")
    assert words.startswith(f"{PREFIX_LIST} has IPv6 ranges, and the load balancer")


@pytest.mark.usefixtures("not_found")
def test_a_prefix_list_that_cannot_be_read_is_refused(refused):
    words = refused(allowedCidrs="pl-01234567")
    assert words.startswith(f"{PREFIX_LIST} cannot be read: ")
    assert "no matching EC2 Managed" in words


@pytest.mark.parametrize("key", [key.name for key in KEYS if key.change.loses])
def test_what_was_protected_is_turned_off_only_after_the_protection(engine, had, program, key):
    on = program(protect="true", **{key: "true"})["kept"]
    assert on == KEPT | {"protected": [key]}
    had(**on)
    before = inputs(engine)
    with pytest.raises(pulumi.RunError, match=f"^{key}: false is refused: it would delete the "):
        program(protect="false", **{key: "false"})
    assert inputs(engine) == before
    assert program(protect="false", **{key: "true"})["kept"] == KEPT
