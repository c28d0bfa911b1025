"""AWS's own rules that moto lacks: each refuses what AWS refuses, in AWS's words."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from botocore.exceptions import ClientError

from rehearsal.providers import lifecycle
from rehearsal.providers.aws import ec2
from rehearsal.providers.aws.ec2 import NAT_GATEWAY
from rehearsal.providers.aws.rds import INSTANCE

ZONES = ("ap-northeast-1a", "ap-northeast-1c")
counter = itertools.count(1)


@pytest.fixture
def closed_vpc(calls):
    """A VPC without an internet gateway."""
    made = calls("ec2", "create_vpc", {"CidrBlock": "10.20.0.0/16"})
    return made["Vpc"]["VpcId"]


@pytest.fixture
def vpc(closed_vpc, attach_internet_gateway):
    attach_internet_gateway(closed_vpc)
    return closed_vpc


@pytest.fixture
def subnets(calls, vpc):
    return subnets_of(calls, vpc)


def subnets_of(calls, vpc):
    return [
        calls(
            "ec2",
            "create_subnet",
            {"VpcId": vpc, "CidrBlock": f"10.20.{number}.0/24", "AvailabilityZone": zone},
        )["Subnet"]["SubnetId"]
        for number, zone in enumerate((*ZONES, ZONES[0]))
    ]


@pytest.fixture
def group(calls, vpc):
    params = {"Name": f"g{next(counter)}", "Port": 80, "Protocol": "HTTP", "VpcId": vpc}
    params |= {"TargetType": "ip", "HealthCheckIntervalSeconds": 10}
    params |= {"HealthCheckTimeoutSeconds": 5}
    answer = calls("elbv2", "create_target_group", params)
    return answer["TargetGroups"][0]["TargetGroupArn"]


@pytest.fixture
def balancer(calls, subnets):
    params = {"Name": f"b{next(counter)}", "Subnets": subnets[:2]}
    answer = calls("elbv2", "create_load_balancer", params)
    return answer["LoadBalancers"][0]["LoadBalancerArn"]


def forward(group):
    return [{"Type": "forward", "TargetGroupArn": group}]


def refused(calls, service, operation, params):
    with pytest.raises(ClientError) as problem:
        calls(service, operation, params)
    return problem.value.response["Error"]


def definition(**changes):
    return {
        "family": "app",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "containerDefinitions": [{"name": "app", "image": "app:1"}],
        **changes,
    }


@pytest.mark.parametrize(("cpu", "memory"), [("256", "4096"), ("300", "512"), ("1024", "1024")])
def test_fargate_sells_certain_pairs_only(calls, cpu, memory):
    params = definition(cpu=cpu, memory=memory)
    error = refused(calls, "ecs", "register_task_definition", params)
    assert error["Message"] == "No Fargate configuration exists for given values."


def test_fargate_wants_a_network_of_the_tasks_own(calls):
    error = refused(calls, "ecs", "register_task_definition", definition(networkMode="bridge"))
    assert "only supports network mode" in error["Message"]


def test_a_good_task_definition_is_taken(calls):
    made = calls("ecs", "register_task_definition", definition())
    assert made["taskDefinition"]["status"] == "ACTIVE"


def test_a_family_s_name_means_its_newest_active_revision(calls):
    made = [calls("ecs", "register_task_definition", definition(family="two")) for _ in range(2)]
    kept, gone = (each["taskDefinition"]["taskDefinitionArn"] for each in made)
    calls("ecs", "deregister_task_definition", {"taskDefinition": gone})
    found = calls("ecs", "describe_task_definition", {"taskDefinition": "two"})["taskDefinition"]
    assert found["taskDefinitionArn"] == kept
    calls("ecs", "deregister_task_definition", {"taskDefinition": kept})
    error = refused(calls, "ecs", "describe_task_definition", {"taskDefinition": "two"})
    assert error["Code"] == "ClientException"
    assert calls("ecs", "describe_task_definition", {"taskDefinition": gone})["taskDefinition"]


@pytest.fixture
def cluster(calls):
    calls("ecs", "register_task_definition", definition())
    return calls("ecs", "create_cluster", {"clusterName": f"c{next(counter)}"})["cluster"]


def service(cluster, subnets, **changes):
    return {
        "cluster": cluster["clusterName"],
        "serviceName": "app",
        "taskDefinition": "app",
        "desiredCount": 0,
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": subnets, "securityGroups": []}},
        **changes,
    }


def test_a_service_is_created_once(calls, cluster, subnets):
    calls("ecs", "create_service", service(cluster, subnets))
    error = refused(calls, "ecs", "create_service", service(cluster, subnets))
    assert error["Message"] == "Creation of service was not idempotent."


def test_a_service_needs_a_network(calls, cluster, subnets):
    params = service(cluster, subnets, networkConfiguration={})
    assert (
        "Network Configuration must be provided"
        in refused(calls, "ecs", "create_service", params)["Message"]
    )


def test_a_target_group_without_a_balancer_is_refused(calls, cluster, subnets, group):
    target = [{"targetGroupArn": group, "containerName": "app", "containerPort": 80}]
    error = refused(calls, "ecs", "create_service", service(cluster, subnets, loadBalancers=target))
    assert "does not have an associated load balancer" in error["Message"]


def test_a_cluster_with_a_service_stays(calls, cluster, subnets):
    calls("ecs", "create_service", service(cluster, subnets))
    name = {"cluster": cluster["clusterName"]}
    assert (
        refused(calls, "ecs", "delete_cluster", name)["Code"] == "ClusterContainsServicesException"
    )


def test_a_balancer_stands_in_two_zones(calls, subnets):
    params = {"Name": "narrow", "Subnets": [subnets[0], subnets[2]]}
    error = refused(calls, "elbv2", "create_load_balancer", params)
    assert "two different Availability Zones" in error["Message"]


def test_only_an_internal_balancer_does_without_an_internet_gateway(calls, closed_vpc):
    params = {"Name": "closed", "Subnets": subnets_of(calls, closed_vpc)[:2]}
    error = refused(calls, "elbv2", "create_load_balancer", params)
    assert error["Code"] == "InvalidSubnet"
    assert error["Message"].endswith(f"VPC {closed_vpc} has no internet gateway")
    calls("elbv2", "create_load_balancer", {**params, "Scheme": "internal"})


def nat_gateway(calls, vpc):
    address = calls("ec2", "allocate_address", {"Domain": "vpc"})["AllocationId"]
    inputs = {"subnetId": subnets_of(calls, vpc)[0], "allocationId": address}
    return lifecycle.create(calls, NAT_GATEWAY, inputs, Event())


def test_a_nat_gateway_without_an_internet_gateway_fails_and_says_why(calls, closed_vpc):
    with pytest.raises(lifecycle.Incomplete) as failed:
        nat_gateway(calls, closed_vpc)
    why = f"Gateway.NotAttached: Network {closed_vpc} has no Internet gateway attached"
    assert str(failed.value) == f"{failed.value.identity} is 'failed', not 'available': {why}"


def test_a_nat_gateway_is_available_where_an_internet_gateway_is(calls, vpc):
    nat_gateway(calls, vpc)


def test_a_balancers_name_is_short(calls, subnets):
    params = {"Name": "n" * 33, "Subnets": subnets[:2]}
    assert "longer than '32'" in refused(calls, "elbv2", "create_load_balancer", params)["Message"]


def test_a_port_has_one_listener_and_https_a_certificate(calls, balancer, group):
    params = {
        "LoadBalancerArn": balancer,
        "Port": 80,
        "Protocol": "HTTP",
        "DefaultActions": forward(group),
    }
    calls("elbv2", "create_listener", params)
    assert refused(calls, "elbv2", "create_listener", params)["Code"] == "DuplicateListener"
    params |= {"Port": 443, "Protocol": "HTTPS"}
    assert refused(calls, "elbv2", "create_listener", params)["Code"] == "CertificateNotFound"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"HealthCheckTimeoutSeconds": 10}, "must be smaller than the interval"),
        ({"HealthCheckIntervalSeconds": 5}, "must be smaller than the interval"),
        ({"HealthCheckPath": "health"}, "must start with '/'"),
    ],
)
def test_a_health_check_that_makes_no_sense_is_refused(calls, group, changes, says):
    params = {"TargetGroupArn": group, **changes}
    assert says in refused(calls, "elbv2", "modify_target_group", params)["Message"]


def test_a_target_group_in_use_stays(calls, balancer, group):
    params = {"LoadBalancerArn": balancer, "Port": 80, "Protocol": "HTTP"}
    calls("elbv2", "create_listener", {**params, "DefaultActions": forward(group)})
    error = refused(calls, "elbv2", "delete_target_group", {"TargetGroupArn": group})
    assert error["Code"] == "ResourceInUse"


def database(name, **changes):
    return {
        "DBInstanceIdentifier": name,
        "DBInstanceClass": "db.t4g.micro",
        "Engine": "postgres",
        "AllocatedStorage": 20,
        "MasterUsername": "postgres",
        "ManageMasterUserPassword": True,
        **changes,
    }


def test_a_managed_password_is_not_given_as_well(calls):
    params = database("twice", MasterUserPassword="long-enough-1")
    error = refused(calls, "rds", "create_db_instance", params)
    assert error["Code"] == "InvalidParameterCombination"


def test_a_database_has_room(calls):
    params = database("small", AllocatedStorage=5)
    assert "Invalid storage size" in refused(calls, "rds", "create_db_instance", params)["Message"]


def test_a_new_account_has_no_role_for_the_databases_subnet_group(calls, subnets, make_role):
    params = {"DBSubnetGroupName": "first", "DBSubnetGroupDescription": "d"}
    params |= {"SubnetIds": subnets[:2]}
    error = refused(calls, "rds", "create_db_subnet_group", params)
    assert error["Code"] == "InvalidParameterValue"
    assert error["Message"].startswith("Missing necessary credentials.")
    make_role()
    calls("rds", "create_db_subnet_group", params)


def test_a_databases_subnets_lie_in_two_zones_and_stay_while_it_is_there(calls, subnets, make_role):
    make_role()
    params = {"DBSubnetGroupName": "group", "DBSubnetGroupDescription": "d"}
    narrow = {**params, "SubnetIds": [subnets[0], subnets[2]]}
    error = refused(calls, "rds", "create_db_subnet_group", narrow)
    assert error["Code"] == "DBSubnetGroupDoesNotCoverEnoughAZs"
    calls("rds", "create_db_subnet_group", {**params, "SubnetIds": subnets[:2]})
    calls("rds", "create_db_instance", database("held", DBSubnetGroupName="group"))
    name = {"DBSubnetGroupName": "group"}
    assert "still using it" in refused(calls, "rds", "delete_db_subnet_group", name)["Message"]


def test_a_parameter_group_in_use_stays(calls):
    name = {"DBParameterGroupName": "params"}
    family = {"DBParameterGroupFamily": "postgres17", "Description": "d"}
    calls("rds", "create_db_parameter_group", {**name, **family})
    calls("rds", "create_db_instance", database("uses", **name))
    error = refused(calls, "rds", "delete_db_parameter_group", name)
    assert error["Code"] == "InvalidDBParameterGroupState"


def test_a_new_major_version_is_to_be_allowed_and_brings_parameters_of_its_family(calls):
    for family in ("postgres17", "postgres18"):
        group = {"DBParameterGroupName": family, "DBParameterGroupFamily": family}
        calls("rds", "create_db_parameter_group", {**group, "Description": "d"})
    old = database("grows", EngineVersion="17", DBParameterGroupName="postgres17")
    calls("rds", "create_db_instance", old)
    wanted = {"DBInstanceIdentifier": "grows", "EngineVersion": "18"}
    error = refused(calls, "rds", "modify_db_instance", wanted)
    assert "AllowMajorVersionUpgrade flag must be present" in error["Message"]
    wanted["AllowMajorVersionUpgrade"] = True
    error = refused(calls, "rds", "modify_db_instance", wanted)
    assert "Please use a Parameter Group with DBParameterGroupFamily postgres18" in error["Message"]
    wanted["DBParameterGroupName"] = "postgres18"
    made = calls("rds", "modify_db_instance", wanted)["DBInstance"]
    assert made["EngineVersion"] == "18"


def test_the_provider_allows_a_new_major_version_as_the_program_says(calls):
    inputs = {"identifier": "upgraded", "engine": "postgres", "engineVersion": "17"}
    inputs |= {"instanceClass": "db.t4g.micro", "allocatedStorage": 20, "username": "postgres"}
    inputs |= {"manageMasterUserPassword": True, "skipFinalSnapshot": True}
    allowed = {**inputs, "allowMajorVersionUpgrade": True}
    identity, _ = lifecycle.create(calls, INSTANCE, allowed, Event())
    with pytest.raises(ClientError, match="AllowMajorVersionUpgrade"):
        lifecycle.update(calls, INSTANCE, identity, inputs, {**inputs, "engineVersion": "18"})
    made = lifecycle.update(calls, INSTANCE, identity, allowed, {**allowed, "engineVersion": "18"})
    assert made["engineVersionActual"] == "18"


@pytest.mark.usefixtures("balancer")
def test_a_subnet_with_a_balancer_in_it_stays(calls, subnets):
    error = refused(calls, "ec2", "delete_subnet", {"SubnetId": subnets[0]})
    assert error["Code"] == "DependencyViolation"


def delete_nat_gateway(calls, made):
    calls("ec2", "delete_nat_gateway", {"NatGatewayId": made[0]})


def public_balancer(calls, vpc):
    params = {"Name": f"b{next(counter)}", "Subnets": subnets_of(calls, vpc)[:2]}
    answer = calls("elbv2", "create_load_balancer", params)
    return answer["LoadBalancers"][0]["LoadBalancerArn"]


def delete_balancer(calls, arn):
    calls("elbv2", "delete_load_balancer", {"LoadBalancerArn": arn})


def public_instance(calls, vpc):
    interface = {"DeviceIndex": 0, "SubnetId": subnets_of(calls, vpc)[0]}
    interface["AssociatePublicIpAddress"] = True
    params = {"ImageId": "ami-12c6146b", "MinCount": 1, "MaxCount": 1}
    made = calls("ec2", "run_instances", {**params, "NetworkInterfaces": [interface]})
    return made["Instances"][0]["InstanceId"]


def terminate(calls, instance):
    calls("ec2", "terminate_instances", {"InstanceIds": [instance]})


@pytest.mark.parametrize(
    ("make", "remove"),
    [
        (nat_gateway, delete_nat_gateway),
        (public_balancer, delete_balancer),
        (public_instance, terminate),
    ],
)
def test_an_internet_gateway_stays_while_a_public_address_is_mapped(calls, vpc, make, remove):
    found = calls("ec2", "describe_internet_gateways", {})["InternetGateways"]
    [gateway] = [each for each in found if vpc in str(each["Attachments"])]
    names = {"InternetGatewayId": gateway["InternetGatewayId"], "VpcId": vpc}
    made = make(calls, vpc)
    error = refused(calls, "ec2", "detach_internet_gateway", names)
    assert error["Code"] == "DependencyViolation"
    assert f"Network {vpc} has some mapped public address(es)" in error["Message"]
    remove(calls, made)
    calls("ec2", "detach_internet_gateway", names)


@pytest.mark.parametrize("freed", [True, False])
def test_the_provider_waits_for_mapped_addresses_before_it_gives_up(calls, vpc, monkeypatch, freed):
    monkeypatch.setattr(ec2, "DETACH_SECONDS", 30.0 if freed else 0.3)
    made = nat_gateway(calls, vpc)
    found = calls("ec2", "describe_internet_gateways", {})["InternetGateways"]
    [gateway] = [each["InternetGatewayId"] for each in found if vpc in str(each["Attachments"])]
    with ThreadPoolExecutor(1) as beside:
        deleting = beside.submit(lifecycle.delete, calls, ec2.INTERNET_GATEWAY, gateway, {})
        with pytest.raises(TimeoutError):
            deleting.result(0.2)
        if freed:
            delete_nat_gateway(calls, made)
            deleting.result(30)
        else:
            with pytest.raises(ClientError, match="has some mapped public address"):
                deleting.result(30)


def test_what_the_rehearsal_does_not_implement_is_said(calls):
    error = refused(calls, "ecs", "list_services_by_namespace", {"namespace": "x"})
    assert error["Code"] == "UnsupportedOperation"
    assert "does not implement ecs:ListServicesByNamespace" in error["Message"]
