"""What is gathered from AWS, against an account in memory, and the rights that it takes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from pathlib import Path
from unittest.mock import Mock

import boto3
import pytest
from botocore.client import BaseClient

from stack.settings import Settings
from tests.support.delivery import Delivery, arn, iam
from tests.support.iam_policies import Call, allowed, calls_of
from tools.aws.errors import AwsProblem
from tools.doctor.diagnose import diagnose
from tools.i18n import t
from tools.snapshot import Inquiry, gather, overview, page, uploads
from tools.snapshot.cloudwatch import Measured, Minute
from tools.snapshot.elb import Listener, Rule
from tools.snapshot.records import Part
from tools.snapshot.remains import remains
from tools.snapshot.uploads import Bucket
from tools.snapshot.vpc import network
from tools.tests.conftest import NAMES, client
from tools.tests.stacks import EVERY
from tools.watch.status import lines as status_lines


@pytest.fixture
def now(folder, stack):
    return gather(Inquiry(Settings.read("poc", folder), stack.session))


def test_the_service_is_what_was_declared(now, stack):
    found = now.service.value
    assert (found.status, found.desired, found.port) == ("ACTIVE", 1, 3000)
    assert (found.subnets, found.groups) == ((stack.private_a, stack.private_c), (stack.app,))
    assert (found.primary.definition, now.wanted) == (stack.definition, stack.definition)


def test_the_balancer_comes_with_its_listeners_and_rules(now, stack):
    [listener] = now.balancer.value.listeners
    assert all(each.arn for each in listener.rules)
    bare = tuple(replace(each, arn="") for each in listener.rules)
    ours = Rule(priority="100", action="forward", groups=(stack.group,), conditions=(EVERY,))
    rules = (ours, Rule(priority="default", action="fixed-response"))
    assert replace(listener, rules=bare) == Listener(
        arn=stack.listener, port=80, protocol="HTTP", rules=rules
    )
    assert now.group.value.check.path == "/health"


def test_a_bucket_is_read_with_its_region_and_a_missing_one_is_told_from_a_refused_one(
    stack, session, monkeypatch
):
    elsewhere, place = (boto3.client("s3", "eu-west-1"), {"LocationConstraint": "eu-west-1"})
    elsewhere.create_bucket(Bucket="elsewhere", CreateBucketConfiguration=place)
    assert uploads.bucket(session, "elsewhere") == Bucket(name="elsewhere", region="eu-west-1")
    assert uploads.bucket(session, "careapp-poc-none") == Bucket(name="careapp-poc-none")
    refusal = AwsProblem("refused", t("no"), t("ask"), code="403")
    monkeypatch.setattr(session, "call", Mock(side_effect=refusal))
    with pytest.raises(AwsProblem, match="no"):
        uploads.bucket(session, "another-account-s")


def test_a_gateway_endpoint_is_no_route_to_the_internet(stack, session):
    """Its route has a prefix list in place of a range."""
    made = {"VpcId": stack.vpc, "ServiceName": f"com.amazonaws.{session.region}.s3"}
    tables = {"RouteTableIds": [stack.private_table]}
    ec2 = client("ec2")
    before = network(session, stack.vpc)
    endpoint = ec2.create_vpc_endpoint(**made, **tables, VpcEndpointType="Gateway")["VpcEndpoint"]
    try:
        asked = ec2.describe_route_tables(**tables)["RouteTables"][0]["Routes"]
        assert [each["GatewayId"] for each in asked if each.get("DestinationPrefixListId")]
        assert network(session, stack.vpc) == before
    finally:
        ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint["VpcEndpointId"]])


@pytest.mark.usefixtures("folder")
def test_the_page_is_asked_for_only_where_a_task_can_answer(stack, monkeypatch):
    monkeypatch.setattr(page, "page", lambda *asked, before: (*asked, before))
    settings = Settings.read("poc", Path())
    assert gather(Inquiry(settings, stack.session)).page == Part()
    target = [{"Id": "10.0.1.4", "Port": 3000}]
    client("elbv2").register_targets(TargetGroupArn=stack.group, Targets=target)
    try:
        asked = gather(Inquiry(settings, stack.session, url="http://page", page_before="before"))
        assert [each.state for each in asked.targets.value] == ["healthy"]
        assert asked.page == Part((asked.balancer.value, settings, "http://page", "before"))
        before = Part("before")
        assert gather(Inquiry(settings, stack.session, page=before)).page is before
    finally:
        client("elbv2").deregister_targets(TargetGroupArn=stack.group, Targets=target)


def test_each_subnet_has_the_routes_that_hold_for_it(now, stack):
    subnets = now.network.value.subnets
    ways = {
        name: [(str(each.destination), each.kind, each.target) for each in subnets[id_].routes]
        for name, id_ in (("public", stack.public_a), ("private", stack.private_c),
                          ("database", stack.database_a))
    }  # fmt: skip
    local = ("10.0.0.0/16", "local", "local")
    assert ways == {
        "public": [local, ("0.0.0.0/0", "igw", stack.gateway)],
        "private": [local, ("0.0.0.0/0", "nat", stack.nat)],
        "database": [local],
    }
    assert subnets[stack.public_a].network == IPv4Network("10.0.0.0/24")
    assert subnets[stack.public_a].name == "careapp-poc-public-1"
    assert now.network.value.nats[stack.nat].state == "available"


def test_the_vpcs_dns_is_read(stack):
    vpc = {"VpcId": stack.vpc}
    for on in (False, True):
        client("ec2").modify_vpc_attribute(**vpc, EnableDnsSupport={"Value": on})
        assert network(stack.session, stack.vpc).dns is on


def test_roles_image_secret_log_and_database_are_there(now, stack):
    assert now.execution.value.policies == (stack.policy,)
    assert (now.image.value.present, now.image.value.platforms) == (True, ("linux/amd64",))
    assert now.secrets.value[stack.secret].keys is None
    assert now.logs.value.exists is True
    found = now.database.value
    assert (found.status, found.port) == ("available", 5432)
    assert (found.groups, found.subnets) == ((stack.db,), (stack.database_a, stack.database_c))


def test_only_fargate_s_quota_is_unknown_to_an_account_in_memory(now):
    assert {name: each.kind for name, each in now.problems().items()} == {"quota": "refused"}


@pytest.mark.usefixtures("folder", "stack")
def test_each_part_is_asked_for_once_and_the_status_asks_only_for_what_it_shows(session, calls):
    settings = Settings.read("poc", Path())
    gather(Inquiry(settings, session))
    assert [each for each in calls if calls.count(each) > 1] == []
    assert calls.of("describe_secret")
    assert calls.of("get_secret_value") == [], "no secret's value is ever asked for"
    everything, shown = len(calls), overview(settings, session)
    assert sorted(operation for operation, _ in calls[everything:]) == [
        *("describe_alarms", "describe_db_instances", "describe_listeners"),
        *("describe_load_balancers", "describe_services", "describe_target_groups"),
        *("describe_target_health", "list_services", "list_tasks", "list_tasks"),
    ]
    assert shown.wanted == shown.service.value.primary.definition


def test_each_worker_of_the_settings_is_read_like_the_service(folder, stack, session, calls):
    name, ecs = NAMES.worker("mail"), client("ecs")
    container = {"name": "app", "image": "x", "memory": 512}
    ecs.register_task_definition(family=name, containerDefinitions=[container])
    ecs.create_service(cluster=NAMES.cluster, serviceName=name, taskDefinition=name, desiredCount=2)
    with (folder / "Pulumi.poc.yaml").open("a") as file:
        file.write("  careapp:workers:\n    mail: {command: sleep 1}\n")
    settings = Settings.read("poc", Path())
    for now in (gather(Inquiry(settings, session)), overview(settings, session)):
        [mail] = now.workers.values()
        assert (mail.names.service, mail.service.value.desired) == (name, 2)
        assert mail.wanted == mail.service.value.primary.definition
        parts = (now.network, now.execution, Part())
        assert (mail.network, mail.execution, mail.targets) == parts
    # The stack file has it no more, and it runs until the next `pulumi up`.
    for wrong in (False, True):
        left = overview(replace(settings, workers=(), guessed=wrong), session)
        assert list(left.workers) == ["mail"]
        [line] = [each.text for each in status_lines(left) if "Worker mail" in each.text]
        assert line.endswith("; not in the stack file, so `pulumi up` deletes it") is not wrong
    asked = len(calls)
    assert gather(Inquiry(settings, session, workers={})).workers == {}
    assert not any(name in str(params) for _, params in calls[asked:])
    ecs.delete_service(cluster=NAMES.cluster, service=name, force=True)


def test_the_last_minutes_requests_and_the_newest_number_of_connections_are_read(folder, stack):
    newest = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=1)

    def put(namespace, name, value, minutes, **dimensions):
        named = [{"Name": key, "Value": each} for key, each in dimensions.items()]
        datum = {"MetricName": name, "Value": value, "Dimensions": named}
        datum["Timestamp"] = newest - timedelta(minutes=minutes)
        client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=[datum])

    balancer = {
        "LoadBalancer": stack.balancer.partition(":loadbalancer/")[2],
        "TargetGroup": stack.group.rpartition(":")[2],
    }
    for minutes, requests, failed in ((60, 9, 9), (2, 5, 0), (0, 4, 3)):
        put("AWS/ApplicationELB", "RequestCount", requests, minutes, **balancer)
        if failed:
            put("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", failed, minutes, **balancer)
    for minutes, count in ((1, 7), (0, 97)):
        put("AWS/RDS", "DatabaseConnections", count, minutes, DBInstanceIdentifier=NAMES.database)
    found = gather(Inquiry(Settings.read("poc", folder), stack.session)).measured.value
    assert found == Measured(
        minutes=(Minute(newest - timedelta(minutes=2), 5, 0), Minute(newest, 4, 3)), connections=97
    )


def test_the_deploy_role_lets_the_doctor_see_all_that_it_looks_at(stack, folder, monkeypatch):
    asked, original = [], BaseClient._make_api_call
    role = iam("role/careapp-delivery-poc")

    def recorded(client, operation, params):
        asked.extend(calls_of(client.meta.service_model.service_name, operation, params, role))
        return original(client, operation, params)

    monkeypatch.setattr(BaseClient, "_make_api_call", recorded)
    diagnose(Inquiry(Settings.read("poc", folder), stack.session))
    remains(stack.session, Settings.read("poc", folder))
    # This stack has no certificate, no bucket, and no log that is longer than what is read of it.
    bucket = {"Bucket": "careapp-poc-uploads-1a2b3c4"}
    asked += calls_of("s3", "HeadBucket", bucket, role)
    group = arn("logs", f"log-group:{NAMES.log_group}")
    asked += [
        Call("acm:DescribeCertificate", arn("acm", "certificate/1")),
        Call("logs:FilterLogEvents", group),
    ]
    documents = Delivery.of("poc").deploy
    assert len({call.action for call in asked}) > 20
    # It may read no secret of the app: patterns alone mask those in the job's summary, which says so.
    refused = {call.action for call in asked if not allowed(documents, call)}
    assert refused == {"secretsmanager:GetSecretValue"}
