"""The program as a whole: what each stage declares, and what it tells."""

import json
import re
import runpy
from pathlib import Path

import grpc
import pulumi
import pytest

from tests.unit.conftest import ZONES
from tools.rollout import update

ROOT = Path(__file__).parents[2]


def named(components, resources):
    """Return types and names: of components that bear the stack's name, and of resources by what follows it."""
    found = {(f"careapp:infra:{each}", "careapp-poc") for each in components.split()}
    for kind, names in resources.items():
        found |= {(kind, f"careapp-poc-{each}".removesuffix("-.")) for each in names.split()}
    return found


STAGE_ONE = named(
    "AppImage Database LoadBalancer Monitoring Network Notices Protection",
    {
        "aws:cloudwatch/dashboard:Dashboard": ".",
        "aws:cloudwatch/metricAlarm:MetricAlarm": "database-connections database-cpu database-memory database-storage",
        "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": "default",
        "aws:ec2/securityGroup:SecurityGroup": "alb database",
        "aws:ecr/lifecyclePolicy:LifecyclePolicy": "app",
        "aws:ecr/repository:Repository": "app",
        "aws:kms/key:Key": "alarms",
        "aws:lb/listener:Listener": "http",
        "aws:lb/loadBalancer:LoadBalancer": "alb",
        "aws:lb/targetGroup:TargetGroup": "tg",
        "aws:rds/instance:Instance": "database",
        "aws:rds/parameterGroup:ParameterGroup": "database",
        "aws:rds/subnetGroup:SubnetGroup": "database",
        "aws:sns/topic:Topic": "alarms",
        "aws:sns/topicPolicy:TopicPolicy": "alarms",
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": "internet-to-alb-80",
        "awsx:ec2:Vpc": ".",
        "docker:index/image:Image": "app",
    },
)
STAGE_TWO = named(
    "Service ServiceMonitoring Task TaskAccess TaskRoles",
    {
        "aws:cloudwatch/eventRule:EventRule": "rollout-failed",
        "aws:cloudwatch/eventTarget:EventTarget": "rollout-failed",
        "aws:cloudwatch/logGroup:LogGroup": "app",
        "aws:cloudwatch/metricAlarm:MetricAlarm": (
            "app-errors deployment-errors deployment-latency page-errors page-latency "
            "service-cpu service-memory service-running targets-unhealthy"
        ),
        "aws:ec2/securityGroup:SecurityGroup": "app",
        "aws:ecs/cluster:Cluster": "cluster",
        "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders": "cluster",
        "aws:ecs/service:Service": "service",
        "aws:ecs/taskDefinition:TaskDefinition": "app",
        "aws:iam/role:Role": "execution task",
        "aws:iam/rolePolicy:RolePolicy": "execution task",
        "aws:lb/listenerRule:ListenerRule": "app",
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": (
            "alb-to-app-3000 app-to-database-5432 app-to-internet-443"
        ),
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": "app-from-alb-3000 database-from-app-5432",
    },
)
WITHOUT_TAGS = {
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:cloudwatch/dashboard:Dashboard",
    "aws:cloudwatch/eventTarget:EventTarget",
    "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders",
    "aws:ecr/lifecyclePolicy:LifecyclePolicy",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "aws:sns/topicPolicy:TopicPolicy",
    "docker:index/image:Image",
}
"""Types that have no tags at all."""


KEPT = {
    "vpcCidr": "10.0.0.0/16",
    "zones": ["ap-northeast-1a", "ap-northeast-1c"],
    "databaseStorageGb": 20,
}
STAGE_ONE_OUTPUTS = {
    "kept": KEPT,
    "stage": 1,
    "pageUrl": "http://careapp-poc-alb.example",
    "repositoryUrl": "123456789012.dkr.example/careapp/hello-ecs",
    "imageDigest": "123456789012.dkr.example/careapp/hello-ecs@sha256:0123",
    "databaseEndpoint": "careapp-poc.rds.example",
    "databaseSecretArn": (
        "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:rds!db-1-abcdef"
    ),
    "targetGroupArn": "arn:TargetGroup/careapp-poc-tg",
}


@pytest.fixture
def gates(monkeypatch):
    """The roll-outs that the program asks to be followed; none is."""
    asked = []

    def wait_for(self, service, balancer, workers, _rule):
        asked.append((service, balancer, self._settings, self._changes, workers))

    monkeypatch.setattr(update.Update, "wait_for", wait_for)
    return asked


@pytest.fixture
def program(engine, checkout, monkeypatch, gates):
    """Runs __main__ with a stack file's keys and gives what it exported."""
    assert (checkout / "webapp").is_dir()
    assert gates == []
    engine.lookups["aws:ssm/getParameter:getParameter"] = {"insecureValue": "ami-1"}

    def run(region="ap-northeast-1", **changes):
        outputs = {}
        monkeypatch.setattr(pulumi, "export", outputs.__setitem__)
        engine.configure({"aws:region": region}, **changes)
        engine.run(lambda: runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__"))
        return engine.known(pulumi.Output.all(**outputs))

    return run


def inputs(engine):
    return {(made.typ, made.name): made.inputs for made in engine.made}


def test_stage_one_is_everything_but_ecs(engine, program, gates):
    """It says where things are and no password, and has no roll-out to follow."""
    told = program(ecsEnabled="false")
    assert inputs(engine).keys() == STAGE_ONE
    assert told == STAGE_ONE_OUTPUTS
    assert gates == []


def test_stage_two_only_adds_and_follows_its_service_into_its_target_group(engine, program, gates):
    program(ecsEnabled="false")
    before = inputs(engine)
    engine.made.clear()
    told = program(ecsEnabled="true", rolloutTimeoutMinutes="40")
    after = inputs(engine)
    assert after.keys() == STAGE_ONE | STAGE_TWO
    assert {key: after[key] for key in before} == before
    assert told == {
        **STAGE_ONE_OUTPUTS,
        "kept": KEPT | {"protected": ["ecsEnabled"]},
        "stage": 2,
        "clusterName": "careapp-poc-cluster",
        "serviceName": "careapp-poc-service",
        "logGroupName": "/ecs/careapp-poc",
    }
    [(service, balancer, settings, changes, workers)] = gates
    assert workers == {}
    assert engine.known(service.urn).endswith("aws:ecs/service:Service::careapp-poc-service")
    assert engine.known(balancer.target_group_arn) == "arn:TargetGroup/careapp-poc-tg"
    assert engine.known(balancer.url) == told["pageUrl"]
    assert (settings.rollout_minutes, settings.health.notice) == (40, 40)
    assert settings.service.scaling.counts == {1}
    assert changes.last is None


ON = dict.fromkeys(
    ("trafficLogs", "databaseMonitoring", "databaseMultiAz", "uploadsEnabled"), "true"
)
ON |= {"databaseFinalSnapshot": "last", "bastionEnabled": "false"}
OFF = {"alarmsEnabled": "false", "bastionEnabled": "true"}
COME = named(
    "AccessLogs FlowLogs Notices ServiceMonitoring Uploads",
    {
        "aws:cloudwatch/dashboard:Dashboard": ".",
        "aws:cloudwatch/eventRule:EventRule": "rollout-failed",
        "aws:cloudwatch/eventTarget:EventTarget": "rollout-failed",
        "aws:cloudwatch/logGroup:LogGroup": "database-postgresql database-upgrade flow",
        "aws:cloudwatch/metricAlarm:MetricAlarm": (
            "app-errors database-connections database-cpu database-memory database-storage "
            "deployment-errors deployment-latency page-errors page-latency service-cpu "
            "service-memory service-running targets-unhealthy"
        ),
        "aws:ec2/flowLog:FlowLog": "flow",
        "aws:iam/role:Role": "database-monitoring flow",
        "aws:iam/rolePolicy:RolePolicy": "flow",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "database-monitoring",
        "aws:kms/key:Key": "alarms",
        **{
            f"aws:s3/bucket{each}": "access-logs uploads"
            for each in (
                ":Bucket",
                "LifecycleConfiguration:BucketLifecycleConfiguration",
                "Policy:BucketPolicy",
                "PublicAccessBlock:BucketPublicAccessBlock",
                "ServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
            )
        },
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls": "uploads",
        "aws:s3/bucketVersioning:BucketVersioning": "uploads",
        "aws:ec2/vpcEndpoint:VpcEndpoint": "s3",
        "aws:sns/topic:Topic": "alarms",
        "aws:sns/topicPolicy:TopicPolicy": "alarms",
    },
)
GO = named(
    "Bastion",
    {
        "aws:ec2/instance:Instance": "bastion",
        "aws:ec2/securityGroup:SecurityGroup": "bastion",
        "aws:iam/instanceProfile:InstanceProfile": "bastion",
        "aws:iam/role:Role": "bastion",
        "aws:iam/rolePolicy:RolePolicy": "bastion",
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": (
            "bastion-to-database-5432 bastion-to-internet-443"
        ),
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": "database-from-bastion-5432",
    },
)
CHANGE = named(
    "",
    {
        "aws:ecs/service:Service": "service",  # which names the alarms of its deployments
        "aws:ecs/taskDefinition:TaskDefinition": "app",  # which names the bucket
        "aws:iam/rolePolicy:RolePolicy": "task",
        "aws:lb/loadBalancer:LoadBalancer": "alb",
        "aws:rds/instance:Instance": "database",
    },
)


def test_precautions_and_alarms_come_and_the_bastion_goes_alone(engine, program):
    program(ecsEnabled="true", **OFF)
    before = inputs(engine)
    engine.made.clear()
    program(ecsEnabled="true", **ON)
    after = inputs(engine)
    assert after.keys() - before.keys() == COME
    assert before.keys() - after.keys() == GO
    assert {key for key in after if key in before and after[key] != before[key]} == CHANGE


def test_everything_on_adds_in_stage_two_what_belongs_there(engine, program):
    """Scaling to stage two, HTTPS to stage one."""
    on = {"domainName": "app.example.com", "hostedZoneId": "Z01", "maxCount": "4"}
    on |= {"scaleRequestsPerTarget": "500", "schedule": "mon-fri 08:00-20:00"}
    program(ecsEnabled="false", **on)
    before = inputs(engine).keys()
    program(ecsEnabled="true", **on)
    assert inputs(engine).keys() - before - STAGE_TWO == {
        ("careapp:infra:Scaling", "careapp-poc"),
        ("aws:appautoscaling/target:Target", "careapp-poc-service"),
        ("aws:appautoscaling/policy:Policy", "careapp-poc-cpu"),
        ("aws:appautoscaling/policy:Policy", "careapp-poc-requests"),
        ("aws:appautoscaling/scheduledAction:ScheduledAction", "careapp-poc-start"),
        ("aws:appautoscaling/scheduledAction:ScheduledAction", "careapp-poc-stop"),
    }


MAIL = {"mail": {"command": "celery -A app worker"}}
REPORT = {"report": {"command": "flask report", "schedule": "rate(1 day)"}}
WORKER = named(
    "",
    {
        "aws:ecs/service:Service": "worker-mail",
        "aws:ecs/taskDefinition:TaskDefinition": "worker-mail",
    },
)
JOB = named(
    "",
    {
        "aws:ecs/taskDefinition:TaskDefinition": "job-report",
        "aws:scheduler/schedule:Schedule": "job-report",
    },
)
WITH_THE_FIRST = named(
    "Workers Jobs",
    {
        "aws:iam/role:Role": "jobs",
        "aws:iam/rolePolicy:RolePolicy": "jobs",
        "aws:scheduler/scheduleGroup:ScheduleGroup": "jobs",
    },
)


def test_workers_and_jobs_belong_to_stage_two_and_each_comes_and_goes_alone(engine, program):
    """Adding and deleting: what the program declares with it and without it differs by just its own."""

    def declared(workers, jobs, **changes):
        engine.made.clear()
        program(workers=json.dumps(workers), jobs=json.dumps(jobs), **changes)
        return inputs(engine)

    assert declared(MAIL, REPORT, ecsEnabled="false").keys() == STAGE_ONE
    none, one = declared({}, {}, ecsEnabled="true"), declared(MAIL, REPORT, ecsEnabled="true")
    assert one.keys() - none.keys() >= WITH_THE_FIRST | WORKER | JOB
    assert {key: one[key] for key in none} == none
    two = declared(
        {**MAIL, "other": MAIL["mail"]}, {**REPORT, "other": REPORT["report"]}, ecsEnabled="true"
    )
    assert {(kind, name.rpartition("-")[2]) for kind, name in two.keys() - one.keys()} == {
        (kind, "other") for kind, _ in WORKER | JOB
    }
    assert {key: two[key] for key in one} == one


def test_a_task_keeps_an_idle_connection_longer_than_the_load_balancer(engine, program):
    """The other way round ELB answers a request with 502 now and then."""
    program(ecsEnabled="true")
    [container] = json.loads(
        engine.inputs("aws:ecs/taskDefinition:TaskDefinition")["careapp-poc-app"][
            "containerDefinitions"
        ]
    )
    variables = {each["name"]: each["value"] for each in container["environment"]}
    idle = engine.inputs("aws:lb/loadBalancer:LoadBalancer")["careapp-poc-alb"]["idleTimeout"]
    assert int(variables["KEEP_ALIVE_SECONDS"]) > idle


@pytest.mark.parametrize(("count", "warned"), [("6", 0), ("7", 1)])
def test_settings_near_a_limit_are_warned_of(program, monkeypatch, count, warned):
    said = []
    monkeypatch.setattr("pulumi.log.warn", said.append)
    program(desiredCount=count)
    assert len([each for each in said if each.startswith(f"desiredCount {count}: ")]) == warned


def test_logs_are_added_and_nothing_else_is_changed_but_who_writes_them(engine, program):
    program()
    before = inputs(engine)
    engine.made.clear()
    program(trafficLogs="true")
    after = inputs(engine)
    changed = {key for key in before if after[key] != before[key]}
    assert changed == {("aws:lb/loadBalancer:LoadBalancer", "careapp-poc-alb")}
    assert {name for kind, name in after.keys() - before.keys() if "careapp:infra" not in kind} == {
        "careapp-poc-flow",
        "careapp-poc-access-logs",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"vpcCidr": "10.1.0.0/16"},
        {"zones": "ap-northeast-1c,ap-northeast-1a"},
        {"zones": "ap-northeast-1a,ap-northeast-1d"},
        {"databaseStorageGb": "20"},
    ],
)
def test_what_the_last_update_had_and_aws_cannot_change_is_refused(engine, program, change):
    had = KEPT | ({"databaseStorageGb": 100} if "databaseStorageGb" in change else {})
    engine.lookups["pulumi:pulumi:readStackOutputs"] = {"outputs": {"kept": had}}
    [(key, value)] = change.items()
    with pytest.raises(pulumi.RunError, match=f"^{key}: {value} is refused: this stack has"):
        program(**change)
    assert inputs(engine) == {}


@pytest.mark.parametrize(
    "change", [{}, {"databaseStorageGb": "30"}, {"zoneCount": "3"}, {"natStrategy": "none"}]
)
def test_what_may_change_is_no_move(engine, program, change):
    engine.lookups["pulumi:pulumi:readStackOutputs"] = {"outputs": {"kept": KEPT}}
    told = program(**change)["kept"]
    assert told["databaseStorageGb"] == int(change.get("databaseStorageGb", 20))
    assert len(told["zones"]) == int(change.get("zoneCount", 2))


def test_a_new_stack_gets_the_first_zones_of_its_account_which_differ_between_accounts(
    engine, program
):
    engine.lookups[ZONES] = {"names": ["us-east-1f", "us-east-1b", "us-east-1d"]}
    assert program(region="us-east-1")["kept"]["zones"] == ["us-east-1b", "us-east-1d"]
    assert engine.inputs("awsx:ec2:Vpc")["careapp-poc"]["availabilityZoneNames"] == [
        "us-east-1b",
        "us-east-1d",
    ]


def test_a_zone_that_aws_adds_or_closes_moves_no_subnet(engine, program):
    """A stack has its zones until it is destroyed; only a third one is asked for."""
    had = {"zones": ["ap-northeast-1b", "ap-northeast-1c"]}
    engine.lookups["pulumi:pulumi:readStackOutputs"] = {"outputs": {"kept": KEPT | had}}
    assert program(zoneCount="3")["kept"]["zones"] == [*had["zones"], "ap-northeast-1a"]
    del engine.lookups[ZONES]
    assert program()["kept"]["zones"] == had["zones"]
    assert program(zones=",".join(had["zones"]))["kept"]["zones"] == had["zones"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"zones": "ap-northeast-1a,ap-northeast-1b"},
            "zones: the account has no availability zone ap-northeast-1b in ap-northeast-1; it has "
            "ap-northeast-1a, ap-northeast-1c, ap-northeast-1d. Nothing was changed.",
        ),
        (
            {"region": "us-west-1", "zoneCount": "3"},
            "zoneCount: the account has 2 availability zones in us-west-1 (us-west-1a, us-west-1c), and "
            "zoneCount is 3; set a smaller number, or another aws:region. Nothing was changed.",
        ),
    ],
)
def test_zones_that_the_account_does_not_have_are_refused(engine, program, change, words):
    if "region" in change:
        engine.lookups[ZONES] = {"names": ["us-west-1c", "us-west-1a"]}
    with pytest.raises(pulumi.RunError) as refused:
        program(**change)
    assert str(refused.value) == words
    assert inputs(engine) == {}


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
    ("settings", "found", "rules"),
    [
        ({"allowedCidrs": addresses(61)}, None, (61, "80")),
        ({"allowedCidrs": addresses(31), **HTTPS}, None, (62, "80, 443")),
        ({"allowedCidrs": "pl-01234567", **HTTPS}, clients(), (110, "80, 443")),
        ({"allowedCidrs": "pl-01234567,203.0.113.7"}, clients(60), (61, "80")),
    ],
)
def test_rules_beyond_the_account_s_quota_are_refused_before_anything_is_made(
    engine, program, settings, found, rules
):
    count, ports = rules
    engine.lookups |= {QUOTA: {"value": 60.0}, LIST: found}
    with pytest.raises(pulumi.RunError) as refused:
        program(**settings)
    words = str(refused.value)
    assert words.startswith(
        f"allowedCidrs needs {count} inbound rules of the load balancer's security group"
    )
    assert f"each of the ports {ports}, a prefix" in words
    assert words.endswith(f"--service-code vpc --quota-code L-0EA8095F --desired-value {count}")
    assert inputs(engine) == {}
    engine.lookups[QUOTA] = {"value": float(count)}
    program(**settings)


def test_a_quota_that_may_not_be_read_is_said_and_ec2_decides(engine, program, monkeypatch):
    def call(args, asked=engine.call):
        if args.token == QUOTA:
            raise NotFound
        return asked(args)

    said = []
    monkeypatch.setattr(engine, "call", call)
    monkeypatch.setattr(pulumi.log, "warn", lambda text, *_: said.append(text))
    program(allowedCidrs=addresses(61))
    [words] = [each for each in said if "allowedCidrs" in each]
    assert words.startswith(
        "allowedCidrs needs 61 inbound rules, and the quota of a security group"
    )


def test_the_quota_is_not_asked_for_where_the_usual_one_is_enough(engine, program):
    engine.lookups[LIST] = clients()
    program(allowedCidrs=f"pl-01234567,{addresses(5)}")
    program(allowedCidrs=addresses(30), **HTTPS)


class NotFound(grpc.RpcError):
    """The provider's answer, as the engine passes it on."""

    def code(self):
        return grpc.StatusCode.UNKNOWN

    def details(self):
        return "no matching EC2 Managed Prefix List found"


def test_a_prefix_list_that_no_rule_can_use_is_refused(engine, program, monkeypatch):
    begin = "^allowedCidrs: the prefix list pl-01234567"
    engine.lookups[LIST] = clients(5, "IPv6")
    with pytest.raises(pulumi.RunError, match=f"{begin} has IPv6 ranges, and the load balancer"):
        program(allowedCidrs="pl-01234567")

    def call(args, asked=engine.call):
        if args.token == LIST:
            raise NotFound
        return asked(args)

    monkeypatch.setattr(engine, "call", call)
    with pytest.raises(pulumi.RunError, match=f"{begin} cannot be read: .*no matching EC2 Managed"):
        program(allowedCidrs="pl-01234567")
    assert inputs(engine) == {}


def test_a_stack_does_not_move_to_another_region(engine, program):
    engine.lookups["pulumi:pulumi:readStackOutputs"] = {"outputs": {"kept": KEPT}}
    with pytest.raises(pulumi.RunError, match=r"^aws:region: eu-central-1 is refused"):
        program(region="eu-central-1")
    assert inputs(engine) == {}


def test_a_third_zone_is_given_up_again(engine, program):
    three = {"zones": [*KEPT["zones"], "ap-northeast-1d"]}
    engine.lookups["pulumi:pulumi:readStackOutputs"] = {"outputs": {"kept": KEPT | three}}
    assert program()["kept"] == KEPT


def test_the_bastion_is_apart_from_both_stages_and_its_id_is_told(engine, program):
    told = program(bastionEnabled="true")
    assert told["bastionInstanceId"] == "Instance/careapp-poc-bastion"
    added = inputs(engine).keys() - STAGE_ONE
    assert {name for _, name in added} == {
        "careapp-poc",
        "careapp-poc-bastion",
        "careapp-poc-bastion-to-database-5432",
        "careapp-poc-bastion-to-internet-443",
        "careapp-poc-database-from-bastion-5432",
    }


def test_everything_that_can_carries_the_stack_s_tags(engine, program):
    program(ecsEnabled="true", trafficLogs="true", bastionEnabled="true")
    tags = {"project": "careapp", "stack": "poc", "managed-by": "pulumi"}
    bare = [
        (made.typ, made.name)
        for made in engine.made
        if not made.typ.startswith("careapp:")
        and made.typ not in WITHOUT_TAGS
        and not tags.items() <= made.inputs.get("tags", {}).items()
    ]
    assert bare == []


def test_security_groups_are_described_in_the_letters_that_ec2_allows(engine, program):
    """Letters: botocore, CreateSecurityGroupRequest and IpRange; an apostrophe is refused."""
    program(ecsEnabled="true")
    described = {
        made.inputs["description"]
        for made in engine.made
        if "securityGroup" in made.typ[:30] and "description" in made.inputs
    }
    assert described
    allowed = r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}"
    assert [text for text in described if not re.fullmatch(allowed, text)] == []


def test_a_protected_stack_protects_what_is_of_value_and_lets_the_rest_change(engine, program):
    """The VPC and two zones' subnets, too, which awsx makes (test_infra_network). HTTPS can be turned off."""
    on = dict.fromkeys(("trafficLogs", "databaseMonitoring", "uploadsEnabled"), "true")
    on |= {"domainName": "app.example.com", "hostedZoneId": "Z01"}
    program(ecsEnabled="true", protect="true", **on)
    protected = {key for key, request in engine.monitor.requests.items() if request.protect}
    whole = {"careapp-poc-access-logs", "careapp-poc-uploads", "careapp-poc-flow", "careapp-poc-s3"}
    of_whole = {kind for kind, name in engine.monitor.requests if name in whole}
    assert of_whole - {kind for kind, name in protected if name in whole} == set()
    assert {(kind, name) for kind, name in protected if name not in whole} == {
        ("aws:rds/instance:Instance", "careapp-poc-database"),
        ("aws:ecr/repository:Repository", "careapp-poc-app"),
        ("aws:lb/loadBalancer:LoadBalancer", "careapp-poc-alb"),
        ("aws:ecs/service:Service", "careapp-poc-service"),
        ("aws:cloudwatch/logGroup:LogGroup", "careapp-poc-database-postgresql"),
        ("aws:cloudwatch/logGroup:LogGroup", "careapp-poc-database-upgrade"),
        *(
            (f"careapp:infra:{each}", "careapp-poc")
            for each in ("Protection", "Uploads", "AccessLogs", "FlowLogs")
        ),
    }


@pytest.mark.parametrize(
    "key", ["ecsEnabled", "databaseMonitoring", "uploadsEnabled", "trafficLogs"]
)
def test_what_was_protected_is_turned_off_only_after_the_protection(engine, program, key):
    on = program(protect="true", **{key: "true"})["kept"]
    assert on == KEPT | {"protected": [key]}
    engine.lookups["pulumi:pulumi:readStackOutputs"] = {"outputs": {"kept": on}}
    before = inputs(engine)
    with pytest.raises(pulumi.RunError, match=f"^{key}: false is refused: it would delete the "):
        program(protect="false", **{key: "false"})
    assert inputs(engine) == before
    assert program(protect="false", **{key: "true"})["kept"] == KEPT


def test_everything_stands_behind_the_protection(engine, program):
    """Pulumi deletes what is not protected, even when it refuses the rest, unless something depends on it."""
    program(
        **{"ecsEnabled": "true", "protect": "true", "bastionEnabled": "true"},
        **{"trafficLogs": "true", "uploadsEnabled": "true"},
    )
    key = ("careapp:infra:Protection", "careapp-poc")
    urns = engine.monitor.requests[key].dependencies
    behind = {tuple(urn.split("$")[-1].split("::")[-2:]) for urn in urns}
    assert {part for part in inputs(engine) if "careapp:" not in part[0]} - behind == set()


def test_an_unprotected_stack_protects_nothing(engine, program):
    program(ecsEnabled="true", protect="false")
    assert [key for key, request in engine.monitor.requests.items() if request.protect] == []


def test_with_settings_that_cannot_be_used_nothing_is_declared(engine, program):
    with pytest.raises(pulumi.RunError, match="zoneCount: 9 is outside 2 to 3"):
        program(zoneCount="9")
    assert inputs(engine) == {}


LONGEST = 75


def test_the_program_reads_like_the_diagram():
    lines = len((ROOT / "__main__.py").read_text().splitlines())
    assert lines <= LONGEST, (
        f"__main__.py has {lines} lines. It is to read like the architecture's diagram, settings, components, outputs, "
        f"in at most {LONGEST} (LONGEST in {__file__}): put the rest into a component in infra/"
    )


@pytest.fixture
def roles(program, engine):
    """The inputs of every role that the program can make, with what the test sets besides."""

    def roles(**changes):
        program(
            **{"ecsEnabled": "true", "bastionEnabled": "true", "trafficLogs": "true"},
            **{"databaseMonitoring": "true", **changes},
        )
        return engine.inputs("aws:iam/role:Role").values()

    return roles


def test_no_role_is_held_up_by_a_policy_that_somebody_has_added_by_hand(roles):
    assert {role.get("forceDetachPolicies") for role in roles()} == {True}


def test_a_boundary_holds_every_role_of_both_stages(roles):
    arn = "arn:aws:iam::123456789012:policy/careapp-delivery-boundary"
    bounded = roles(permissionsBoundary="careapp-delivery-boundary")
    assert {role.get("permissionsBoundary") for role in bounded} == {arn}
