"""AWS's own rules that moto lacks: each refuses what AWS refuses, in AWS's words."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from botocore.exceptions import ClientError

from stack import statements
from tools.local_cloud.aws import quotas
from tools.local_cloud.providers import lifecycle
from tools.local_cloud.providers.aws import ec2
from tools.local_cloud.providers.aws.ec2 import NAT_GATEWAY
from tools.local_cloud.providers.aws.groups import GROUP
from tools.tests.local_cloud.providers.conftest import (
    counter,
    database,
    definition,
    refused,
    subnets_of,
)


@pytest.fixture
def group(calls, vpc):
    params = {"Name": f"g{next(counter)}", "Port": 80, "Protocol": "HTTP", "VpcId": vpc}
    params |= {"TargetType": "ip", "HealthCheckIntervalSeconds": 10}
    params |= {"HealthCheckTimeoutSeconds": 5}
    answer = calls("elbv2", "create_target_group", params)
    return answer["TargetGroups"][0]["TargetGroupArn"]


def forward(group):
    return [{"Type": "forward", "TargetGroupArn": group}]


PAIR = "No Fargate configuration exists for given values."


@pytest.mark.parametrize(
    ("service", "operation", "params", "code", "words"),
    [
        *(
            ("ecs", "register_task_definition", definition(cpu=cpu, memory=memory), "", PAIR)
            for cpu, memory in (("256", "4096"), ("300", "512"), ("1024", "1024"))
        ),
        (
            *("ecs", "register_task_definition", definition(networkMode="bridge")),
            *("", "only supports network mode"),
        ),
        (
            *("rds", "create_db_instance", database("twice", MasterUserPassword="long-enough-1")),
            *("InvalidParameterCombination", ""),
        ),
        (
            *("rds", "create_db_instance", database("small", AllocatedStorage=5)),
            *("", "Invalid storage size"),
        ),
        (
            *("ecs", "list_services_by_namespace", {"namespace": "x"}),
            *("UnsupportedOperation", "does not implement ecs:ListServicesByNamespace"),
        ),
    ],
)
def test_what_aws_refuses_is_refused_in_its_words(calls, service, operation, params, code, words):
    error = refused(calls, service, operation, params)
    assert code in error["Code"]
    assert words in error["Message"]


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


@pytest.mark.usefixtures("balancer")
def test_a_subnet_with_a_balancer_in_it_stays(calls, subnets):
    error = refused(calls, "ec2", "delete_subnet", {"SubnetId": subnets[0]})
    assert error["Code"] == "DependencyViolation"


@pytest.mark.parametrize(
    ("operation", "more"),
    [
        ("create_security_group", {"GroupName": "theirs", "Description": "theirs"}),
        ("create_network_acl", {}),
        ("create_route_table", {}),
        ("create_vpc_endpoint", {"ServiceName": "com.amazonaws.ap-northeast-1.s3"}),
    ],
)
def test_a_vpc_with_something_in_it_stays(calls, operation, more):
    """EC2 API reference, DeleteVpc."""
    made = calls("ec2", "create_vpc", {"CidrBlock": "10.9.0.0/16"})["Vpc"]
    vpc = {"VpcId": made["VpcId"]}
    calls("ec2", operation, vpc | more)
    error = refused(calls, "ec2", "delete_vpc", vpc)
    assert error["Code"] == "DependencyViolation"
    assert "has dependencies and cannot be deleted" in error["Message"]


def test_a_vpc_with_an_internet_gateway_stays_and_goes_without(calls):
    vpc = {"VpcId": calls("ec2", "create_vpc", {"CidrBlock": "10.9.0.0/16"})["Vpc"]["VpcId"]}
    made = calls("ec2", "create_internet_gateway", {})["InternetGateway"]
    attached = {"InternetGatewayId": made["InternetGatewayId"], **vpc}
    calls("ec2", "attach_internet_gateway", attached)
    assert refused(calls, "ec2", "delete_vpc", vpc)["Code"] == "DependencyViolation"
    calls("ec2", "detach_internet_gateway", attached)
    calls("ec2", "delete_vpc", vpc)


def with_interface(calls, subnets, group):
    params = {"SubnetId": subnets[0], "Groups": [group]}
    card = calls("ec2", "create_network_interface", params)["NetworkInterface"]
    return "ec2", "delete_network_interface", {"NetworkInterfaceId": card["NetworkInterfaceId"]}


def with_balancer(calls, subnets, group):
    params = {"Name": f"b{next(counter)}", "Subnets": subnets[:2], "SecurityGroups": [group]}
    [made] = calls("elbv2", "create_load_balancer", params)["LoadBalancers"]
    return "elbv2", "delete_load_balancer", {"LoadBalancerArn": made["LoadBalancerArn"]}


def with_database(calls, _, group):
    name = f"d{next(counter)}"
    calls("rds", "create_db_instance", database(name, VpcSecurityGroupIds=[group]))
    named = {"DBInstanceIdentifier": name, "SkipFinalSnapshot": True}
    return "rds", "delete_db_instance", named


@pytest.mark.parametrize("use", [with_interface, with_balancer, with_database])
def test_security_group_in_use_stays_and_the_provider_waits(calls, vpc, subnets, monkeypatch, use):
    """EC2 API reference, DeleteSecurityGroup: refused with DependencyViolation."""
    named = {"GroupName": f"g{next(counter)}", "Description": "used", "VpcId": vpc}
    group = calls("ec2", "create_security_group", named)["GroupId"]
    release = use(calls, subnets, group)
    monkeypatch.setattr(ec2, "DETACH_SECONDS", 0.3)
    with pytest.raises(ClientError, match=f"DependencyViolation.*{group} has a dependent object"):
        lifecycle.delete(calls, GROUP, group, {"name": named["GroupName"]})
    monkeypatch.setattr(ec2, "DETACH_SECONDS", 30.0)
    with ThreadPoolExecutor(1) as beside:
        deleting = beside.submit(lifecycle.delete, calls, GROUP, group, {"name": "used"})
        with pytest.raises(TimeoutError):
            deleting.result(0.2)
        calls(*release)
        deleting.result(30)


def test_a_subnet_with_an_interface_in_it_stays(calls, vpc):
    [subnet] = subnets_of(calls, vpc, "a")
    calls("ec2", "create_network_interface", {"SubnetId": subnet})
    error = refused(calls, "ec2", "delete_subnet", {"SubnetId": subnet})
    assert error["Code"] == "DependencyViolation"


def test_a_nat_gateway_takes_its_interface_with_it(calls, vpc):
    made = nat_gateway(calls, vpc)
    inside = {"Filters": [{"Name": "vpc-id", "Values": [vpc]}]}
    assert len(calls("ec2", "describe_network_interfaces", inside)["NetworkInterfaces"]) == 1
    delete_nat_gateway(calls, made)
    assert calls("ec2", "describe_network_interfaces", inside)["NetworkInterfaces"] == []


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


@pytest.mark.parametrize(
    ("interface", "left"),
    [({}, 0), ({"DeleteOnTermination": True}, 0), ({"DeleteOnTermination": False}, 1)],
)
def test_an_interface_ends_with_its_instance(calls, vpc, interface, left):
    """EC2 user guide, "Delete a network interface": so it is by default for one that is created at launch."""
    [subnet] = subnets_of(calls, vpc, "a")
    params = {"ImageId": "ami-12c6146b", "MinCount": 1, "MaxCount": 1}
    networks = [{"DeviceIndex": 0, "SubnetId": subnet, **interface}]
    made = calls("ec2", "run_instances", {**params, "NetworkInterfaces": networks})
    inside = {"Filters": [{"Name": "subnet-id", "Values": [subnet]}]}
    assert len(calls("ec2", "describe_network_interfaces", inside)["NetworkInterfaces"]) == 1
    terminate(calls, made["Instances"][0]["InstanceId"])
    found = calls("ec2", "describe_network_interfaces", inside)["NetworkInterfaces"]
    assert len(found) == left


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


ON_DEMAND, SPOT = "L-3032A538", "L-36FBB829"


@pytest.fixture
def ask(calls):
    """Asks Service Quotas about Fargate, in a new account."""
    quotas.install()
    yield lambda operation, **params: calls(
        "service-quotas", operation, {"ServiceCode": "fargate", **params}
    )
    quotas.install()


def value(ask, code):
    return ask("get_service_quota", QuotaCode=code)["Quota"]["Value"]


def test_fargate_has_one_quota_on_demand_and_one_for_spot(ask):
    found = ask("list_service_quotas")["Quotas"]
    assert [(each["QuotaCode"], each["QuotaName"], each["Value"]) for each in found] == [
        (ON_DEMAND, "Fargate On-Demand vCPU resource count", 6.0),
        (SPOT, "Fargate Spot vCPU resource count", 6.0),
    ]
    assert found[0]["QuotaArn"].endswith(f":fargate/{ON_DEMAND}")


def test_what_is_asked_for_is_granted_and_the_default_stays(ask):
    answer = ask("request_service_quota_increase", QuotaCode=ON_DEMAND, DesiredValue=16.0)[
        "RequestedQuota"
    ]
    assert (answer["Status"], answer["DesiredValue"]) == ("APPROVED", 16.0)
    assert (value(ask, ON_DEMAND), value(ask, SPOT)) == (16.0, 6.0)
    default = ask("get_aws_default_service_quota", QuotaCode=ON_DEMAND)
    assert default["Quota"]["Value"] == 6.0


def test_no_more_than_there_is_is_no_increase(ask):
    with pytest.raises(ClientError, match="IllegalArgumentException"):
        ask("request_service_quota_increase", QuotaCode=SPOT, DesiredValue=6.0)
    assert value(ask, SPOT) == 6.0


def test_an_unknown_quota_is_told_and_the_vpc_s_are_still_there(ask, calls):
    with pytest.raises(ClientError, match="NoSuchResourceException"):
        value(ask, "L-00000000")
    found = calls("service-quotas", "list_service_quotas", {"ServiceCode": "vpc"})["Quotas"]
    assert len(found) > 10


@pytest.mark.parametrize("direction", ["ingress", "egress"])
@pytest.mark.parametrize(
    ("members", "peer"),
    [
        ("UserIdGroupPairs", {"GroupId": "another"}),
        ("IpRanges", {"CidrIp": "10.1.0.0/16"}),
        ("Ipv6Ranges", {"CidrIpv6": "2001:db8::/32"}),
    ],
)
def test_a_rule_that_the_group_has_is_refused_whatever_its_description(
    calls, vpc, direction, members, peer
):
    own, another = (
        calls("ec2", "create_security_group",
              {"GroupName": f"g{next(counter)}", "Description": "x", "VpcId": vpc})["GroupId"]
        for _ in range(2)
    )  # fmt: skip
    peer = {"GroupId": another} if "GroupId" in peer else peer
    operation = f"authorize_security_group_{direction}"

    def params(port, **more):
        rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, members: [{**peer, **more}]}
        return {"GroupId": own, "IpPermissions": [rule]}

    calls("ec2", operation, params(3000, Description="of the program"))
    for more in ({}, {"Description": "by hand"}):
        error = refused(calls, "ec2", operation, params(3000, **more))
        assert error["Code"] == "InvalidPermission.Duplicate"
    calls("ec2", operation, params(3001))


def test_a_service_that_moto_cannot_load_answers_with_an_error_of_aws(calls):
    """Without the packages of its extra, moto's server answers with an HTML page and 500."""
    params = {"StackName": "careapp-delivery-poc", "ChangeSetName": "one"}
    error = refused(calls, "cloudformation", "create_change_set", params)
    assert (error["Code"], error["Message"]) == (
        "UnsupportedOperation",
        "the rehearsal does not implement cloudformation:CreateChangeSet",
    )


def test_a_boundary_of_the_user_s_account_is_one_that_limits_nothing(calls):
    """A stack file with the boundary that CloudFormation made is rehearsed, too, and the doctor reads it."""
    trust = json.dumps(statements.trusted("ecs-tasks.amazonaws.com"))
    arn = f"arn:aws:iam::123456789012:policy/bound-{next(counter)}"
    role = {"RoleName": f"bounded-{next(counter)}", "AssumeRolePolicyDocument": trust}
    calls("iam", "create_role", {**role, "PermissionsBoundary": arn})
    version = calls("iam", "get_policy", {"PolicyArn": arn})["Policy"]["DefaultVersionId"]
    found = calls("iam", "get_policy_version", {"PolicyArn": arn, "VersionId": version})
    document = found["PolicyVersion"]["Document"]
    assert document == statements.policy(statements.allow("*", "*"))
