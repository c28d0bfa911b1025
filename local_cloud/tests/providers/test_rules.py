"""AWS's own rules that moto lacks and that several calls show: what one resource lets be done to another."""

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import IPv4Address, IPv4Network

import pytest
from botocore.exceptions import ClientError

from local_cloud.aws import quotas
from local_cloud.providers import lifecycle
from local_cloud.providers.aws import ec2
from local_cloud.providers.aws.groups import GROUP
from local_cloud.tests.providers.conftest import (
    REGION,
    counter,
    database,
    definition,
    gateway_of,
    refused,
    subnets_of,
    unique,
    where,
)

IMAGE = {"ImageId": "ami-12c6146b", "MinCount": 1, "MaxCount": 1}
DEPENDS = "DependencyViolation"
MEDIA = "application/vnd.docker.distribution.manifest.v2+json"
LAYERS = [{"digest": "sha256:0"}]
MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": MEDIA, "config": {}, "layers": LAYERS})


@pytest.fixture
def group(aws, vpc):
    checks = {"HealthCheckIntervalSeconds": 10, "HealthCheckTimeoutSeconds": 5}
    port = {"Port": 80, "Protocol": "HTTP", "TargetType": "ip"}
    [made] = aws.elbv2.create_target_group(Name=unique("g"), VpcId=vpc, **port, **checks)
    return made["TargetGroupArn"]


def listen(balancer, group):
    action = {"Type": "forward", "TargetGroupArn": group}
    return {"LoadBalancerArn": balancer, "DefaultActions": [action]}


HTTP = {"Port": 80, "Protocol": "HTTP"}


def test_a_family_s_name_means_its_newest_active_revision(aws):
    describe = aws.ecs.describe_task_definition
    made = [aws.ecs.register_task_definition(**definition(family="two")) for _ in range(2)]
    kept, gone = (each["taskDefinitionArn"] for each in made)
    assert made[0]["status"] == "ACTIVE"
    aws.ecs.deregister_task_definition(taskDefinition=gone)
    assert describe(taskDefinition="two")["taskDefinitionArn"] == kept
    aws.ecs.deregister_task_definition(taskDefinition=kept)
    refused(describe, "ClientException", taskDefinition="two")
    assert describe(taskDefinition=gone)


def test_a_service_is_refused_without_what_it_needs(aws, subnets, group):
    """A network and a load balancer; its name is its cluster's only one, and the cluster stays while it is there."""
    aws.ecs.register_task_definition(**definition())
    cluster = aws.ecs.create_cluster(clusterName=unique("c"))["clusterName"]
    network = {"awsvpcConfiguration": {"subnets": subnets, "securityGroups": []}}
    service = {"cluster": cluster, "serviceName": "app", "taskDefinition": "app"}
    service |= {"desiredCount": 0, "networkConfiguration": network}
    target = {"targetGroupArn": group, "containerName": "app", "containerPort": 80}
    for changes, words in (
        ({"networkConfiguration": {}}, "Network Configuration must be provided"),
        ({"loadBalancers": [target]}, "does not have an associated load balancer"),
    ):
        code = "InvalidParameterException"
        refused(aws.ecs.create_service, code, words, **{**service, **changes})
    aws.ecs.create_service(**service)
    words = "Creation of service was not idempotent."
    refused(aws.ecs.create_service, "InvalidParameterException", words, **service)
    refused(aws.ecs.delete_cluster, "ClusterContainsServicesException", cluster=cluster)


def test_a_balancer_has_two_zones_and_a_short_name(aws, subnets):
    create = aws.elbv2.create_load_balancer
    narrow = {"Name": "narrow", "Subnets": [subnets[0], subnets[2]]}
    refused(create, "InvalidConfigurationRequest", "two different Availability Zones", **narrow)
    long = {"Name": "n" * 33, "Subnets": subnets[:2]}
    refused(create, "ValidationError", "longer than '32'", **long)


def test_only_an_internal_balancer_needs_no_internet_gateway(aws, closed_vpc):
    params = {"Name": "closed", "Subnets": subnets_of(aws, closed_vpc)[:2]}
    words = f"VPC {closed_vpc} has no internet gateway"
    refused(aws.elbv2.create_load_balancer, "InvalidSubnet", words, **params)
    aws.elbv2.create_load_balancer(**params, Scheme="internal")


def test_a_listener_has_its_port_alone_and_https_a_certificate(aws, balancer, group):
    params = listen(balancer, group)
    aws.elbv2.create_listener(**params, **HTTP)
    refused(aws.elbv2.create_listener, "DuplicateListener", **params, **HTTP)
    https = {"Port": 443, "Protocol": "HTTPS"}
    refused(aws.elbv2.create_listener, "CertificateNotFound", **params, **https)
    refused(aws.elbv2.delete_target_group, "ResourceInUse", TargetGroupArn=group)


def test_a_health_check_that_makes_no_sense_is_refused(aws, group):
    for changes, words in (
        ({"HealthCheckTimeoutSeconds": 10}, "must be smaller than the interval"),
        ({"HealthCheckIntervalSeconds": 5}, "must be smaller than the interval"),
        ({"HealthCheckPath": "health"}, "must start with '/'"),
    ):
        with pytest.raises(ClientError, match=words):
            aws.elbv2.modify_target_group(TargetGroupArn=group, **changes)


@pytest.fixture
def nat_gateway(aws, make):
    def build(vpc):
        address = aws.ec2.allocate_address(Domain="vpc")["AllocationId"]
        return make("ec2/natGateway", subnetId=subnets_of(aws, vpc)[0], allocationId=address)

    return build


def test_a_nat_gateway_without_an_internet_gateway_fails(nat_gateway, closed_vpc):
    with pytest.raises(lifecycle.Incomplete) as failed:
        nat_gateway(closed_vpc)
    why = f"Gateway.NotAttached: Network {closed_vpc} has no Internet gateway attached"
    assert str(failed.value) == f"{failed.value.identity} is 'failed', not 'available': {why}"


def test_a_nat_gateway_s_interface_comes_and_goes_with_it(aws, nat_gateway, vpc):
    """It has an address of its subnet; the Elastic IP address stays, without an association."""
    made = nat_gateway(vpc)
    [found] = aws.ec2.describe_nat_gateways(NatGatewayIds=[made.id])
    [address] = found["NatGatewayAddresses"]
    inside = {"Filters": where(vpc_id=vpc)}
    [interface] = aws.ec2.describe_network_interfaces(**inside)
    assert interface["NetworkInterfaceId"] == address["NetworkInterfaceId"]
    [subnet] = aws.ec2.describe_subnets(SubnetIds=[made.inputs["subnetId"]])
    assert IPv4Address(interface["PrivateIpAddress"]) in IPv4Network(subnet["CidrBlock"])
    assert interface["PrivateIpAddress"] == address["PrivateIp"]
    facts = (interface["InterfaceType"], interface["Groups"], interface["Status"])
    assert facts == ("nat_gateway", [], "in-use")
    made.delete()
    assert aws.ec2.describe_network_interfaces(**inside) == []
    [kept] = aws.ec2.describe_addresses(AllocationIds=[made.inputs["allocationId"]])
    assert "AssociationId" not in kept
    aws.ec2.detach_internet_gateway(**gateway_of(aws, vpc))


@pytest.fixture
def endpoint(aws, vpc):
    """Makes an interface endpoint in subnets; returns it, and its interfaces of this moment."""

    def build(subnets):
        service = {"ServiceName": f"com.amazonaws.{REGION}.logs", "VpcEndpointType": "Interface"}
        made = aws.ec2.create_vpc_endpoint(VpcId=vpc, SubnetIds=subnets, **service)
        return made["VpcEndpointId"]

    return build


def interfaces(aws, endpoint):
    """The endpoint, and its interfaces by their subnets."""
    [now] = aws.ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])
    found = aws.ec2.describe_network_interfaces(NetworkInterfaceIds=now["NetworkInterfaceIds"])
    return now, {each["SubnetId"]: each for each in found}


def groups(holder):
    return [each["GroupId"] for each in holder["Groups"]]


def test_an_endpoint_s_interfaces_follow_its_subnets_and_groups(
    aws, endpoint, subnets, vpc, make_group
):
    made = endpoint(subnets[:2])
    [default] = aws.ec2.describe_security_groups(Filters=where(vpc_id=vpc, group_name="default"))
    now, found = interfaces(aws, made)
    assert (set(found), groups(now)) == (set(subnets[:2]), [default["GroupId"]])
    for subnet, interface in found.items():
        [network] = aws.ec2.describe_subnets(SubnetIds=[subnet])
        assert IPv4Address(interface["PrivateIpAddress"]) in IPv4Network(network["CidrBlock"])
        assert (groups(interface), interface["InterfaceType"]) == (groups(now), "vpc_endpoint")
    own = make_group()
    change = {"AddSubnetIds": subnets[2:], "RemoveSubnetIds": subnets[:2]}
    change |= {"AddSecurityGroupIds": [own], "RemoveSecurityGroupIds": groups(now)}
    aws.ec2.modify_vpc_endpoint(VpcEndpointId=made, **change)
    _, found = interfaces(aws, made)
    assert {name: groups(each) for name, each in found.items()} == {subnets[2]: [own]}
    aws.ec2.delete_vpc_endpoints(VpcEndpointIds=[made])


def test_a_subnet_with_a_balancer_or_an_interface_in_it_stays(aws, vpc, subnets, balancer):
    aws.ec2.create_network_interface(SubnetId=subnets[2])
    assert balancer
    for each in (subnets[0], subnets[2]):
        refused(aws.ec2.delete_subnet, DEPENDS, SubnetId=each)


S3 = {"ServiceName": f"com.amazonaws.{REGION}.s3"}


@pytest.mark.parametrize(
    ("operation", "more"),
    [
        ("create_security_group", {"GroupName": "theirs", "Description": "theirs"}),
        ("create_network_acl", {}),
        ("create_route_table", {}),
        ("create_vpc_endpoint", S3),
        ("attach_internet_gateway", {}),
    ],
)
def test_a_vpc_with_something_in_it_stays(aws, operation, more):
    """EC2 API reference, DeleteVpc."""
    vpc = {"VpcId": aws.ec2.create_vpc(CidrBlock="10.9.0.0/16")["VpcId"]}
    if "internet" in operation:
        gateway = aws.ec2.create_internet_gateway()
        more = {"InternetGatewayId": gateway["InternetGatewayId"]}
    getattr(aws.ec2, operation)(**vpc, **more)
    refused(aws.ec2.delete_vpc, DEPENDS, "has dependencies and cannot be deleted", **vpc)
    if "internet" in operation:
        aws.ec2.detach_internet_gateway(**vpc, **more)
        aws.ec2.delete_vpc(**vpc)


@pytest.mark.parametrize("kept", [None, False, True])
def test_an_interface_ends_with_its_instance(aws, vpc, kept):
    """EC2 user guide, "Delete a network interface": so it is by default for one that is created at launch."""
    [subnet] = subnets_of(aws, vpc, "a")
    interface = {"DeviceIndex": 0, "SubnetId": subnet}
    interface |= {} if kept is None else {"DeleteOnTermination": not kept}
    [made] = aws.ec2.run_instances(**IMAGE, NetworkInterfaces=[interface])["Instances"]
    inside = {"Filters": where(subnet_id=subnet)}
    assert len(aws.ec2.describe_network_interfaces(**inside)) == 1
    aws.ec2.terminate_instances(InstanceIds=[made["InstanceId"]])
    assert len(aws.ec2.describe_network_interfaces(**inside)) == int(bool(kept))


def test_an_internet_gateway_stays_while_an_address_is_mapped(aws, vpc, subnets, nat_gateway):
    gateway, words = gateway_of(aws, vpc), f"Network {vpc} has some mapped public address(es)"
    allocation = aws.ec2.allocate_address(Domain="vpc")["AllocationId"]
    public = {"DeviceIndex": 0, "SubnetId": subnets[0], "AssociatePublicIpAddress": True}

    def nat():
        made = aws.ec2.create_nat_gateway(SubnetId=subnets[0], AllocationId=allocation)
        return lambda: aws.ec2.delete_nat_gateway(NatGatewayId=made["NatGatewayId"])

    def balancer():
        [made] = aws.elbv2.create_load_balancer(Name=unique("b"), Subnets=subnets[:2])
        return lambda: aws.elbv2.delete_load_balancer(LoadBalancerArn=made["LoadBalancerArn"])

    def instance():
        [made] = aws.ec2.run_instances(**IMAGE, NetworkInterfaces=[public])["Instances"]
        return lambda: aws.ec2.terminate_instances(InstanceIds=[made["InstanceId"]])

    for create in (nat, balancer, instance):
        delete = create()
        refused(aws.ec2.detach_internet_gateway, DEPENDS, words, **gateway)
        delete()
        aws.ec2.detach_internet_gateway(**gateway)
        aws.ec2.attach_internet_gateway(**gateway)


@pytest.mark.parametrize("freed", [True, False])
def test_the_provider_waits_for_mapped_addresses(aws, calls, vpc, nat_gateway, monkeypatch, freed):
    monkeypatch.setattr(ec2, "DETACH_SECONDS", 30.0 if freed else 0.3)
    made, gateway = nat_gateway(vpc), gateway_of(aws, vpc)["InternetGatewayId"]
    with ThreadPoolExecutor(1) as beside:
        deleting = beside.submit(lifecycle.delete, calls, ec2.INTERNET_GATEWAY, gateway, {})
        with pytest.raises(TimeoutError):
            deleting.result(0.2)
        if freed:
            made.delete()
            deleting.result(30)
        else:
            with pytest.raises(ClientError, match="has some mapped public address"):
                deleting.result(30)


def test_an_immutable_tag_of_ecr_is_not_pushed_again(aws):
    aws.ecr.create_repository(repositoryName="held/once", imageTagMutability="IMMUTABLE")
    image = {"repositoryName": "held/once", "imageTag": "one", "imageManifest": MANIFEST}
    aws.ecr.put_image(**image)
    words = (
        "The image tag 'one' already exists in the 'held/once' repository and cannot be overwritten because the "
        "repository is immutable."
    )
    assert refused(aws.ecr.put_image, "ImageTagAlreadyExistsException", **image) == words
    nowhere = {**image, "repositoryName": "none"}
    refused(aws.ecr.put_image, "RepositoryNotFoundException", **nowhere)
    aws.ecr.delete_repository(repositoryName="held/once", force=True)


def test_a_subnet_has_one_route_table(aws, closed_vpc):
    [subnet] = subnets_of(aws, closed_vpc, "a")
    first, second = (aws.ec2.create_route_table(VpcId=closed_vpc)["RouteTableId"] for _ in range(2))
    associate = aws.ec2.associate_route_table
    associate(RouteTableId=first, SubnetId=subnet)
    again = {"RouteTableId": second, "SubnetId": subnet}
    assert refused(associate, "Resource.AlreadyAssociated", **again) == (
        f"the specified association for route table {second} conflicts with an existing association"
    )


def test_an_endpoint_s_service_is_one_of_aws(aws, vpc):
    services = aws.ec2.describe_vpc_endpoint_services
    gateway = where(service_type="Gateway")
    found = services(ServiceNames=[S3["ServiceName"]], Filters=gateway)["ServiceDetails"]
    assert [each["ServiceName"] for each in found] == [S3["ServiceName"]]
    names = services()["ServiceNames"]
    for name in ("ecr.api", "ecr.dkr", "logs", "secretsmanager", "ssmmessages", "sts", "kms"):
        assert f"com.amazonaws.{REGION}.{name}" in names
    endpoint = {"VpcId": vpc, "ServiceName": "com.amazonaws.x.none", "VpcEndpointType": "Interface"}
    refused(aws.ec2.create_vpc_endpoint, "InvalidServiceName", **endpoint)


def test_what_a_resource_is_created_with_is_described(aws, vpc):
    """By the reads of a second plan, where moto drops it."""
    dns = {"DnsOptions": {"DnsRecordIpType": "ipv4"}, "IpAddressType": "ipv4"}
    service = {"ServiceName": f"com.amazonaws.{REGION}.sts", "VpcEndpointType": "Interface"}
    made = aws.ec2.create_vpc_endpoint(VpcId=vpc, **service, **dns)
    [found] = aws.ec2.describe_vpc_endpoints(VpcEndpointIds=[made["VpcEndpointId"]])
    assert found.items() >= dns.items()
    aws.ec2.create_customer_gateway(Type="ipsec.1", PublicIp="192.0.2.1", DeviceName="office")
    assert aws.ec2.describe_customer_gateways()[-1]["DeviceName"] == "office"
    names = [{"Key": "domain-name", "Values": ["example.com"]}]
    tags = [{"Key": "Name", "Value": "office"}]
    aws.ec2.create_dhcp_options(
        DhcpConfigurations=names,
        TagSpecifications=[{"ResourceType": "dhcp-options", "Tags": tags}],
    )
    assert aws.ec2.describe_dhcp_options()[-1]["Tags"] == tags
    bucket = {"Bucket": unique("sizes")}
    where = {"LocationConstraint": REGION}
    aws.s3.create_bucket(**bucket, CreateBucketConfiguration=where)
    large = {"Filter": {"ObjectSizeGreaterThan": 1024}, "Expiration": {"Days": 1}}
    both = {"Filter": {"And": {"Prefix": "a", "ObjectSizeLessThan": 9}}, "Expiration": {"Days": 2}}
    rules = [
        {"ID": name, "Status": "Enabled", **each} for name, each in (("l", large), ("b", both))
    ]
    aws.s3.put_bucket_lifecycle_configuration(**bucket, LifecycleConfiguration={"Rules": rules})
    found = aws.s3.get_bucket_lifecycle_configuration(**bucket)
    assert found["Rules"] == rules
    assert found["TransitionDefaultMinimumObjectSize"] == "all_storage_classes_128K"


def test_a_prefix_list_changes_by_version_and_stays_in_use(aws, make_group):
    office = {"PrefixListName": "office", "MaxEntries": 1, "AddressFamily": "IPv4"}
    name = {"PrefixListId": aws.ec2.create_managed_prefix_list(**office)["PrefixListId"]}
    modify = aws.ec2.modify_managed_prefix_list
    add = {**name, "AddEntries": [{"Cidr": "10.0.0.0/8"}]}
    for version in ({}, {"CurrentVersion": 7}):
        refused(modify, "PrefixListVersionMismatch", **add, **version)
    modify(**add, CurrentVersion=1)
    more = {**name, "CurrentVersion": 2, "AddEntries": [{"Cidr": "11.0.0.0/8"}]}
    refused(modify, "PrefixListMaxEntriesExceeded", **more)
    rule = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "PrefixListIds": [name]}
    permission = {"GroupId": make_group(), "IpPermissions": [rule]}
    aws.ec2.authorize_security_group_ingress(**permission)
    refused(aws.ec2.delete_managed_prefix_list, DEPENDS, **name)
    aws.ec2.revoke_security_group_ingress(**permission)
    aws.ec2.delete_managed_prefix_list(**name)


ON_DEMAND, SPOT = {"QuotaCode": "L-3032A538"}, {"QuotaCode": "L-36FBB829"}


def test_fargate_s_quotas_are_raised_and_never_lowered(aws):
    """One on demand and one for Spot; the VPC's are still there, and an unknown one is refused."""
    quotas.install()
    fargate, service = {"ServiceCode": "fargate"}, aws.service_quotas

    def value(code):
        return service.get_service_quota(**fargate, **code)["Value"]

    found = service.list_service_quotas(**fargate)
    assert [(each["QuotaCode"], each["QuotaName"], each["Value"]) for each in found] == [
        (ON_DEMAND["QuotaCode"], "Fargate On-Demand vCPU resource count", 6.0),
        (SPOT["QuotaCode"], "Fargate Spot vCPU resource count", 6.0),
    ]
    assert found[0]["QuotaArn"].endswith(f":fargate/{ON_DEMAND['QuotaCode']}")
    increase = service.request_service_quota_increase
    answer = increase(**fargate, **ON_DEMAND, DesiredValue=16.0)
    assert (answer["Status"], answer["DesiredValue"]) == ("APPROVED", 16.0)
    same = {**fargate, **SPOT, "DesiredValue": 6.0}
    refused(increase, "IllegalArgumentException", **same)
    assert (value(ON_DEMAND), value(SPOT)) == (16.0, 6.0)
    assert service.get_aws_default_service_quota(**fargate, **ON_DEMAND)["Value"] == 6.0
    refused(partial(value, {"QuotaCode": "L-00000000"}), "NoSuchResourceException")
    assert len(service.list_service_quotas(ServiceCode="vpc")) > 10
    quotas.install()


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
