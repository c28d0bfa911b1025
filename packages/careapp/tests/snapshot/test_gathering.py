"""What is gathered from AWS, against an account in memory, and the rights that it takes."""

import json
import re
import sys
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from http.client import IncompleteRead
from pathlib import Path
from unittest.mock import Mock

import pytest
import yaml
from botocore.client import BaseClient

from careapp.additions.owner import inquiry_of, overview
from careapp.additions.parts.remains import remains
from careapp.additions.parts.uploads import Bucket, bucket
from careapp.additions.target import target_of
from careapp.settings.settings import Settings
from careapp.watch.status import lines as status_lines
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.diagnosis.reachability import has_gateway, private_endpoint
from ecs_gate.doctor import diagnose
from ecs_gate.parts import ecs, page
from ecs_gate.parts.cloudwatch import Measured, Minute
from ecs_gate.parts.gather import Snapshot, gather
from ecs_gate.parts.of_service import PARTS
from ecs_gate.parts.records import Part
from ecs_gate.parts.vpc import network
from ecs_gate.text import t
from tests import said
from tests import stacks as a
from tests.conftest import NAMES, client
from tests.support.delivery import Delivery, arn, iam
from tests.support.iam_policies import Call, allowed, calls_of

MADE_UP = re.compile(r"(?<=[/-])[0-9a-f]{12,}\b|db-[0-9A-Z]{20,}")
"""Ids that the account in memory draws anew each time, and the stack does not know."""


def plain(value):
    """A value for JSON; a time is that of now."""
    match value:
        case datetime():
            return "…"
        case frozenset():
            return sorted(value)
        case _ if is_dataclass(value):
            return {field.name: getattr(value, field.name) for field in fields(value)}
    return str(value)


def test_what_is_gathered_is_recorded(folder, stack):
    """Ids of the stack are written by their names; Fargate's quota is unknown to an account in memory."""
    now = gather(inquiry_of(Settings.read("poc", folder), stack.session))
    read = {part.name: now.of(part).value for part in PARTS}
    known = json.loads(json.dumps(read, default=plain))
    text = yaml.safe_dump(
        known, default_flow_style=None, sort_keys=False, allow_unicode=True, width=sys.maxsize
    )
    ids = {value: name for name, value in vars(stack).items() if isinstance(value, str)}
    for value in sorted(ids, key=len, reverse=True):
        text = text.replace(value, f"${ids[value]}")
    said.compare(Path(__file__).with_name("gathered.yaml"), MADE_UP.sub("…", text))
    assert {name: problem.kind for name, problem in now.problems().items()} == {"quota": "refused"}


def test_a_missing_bucket_is_told_from_a_refused_one(stack, session, monkeypatch):
    place = {"LocationConstraint": session.region}
    client("s3").create_bucket(Bucket="files", CreateBucketConfiguration=place)
    found = [bucket(session, name) for name in ("files", "careapp-poc-none")]
    assert found == [Bucket(name="files"), Bucket(name="careapp-poc-none", exists=False)]
    refusal = AwsProblem("refused", t("no"), t("ask"), code="403")
    monkeypatch.setattr(session, "call", Mock(side_effect=refusal))
    with pytest.raises(AwsProblem, match="no"):
        bucket(session, "another-account-s")


def test_a_gateway_endpoint_is_no_route_to_the_internet(stack, session):
    """Its route has a prefix list in place of a range."""
    made = {"VpcId": stack.vpc, "ServiceName": f"com.amazonaws.{session.region}.s3"}
    tables = {"RouteTableIds": [stack.private_table]}
    ec2 = client("ec2")
    before = network(session, stack.vpc)
    endpoint = ec2.create_vpc_endpoint(**made, **tables, VpcEndpointType="Gateway")["VpcEndpoint"]
    try:
        asked = ec2.describe_route_tables(**tables)["RouteTables"][0]["Routes"]
        assert [route["GatewayId"] for route in asked if route.get("DestinationPrefixListId")]
        now = network(session, stack.vpc)
        assert now == replace(before, endpoints=now.endpoints)
        assert has_gateway(now, [stack.private_a], "s3")
        assert not has_gateway(now, [stack.private_a, stack.public_a], "s3")
        assert private_endpoint(now, "s3") is None
    finally:
        ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint["VpcEndpointId"]])


def test_private_dns_leads_to_an_interface_endpoint_where_hosts_have_names(stack, session):
    ec2, chosen = client("ec2"), {"VpcId": stack.vpc}
    place = {"SubnetIds": [stack.private_a], "VpcEndpointType": "Interface"}
    named = {"ServiceName": f"com.amazonaws.{session.region}.ecr.api", "PrivateDnsEnabled": True}
    endpoint = ec2.create_vpc_endpoint(**chosen, **place, **named)["VpcEndpoint"]
    try:
        for value in (True, False):
            ec2.modify_vpc_attribute(**chosen, EnableDnsHostnames={"Value": value})
            now = network(session, stack.vpc)
            found = private_endpoint(now, "ecr.api")
            assert (found.subnets if found else None) == ((stack.private_a,) if value else None)
            assert private_endpoint(now, "ecr.dkr") is None
    finally:
        ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint["VpcEndpointId"]])


@pytest.mark.usefixtures("folder")
def test_the_page_is_asked_for_only_where_a_task_can_answer(stack, monkeypatch):
    monkeypatch.setattr(page, "page", lambda *asked, **how: (*asked, *how.values()))
    settings = Settings.read("poc", Path())
    assert gather(inquiry_of(settings, stack.session)).page == Part()
    target = [{"Id": "10.0.1.4", "Port": 3000}]
    client("elbv2").register_targets(TargetGroupArn=stack.group, Targets=target)
    try:
        inquiry = inquiry_of(settings, stack.session, url="http://page", page_before="before")
        inquiry = replace(inquiry, requests=10)
        asked = gather(inquiry)
        assert [each.state for each in asked.targets.value] == ["healthy"]
        visited = (asked.balancer.value, target_of(settings, "http://page"), 10, "before")
        # While ECS deploys, its alarms count each request, and /health/db may answer 500.
        assert (asked.service.value.primary.rollout, asked.page) == (
            "IN_PROGRESS",
            Part((*visited, False)),
        )
        completed = a.service(deployments=(a.deployment(rollout="COMPLETED"),))
        monkeypatch.setattr(ecs, "service", lambda *_: completed)
        assert gather(inquiry).page == Part((*visited, True))
        before = Part("before")
        assert gather(inquiry_of(settings, stack.session, page=before)).page == before
    finally:
        client("elbv2").deregister_targets(TargetGroupArn=stack.group, Targets=target)


@pytest.mark.usefixtures("folder", "stack")
def test_each_part_is_asked_for_once_and_the_status_asks_only_for_what_it_shows(session, calls):
    settings = Settings.read("poc", Path())
    gather(inquiry_of(settings, session))
    assert [call for call in calls if calls.count(call) > 1] == []
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
    for now in (gather(inquiry_of(settings, session)), overview(settings, session)):
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
    assert gather(inquiry_of(settings, session, workers={})).workers == {}
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
    found = gather(inquiry_of(Settings.read("poc", folder), stack.session)).measured.value
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
    diagnose(inquiry_of(Settings.read("poc", folder), stack.session))
    remains(stack.session, Settings.read("poc", folder))
    # This stack has no certificate, no bucket, and no log that is longer than what is read of it.
    uploads = {"Bucket": "careapp-poc-uploads-1a2b3c4"}
    asked += calls_of("s3", "HeadBucket", uploads, role)
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


@pytest.mark.parametrize(
    ("name", "wrong", "said"),
    [
        ("tasks", KeyError("x"), "careapp itself failed here (KeyError: 'x'; "),
        ("definitions", TypeError("no"), "careapp itself failed here (TypeError: no; "),
        ("quota", IncompleteRead(b""), "The answer did not come, or broke off (IncompleteRead: "),
    ],
)
def test_a_part_that_fails_is_one_part(stack, folder, monkeypatch, name, wrong, said):
    monkeypatch.setattr(getattr(Snapshot, name), "read", Mock(side_effect=wrong))
    diagnosis = diagnose(inquiry_of(Settings.read("poc", folder), stack.session))
    unread = {str(part.part): part.problem.as_text() for part in diagnosis.unread}
    assert unread[str(getattr(Snapshot, name).what)].startswith(said)
    assert str(Snapshot.database.what) in map(str, diagnosis.checked)
