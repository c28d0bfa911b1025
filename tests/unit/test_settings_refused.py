"""The stack file: what is said when it cannot be used."""

import re
from dataclasses import replace
from operator import attrgetter

import boto3
import pulumi_aws.config
import pytest

from stack.allowed_cidrs import weight
from stack.file import OTHER_CREDENTIALS, StackError
from stack.rules import Choice, Integer
from stack.settings import KEYS


def problems(load, **changes):
    """The lines between the heading and the advice."""
    with pytest.raises(StackError) as refused:
        load(**changes)
    return [line.strip() for line in str(refused.value).splitlines()[1:-1]]


INTEGERS = {
    key.name: (key.rule.low, key.rule.high) for key in KEYS if isinstance(key.rule, Integer)
} | {"maxCount": (0, 500)}  # the targets of a load balancer
PAIR = ("taskCpu", "taskMemory")
"""Fargate has only some sizes between their bounds."""
ENOUGH = {"databaseInstanceClass": "db.m7g.4xlarge"}
LARGE = {"databaseInstanceClass": "db.r7g.2xlarge", "appConnections": "2"}
ROOM = {
    "appConnections": ENOUGH,
    "desiredCount": ENOUGH,
    "maxCount": {**ENOUGH, "appConnections": "2"},
}
"""What a key's bounds need of others: connections for all tasks."""


@pytest.mark.parametrize("key", [key for key in INTEGERS if key not in PAIR])
def test_a_number_may_be_at_its_bounds_and_not_beyond(configured, key):
    low, high = INTEGERS[key]
    for allowed in (low, high):
        configured(**{key: str(allowed)}, **ROOM.get(key, {}))
    for beyond in (low - 1, high + 1):
        [problem] = problems(configured, **{key: str(beyond)}, **ROOM.get(key, {}))
        assert problem.startswith(f"{key}: {beyond} ")


def test_a_rolling_deployment_needs_no_time_for_waits(configured):
    assert configured(rolloutTimeoutMinutes="1", bakeMinutes="60").rollout_minutes == 1


@pytest.mark.parametrize(
    ("changes", "minutes"),
    [
        ({}, 15),
        ({"deployStrategy": "blueGreen"}, 15),
        ({"deployStrategy": "canary"}, 20),
        ({"deployStrategy": "linear"}, 60),
        ({"deployStrategy": "canary", "bakeMinutes": "60"}, 130),
        ({"deployStrategy": "canary", "maxCount": "101", **LARGE}, 21),
        ({"deployStrategy": "canary", "rolloutTimeoutMinutes": "30"}, 30),
    ],
    ids=str,
)
def test_the_limit_of_a_rollout_is_as_long_as_it_needs(configured, changes, minutes):
    assert configured(**changes).rollout_minutes == minutes


def documented(key):
    """The values that docs/settings.md has for a key."""
    rule = key.rule
    numbers = map(str, (rule.low, rule.high)) if isinstance(rule, Integer) else ()
    choices = rule.options if isinstance(rule, Choice) else ()
    return {key.default, key.another(key.default), *numbers, *choices}


OF_SEVERAL = ("taskCpu", "loginClientId", "loginSecretArn", "appDockerfile")
"""What is nothing without another: Fargate's pairs, a login, a file of a folder."""


@pytest.mark.parametrize(
    "key", [key for key in KEYS if key.name not in OF_SEVERAL], ids=attrgetter("name")
)
def test_a_refusal_names_the_setting_that_was_set(configured, key):
    """A default is never refused: whatever one setting says, the others need no change."""
    for value in documented(key):
        try:
            configured(**{key.name: value})
        except StackError as refused:
            [problem] = str(refused).splitlines()[1:-1]
            assert problem.startswith(f"  {key.name}: "), value


BOOLEANS = [key.name for key in KEYS if key.kind == "boolean"]


@pytest.mark.parametrize("key", BOOLEANS)
def test_a_boolean_that_is_not_one_is_refused(configured, key):
    assert problems(configured, **{key: "yes"}) == [f"{key}: 'yes' is neither true nor false"]


@pytest.mark.parametrize("key", INTEGERS)
def test_a_number_that_is_not_one_is_refused(configured, key):
    [problem] = problems(configured, **{key: "2.5"})
    assert problem.startswith(f"{key}: '2.5' is not a whole number; it must be ")


CERTIFICATE = "arn:aws:acm:ap-northeast-1:111122223333:certificate/0a"
REFUSED = {
    "vpcCidr=8.8.0.0/16": "8.8.0.0/16 is not private; use a part of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16",
    "vpcCidr=10.0.0.0/99": "'10.0.0.0/99' is not an address range like 10.0.0.0/16",
    "vpcCidr=10.0.0.0": "10.0.0.0 has no prefix length; write e.g. 10.0.0.0/16",
    "vpcCidr=10.0.7.0/16": "10.0.7.0/16 is not the first address of its range; write 10.0.0.0/16",
    "vpcCidr=10.0.0.0/20": "10.0.0.0/20 is too small for the subnets; use /16 to /19",
    "vpcCidr=10.0.0.0/15": "10.0.0.0/15 is larger than a VPC can be; use /16 to /19",
    "vpcCidr=127.0.0.0/16": "127.0.0.0/16 is not private; use a part of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16",
    "zoneCount=1": "1 is outside 2 to 3 (RDS and the load balancer need two)",
    "zones=ap-northeast-1a,us-east-1a": (
        "us-east-1a is not a zone of ap-northeast-1; its zones are named like ap-northeast-1a"
    ),
    "zones=ap-northeast-1a,ap-northeast-1": (
        "ap-northeast-1 is not a zone of ap-northeast-1; its zones are named like ap-northeast-1a"
    ),
    "zones=ap-northeast-1a,ap-northeast-1a": "ap-northeast-1a, ap-northeast-1a contains a zone twice; name each once",
    "zones=ap-northeast-1a": "ap-northeast-1a has 1 zone, but zoneCount is 2; make them equal",
    "natStrategy=one": "'one' is unknown; choose one of none, single, onePerAz",
    "databaseInstanceClass=t4g.micro": "'t4g.micro' is not an RDS instance class like db.t4g.micro",
    "databaseFinalSnapshot=a--b": "'a--b' is not lowercase letters and digits, separated by single hyphens",
    "databaseBackupDays=0": "0 is outside 1 to 35 (0, without backups, would restart the database)",
    "cpuArchitecture=arm64": "'arm64' is unknown; choose one of X86_64, ARM64",
    "imageRevision=a b": "'a b' is not 1 to 64 letters, digits, dots, hyphens or underscores",
    "containerPort=80": "80 is outside 1024 to 65535 (below 1024 needs root, and the container runs as user 10001)",
    "taskCpu=300": "300 is not a Fargate CPU size; choose one of 256, 512, 1024, 2048, 4096, 8192, 16384, 32768",
    "taskMemory=700": "700 is not possible with taskCpu 256; choose one of 512, 1024, 2048",
    "taskMemory=512; taskCpu=8192": "512 is not possible with taskCpu 8192; choose 16384 to 61440 in steps of 4096",
    "logRetentionDays=45": (
        "'45' is not one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, "
        "2922, 3288, 3653"
    ),
    "certificateArn=arn:aws:iam::111122223333:server-certificate/old": (
        "'arn:aws:iam::111122223333:server-certificate/old' is not an ACM certificate's ARN like "
        "arn:aws:acm:REGION:ACCOUNT:certificate/ID"
    ),
    "certificateArn=arn:aws:acm:us-east-1:111122223333:certificate/0a": (
        "arn:aws:acm:us-east-1:111122223333:certificate/0a is in us-east-1, but the load balancer is in "
        "ap-northeast-1 and accepts only certificates of its own region; request one there"
    ),
    f"certificateArn={CERTIFICATE}; domainName=app.example.com; hostedZoneId=Z01": (
        f"{CERTIFICATE} is set together with app.example.com; keep either "
        "certificateArn, or domainName with hostedZoneId"
    ),
    "domainName=app.example.com": (
        "app.example.com needs the Route 53 hosted zone for its records; set hostedZoneId, or set certificateArn "
        "to an existing certificate instead"
    ),
    "domainName=App.example.com; hostedZoneId=Z01": (
        "'App.example.com' is not a domain name like app.example.com in lowercase, at most 64 characters long"
    ),
    f"domainName={'a' * 53}.example.com; hostedZoneId=Z01": (
        f"'{'a' * 53}.example.com' is not a domain name like app.example.com in lowercase, at most 64 "
        "characters long"
    ),
    "hostedZoneId=Z01": "Z01 is set without a domain name; set domainName, too",
    "hostedZoneId=example.com; domainName=app.example.com": (
        "'example.com' is not the ID of a Route 53 hosted zone like Z0123456789ABC"
    ),
    "minCount=5; maxCount=4": "5 is above maxCount 4; lower one or raise the other",
    "maxCount=4; scaleCpuTarget=0": (
        "4 has no scaling target; set scaleCpuTarget or scaleRequestsPerTarget, or maxCount 0"
    ),
    "schedule=weekdays 8-20": "'weekdays 8-20' is not days and hours like mon-fri 08:00-20:00",
    "schedule=fri-mon 08:00-20:00": "'fri-mon 08:00-20:00' is not days and hours like mon-fri 08:00-20:00",
    "schedule=mon,mon 08:00-20:00": "'mon,mon 08:00-20:00' is not days and hours like mon-fri 08:00-20:00",
    "schedule=mon-fri 08:00-24:00": "'mon-fri 08:00-24:00' is not days and hours like mon-fri 08:00-20:00",
    "schedule=mon-fri 20:00-08:00": (
        "'mon-fri 20:00-08:00' does not end after it starts, and both are on the same day; swap the two, or end at "
        "23:59"
    ),
    "schedule=mon-fri 08:00-20:00; desiredCount=0": (
        "'mon-fri 08:00-20:00' starts 0 tasks; set desiredCount or maxCount"
    ),
    **{
        f"scheduleTimeZone={zone}": (
            f"'{zone}' is not a canonical IANA time zone, which AWS requires; write a name like Asia/Tokyo, or UTC"
        )
        for zone in ("Tokyo", "Asia/Kyoto", "Japan", "US/Pacific", "localtime", "EST5EDT")
    },
    "healthPath=health": "'health' is not a path that begins with /, at most 1024 characters",
    "smokePath=shop": "'shop' is not a path that begins with /, at most 1024 characters, or empty",
    "healthMatcher=200-500": "'200-500' is not a code from 200 to 499, a list (200,204) or a range (200-299)",
    "alarmEmail=nobody": "'nobody' is not an e-mail address like team@example.com",
    "databaseInstanceClass=db.z1d.large": (
        "the memory of db.z1d.large is unknown, and the memory alarm needs it; choose a class of the families t, "
        "m, r or c, or set alarmsEnabled to false"
    ),
    "desiredcount=2": "is an unknown key; did you mean desiredCount?",
    "colour=red": "is an unknown key; Pulumi.yaml lists all keys",
    "deployStrategy=green": "'green' is unknown; choose one of rolling, canary, linear, blueGreen",
    "rolloutTimeoutMinutes=19; deployStrategy=canary": (
        "19 is too short: ECS waits 10 minutes (deployStrategy, bakeMinutes) and launches 500 of the 1 "
        "tasks a minute, and 10 minutes are for their start; set 20 or more, or 0, which is always enough"
    ),
    "rolloutTimeoutMinutes=19; deployStrategy=linear; bakeMinutes=1": (
        "19 is too short: ECS waits 10 minutes (deployStrategy, bakeMinutes) and launches 500 of the 1 "
        "tasks a minute, and 10 minutes are for their start; set 20 or more, or 0, which is always enough"
    ),
    "rolloutTimeoutMinutes=61; permissionsBoundary=careapp-delivery-poc-boundary": (
        "61 minutes are too long for a stack that GitHub Actions deploys (permissionsBoundary): the job ends first, in "
        "the middle of `pulumi up`. It has 60 minutes for the roll-out and for deployCommand, which may take as long "
        "again; set rolloutTimeoutMinutes to 60 or less, and shorter waits if it refuses that"
    ),
    "rolloutTimeoutMinutes=31; deployCommand=migrate; permissionsBoundary=careapp-delivery-poc-boundary": (
        "31 minutes are too long for a stack that GitHub Actions deploys (permissionsBoundary): the job ends first, in "
        "the middle of `pulumi up`. It has 60 minutes for the roll-out and for deployCommand, which may take as long "
        "again; set rolloutTimeoutMinutes to 30 or less, and shorter waits if it refuses that"
    ),
    "deployStrategy=linear; deployCommand=migrate; permissionsBoundary=careapp-delivery-poc-boundary": (
        "60 minutes are too long for a stack that GitHub Actions deploys (permissionsBoundary): the job ends first, in "
        "the middle of `pulumi up`. It has 60 minutes for the roll-out and for deployCommand, which may take as long "
        "again; set rolloutTimeoutMinutes to 30 or less, and shorter waits if it refuses that"
    ),
    "scaleRequestsPerTarget=100; deployStrategy=blueGreen; maxCount=3": (
        "100 counts the requests of one target group, and deployStrategy blueGreen moves them between two; scale "
        "by scaleCpuTarget, or deploy by rolling"
    ),
}
"""The problem of each stack file, without the key that it names: the first of the file."""


@pytest.mark.parametrize("changes", REFUSED)
def test_a_bad_value_is_refused_with_its_key_the_rule_and_the_way_out(configured, changes):
    given = dict(each.split("=", 1) for each in changes.split("; "))
    assert problems(configured, **given) == [f"{next(iter(given))}: {REFUSED[changes]}"]


def test_a_deploy_from_somebody_s_own_machine_may_take_a_day(configured):
    assert configured(rolloutTimeoutMinutes="1440").rollout_minutes == 1440
    by_push = {"permissionsBoundary": "careapp-delivery-poc-boundary"}
    assert configured(rolloutTimeoutMinutes="60", **by_push).rollout_minutes == 60


@pytest.mark.parametrize("codes", ["", "199", "abc", "300-200", "200,", "200-", "200;204"])
def test_what_elb_would_not_take_for_status_codes_is_refused(configured, codes):
    [problem] = problems(configured, healthMatcher=codes)
    assert problem.startswith(f"healthMatcher: {codes!r} is not a code from 200 to 499")


@pytest.mark.parametrize("codes", ["200", "499", "200,204,301", "200-299", "200-299,302"])
def test_what_elb_takes_for_status_codes_is_accepted(configured, codes):
    assert configured(healthMatcher=codes).health.matcher == codes


def test_all_problems_are_told_at_once_under_one_heading_with_the_way_out(configured):
    with pytest.raises(StackError) as refused:
        configured(zoneCount="9", protect="maybe", healthPath="up", taskMemory="1")
    assert str(refused.value).splitlines() == [
        "the settings of stack poc are invalid (4 problems):",
        "  protect: 'maybe' is neither true nor false",
        "  zoneCount: 9 is outside 2 to 3 (RDS and the load balancer need two)",
        "  taskMemory: 1 is outside 512 to 249856",
        "  healthPath: 'up' is not a path that begins with /, at most 1024 characters",
        "Nothing was changed. `pulumi config set KEY VALUE` sets a key.",
    ]


def test_a_single_problem_is_not_called_problems(configured):
    with pytest.raises(StackError, match=r"are invalid \(1 problem\):"):
        configured(protect="maybe")


def test_a_refused_key_is_not_blamed_twice(configured):
    assert problems(configured, taskCpu="300", taskMemory="513") == [
        "taskCpu: 300 is not a Fargate CPU size; "
        "choose one of 256, 512, 1024, 2048, 4096, 8192, 16384, 32768"
    ]


@pytest.mark.parametrize("region", ["us-gov-west-1", "cn-north-1", "Tokyo", "eu-central-1a"])
def test_a_region_of_another_partition_is_refused(configured, region):
    assert problems(configured, others={"aws:region": region}) == [
        f"aws:region: {region} is not a region of AWS's partition `aws`, whose ARNs the program writes, like "
        "eu-central-1; China (aws-cn) and GovCloud (aws-us-gov) are partitions of their own"
    ]


def test_the_regions_are_those_of_the_partition(configured):
    known = boto3.Session().get_available_regions("ec2")
    assert len(known) > 30
    assert [each for each in known if configured({"aws:region": each}).region != each] == []


def test_a_missing_region_is_asked_for(configured):
    assert problems(configured, others={}) == [
        "aws:region: is not set; for Tokyo: `pulumi config set aws:region ap-northeast-1`"
    ]


@pytest.mark.parametrize("key", OTHER_CREDENTIALS)
def test_credentials_that_only_the_provider_would_use_are_refused(configured, key):
    assert problems(configured, others={"aws:region": "ap-northeast-1", key: "x"}) == [
        f"{key}: gives credentials to the provider only, and the roll-out gate and the commands would use "
        f"others; `pulumi config rm {key}`, then set a profile of ~/.aws/config "
        "(`pulumi config set aws:profile NAME`) or the AWS_… variables"
    ]


def test_the_keys_that_give_credentials_are_those_of_the_provider():
    keys = {
        "aws:" + re.sub("_(.)", lambda found: found[1].upper(), name)
        for name in vars(pulumi_aws.config.vars._ExportableConfig)
        if re.fullmatch(r".*_key|token|assume_.*|shared_.*", name)
    }
    assert keys == set(OTHER_CREDENTIALS)


def test_a_profile_and_what_gives_no_credentials_are_accepted(configured):
    others = {"aws:region": "ap-northeast-1", "aws:profile": "me", "aws:maxRetries": "9"}
    assert configured(others) == replace(configured(), profile="me")


def test_keys_of_other_packages_are_none_of_our_business(configured):
    others = {"aws:region": "ap-northeast-1", "docker:host": "unix:///run/docker.sock"}
    assert configured(others) == configured()


@pytest.mark.parametrize(
    ("stack", "says"),
    [
        (
            "Poc",
            "stack: careapp-Poc begins the names of resources, so it may have only "
            "lowercase letters, digits and single hyphens; `pulumi stack rename` renames "
            "the stack",
        ),
        (
            "astacknamewithtoomanyletters",
            "name: careapp-astacknamewithtoomanyletters begins the names of resources and has 36 "
            "characters; ELB has room for 28. With the stack astacknamewithtoomanyletters the name in "
            "Pulumi.yaml can have 0, and with the name careapp that of the stack 20 (`pulumi stack rename`)",
        ),
    ],
)
def test_a_stack_whose_name_cannot_name_resources_is_refused(configured, stack, says):
    assert problems(configured, stack=stack) == [says]


@pytest.mark.parametrize("stack", ["prod", "a2", "t" * 20])
def test_a_stack_whose_name_can_name_resources_is_accepted(configured, stack):
    assert configured(stack=stack).names.prefix == f"careapp-{stack}"


V6 = "and the load balancer has IPv4 addresses only, so no client comes from there; delete it"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (" ,", "it names no network, so no client could reach the page; 0.0.0.0/0 is everyone"),
        (
            "office",
            "'office' is neither an address, nor a range like 203.0.113.0/24, nor the ID of a prefix list",
        ),
        (
            "203.0.113.9/24",
            "203.0.113.9/24 is not the first address of its range; write 203.0.113.0/24, or 203.0.113.9 for that "
            "one alone",
        ),
        ("2001:db8::/32", f"2001:db8::/32 is IPv6, {V6}"),
        ("::/0", f"::/0 is IPv6, {V6}"),
        (
            "10.1.0.0/16",
            "10.1.0.0/16 is private, and the load balancer sees a client's public address; write that, which "
            "`curl https://checkip.amazonaws.com` shows there",
        ),
        ("pl-office", "'pl-office' is not the ID of a prefix list like pl-0123456789abcdef0"),
        ("203.0.113.7,203.0.113.7/32", "203.0.113.7/32 is there twice; delete one"),
        ("pl-01234567,pl-01234567", "pl-01234567 is there twice; delete one"),
        (
            "203.0.113.7,203.0.113.0/24",
            "203.0.113.7/32 is a part of 203.0.113.0/24, which allows it already; delete one of them",
        ),
        (
            "0.0.0.0/0,pl-01234567",
            "0.0.0.0/0 is everyone, so the other entries have no effect; delete it, or them",
        ),
    ],
)
def test_a_client_that_no_rule_can_let_in_or_that_is_in_already_is_refused(configured, text, why):
    assert problems(configured, allowedCidrs=text) == [f"allowedCidrs: {why}"]


def test_clients_are_addresses_ranges_and_prefix_lists(configured):
    found = configured(allowedCidrs="203.0.113.7, 198.51.100.0/24 ,pl-01234567").allowed
    assert str(found) == "203.0.113.7/32, 198.51.100.0/24, pl-01234567"
    assert (found.everyone, configured().allowed.everyone) == (False, True)
    assert [found.has(each) for each in ("198.51.100.9", "203.0.113.7", "203.0.113.8")] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("name", "most", "counts"),
    [
        ("com.amazonaws.global.cloudfront.origin-facing", 0, 55),
        ("com.amazonaws.ap-northeast-1.s3", 0, 1),
        ("office", 20, 20),
    ],
)
def test_a_prefix_list_counts_for_its_weight(name, most, counts):
    assert weight(name, most) == counts
