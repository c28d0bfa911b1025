"""Which inputs force a replacement: checked against CloudFormation's schemas, which AWS itself publishes."""

from __future__ import annotations

import importlib
import re

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from tools.local_cloud.providers.aws import KINDS

EC2, ELB = "AWS::EC2", "AWS::ElasticLoadBalancingV2"
CLOUDFORMATION = {
    "aws:cloudwatch/dashboard:Dashboard": "AWS::CloudWatch::Dashboard",
    "aws:cloudwatch/eventRule:EventRule": "AWS::Events::Rule",
    "aws:appautoscaling/policy:Policy": "AWS::ApplicationAutoScaling::ScalingPolicy",
    "aws:appautoscaling/target:Target": "AWS::ApplicationAutoScaling::ScalableTarget",
    "aws:acm/certificate:Certificate": "AWS::CertificateManager::Certificate",
    "aws:cloudwatch/logGroup:LogGroup": "AWS::Logs::LogGroup",
    "aws:cloudwatch/metricAlarm:MetricAlarm": "AWS::CloudWatch::Alarm",
    "aws:ec2/eip:Eip": f"{EC2}::EIP",
    "aws:ec2/flowLog:FlowLog": f"{EC2}::FlowLog",
    "aws:ec2/instance:Instance": f"{EC2}::Instance",
    "aws:ec2/internetGateway:InternetGateway": f"{EC2}::InternetGateway",
    "aws:ec2/natGateway:NatGateway": f"{EC2}::NatGateway",
    "aws:ec2/route:Route": f"{EC2}::Route",
    "aws:ec2/routeTable:RouteTable": f"{EC2}::RouteTable",
    "aws:ec2/routeTableAssociation:RouteTableAssociation": f"{EC2}::SubnetRouteTableAssociation",
    "aws:ec2/securityGroup:SecurityGroup": f"{EC2}::SecurityGroup",
    "aws:ec2/subnet:Subnet": f"{EC2}::Subnet",
    "aws:ec2/vpc:Vpc": f"{EC2}::VPC",
    "aws:ec2/vpcEndpoint:VpcEndpoint": f"{EC2}::VPCEndpoint",
    "aws:ecr/repository:Repository": "AWS::ECR::Repository",
    "aws:ecs/cluster:Cluster": "AWS::ECS::Cluster",
    "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders": (
        "AWS::ECS::ClusterCapacityProviderAssociations"
    ),
    "aws:ecs/service:Service": "AWS::ECS::Service",
    "aws:ecs/taskDefinition:TaskDefinition": "AWS::ECS::TaskDefinition",
    "aws:iam/instanceProfile:InstanceProfile": "AWS::IAM::InstanceProfile",
    "aws:iam/policy:Policy": "AWS::IAM::ManagedPolicy",
    "aws:iam/role:Role": "AWS::IAM::Role",
    "aws:kms/key:Key": "AWS::KMS::Key",
    "aws:lb/listener:Listener": f"{ELB}::Listener",
    "aws:lb/listenerRule:ListenerRule": f"{ELB}::ListenerRule",
    "aws:lb/loadBalancer:LoadBalancer": f"{ELB}::LoadBalancer",
    "aws:lb/targetGroup:TargetGroup": f"{ELB}::TargetGroup",
    "aws:rds/instance:Instance": "AWS::RDS::DBInstance",
    "aws:rds/parameterGroup:ParameterGroup": "AWS::RDS::DBParameterGroup",
    "aws:rds/subnetGroup:SubnetGroup": "AWS::RDS::DBSubnetGroup",
    "aws:s3/bucket:Bucket": "AWS::S3::Bucket",
    "aws:s3/bucketPolicy:BucketPolicy": "AWS::S3::BucketPolicy",
    "aws:scheduler/schedule:Schedule": "AWS::Scheduler::Schedule",
    "aws:scheduler/scheduleGroup:ScheduleGroup": "AWS::Scheduler::ScheduleGroup",
    "aws:secretsmanager/secret:Secret": "AWS::SecretsManager::Secret",
    "aws:sns/topic:Topic": "AWS::SNS::Topic",
    "aws:sns/topicSubscription:TopicSubscription": "AWS::SNS::Subscription",
    "aws:route53/record:Record": "AWS::Route53::RecordSet",
    "aws:ssm/parameter:Parameter": "AWS::SSM::Parameter",
}
NO_SCHEMA = {
    "aws:cloudwatch/eventTarget:EventTarget": "part of AWS::Events::Rule",
    "aws:appautoscaling/scheduledAction:ScheduledAction": "part of the scalable target",
    "aws:acm/certificateValidation:CertificateValidation": "nothing of AWS: the provider waits",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": "CloudFormation cannot adopt one",
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": "part of AWS::ECR::Repository",
    "aws:iam/rolePolicy:RolePolicy": "part of AWS::IAM::Role",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "part of AWS::IAM::Role",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": "part of AWS::S3::Bucket",
    "aws:s3/bucketObject:BucketObject": "CloudFormation uploads no objects",
    "aws:s3/bucketObjectv2:BucketObjectv2": "CloudFormation uploads no objects",
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": "part of AWS::S3::Bucket",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": "part of AWS::S3::Bucket",
    "aws:s3/bucketVersioning:BucketVersioning": "part of AWS::S3::Bucket",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        "part of AWS::S3::Bucket"
    ),
    "aws:secretsmanager/secretVersion:SecretVersion": "part of AWS::SecretsManager::Secret",
    "aws:sns/topicPolicy:TopicPolicy": "one for several topics in CloudFormation",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": "the provider modifies rules in place",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": "the provider modifies rules in place",
}
RENAMED = {
    ("Instance", "ImageId"): "ami",
    ("Instance", "PrivateIpAddress"): "privateIp",
    ("InstanceProfile", "InstanceProfileName"): "name",
    ("Bucket", "BucketName"): "bucket",
    ("Bucket", "BucketNamePrefix"): "bucketPrefix",
    ("FlowLog", "DeliverLogsPermissionArn"): "iamRoleArn",
    ("MetricAlarm", "AlarmName"): "name",
    ("Topic", "TopicName"): "name",
    ("TopicSubscription", "TopicArn"): "topic",
    ("ClusterCapacityProviders", "Cluster"): "clusterName",
    ("Policy", "PolicyName"): "name",
    ("Policy", "ManagedPolicyName"): "name",
    ("Record", "HostedZoneId"): "zoneId",
    ("LogGroup", "LogGroupName"): "name",
    ("SecurityGroup", "GroupDescription"): "description",
    ("SecurityGroup", "GroupName"): "name",
    ("Repository", "RepositoryName"): "name",
    ("Repository", "EncryptionConfiguration"): "encryptionConfigurations",
    ("Cluster", "ClusterName"): "name",
    ("Service", "ServiceName"): "name",
    ("Service", "Role"): "iamRole",
    ("Role", "RoleName"): "name",
    ("LoadBalancer", "Scheme"): "internal",
    ("LoadBalancer", "Type"): "loadBalancerType",
    ("Instance", "DBInstanceIdentifier"): "identifier",
    ("Instance", "DBName"): "dbName",
    ("Instance", "MasterUsername"): "username",
    ("ParameterGroup", "DBParameterGroupName"): "name",
    ("SubnetGroup", "DBSubnetGroupName"): "name",
}
IN_PLACE_BY_THE_PROVIDER = {
    ("Instance", "identifier"): "the provider renames it (pull request 31232)",
    ("Instance", "dBSubnetGroupName"): "the provider modifies it, CloudFormation does not",
    ("Instance", "dbSubnetGroupName"): "the provider modifies it, CloudFormation does not",
}
BY_THE_PROVIDER_ONLY = {
    ("Instance", "rootBlockDevice.encrypted"): "pulumi_aws, InstanceRootBlockDevice: replacement",
    ("Instance", "rootBlockDevice.kmsKeyId"): "pulumi_aws, InstanceRootBlockDevice: replacement",
    ("Instance", "associatePublicIpAddress"): "the provider's schema: ForceNew",
    ("FlowLog", "vpcId"): "CloudFormation's ResourceId",
    ("EventRule", "eventBusName"): "the provider's schema: ForceNew",
    ("Schedule", "groupName"): "the provider's schema: ForceNew",
    ("Certificate", "validationMethod"): "the provider's schema: ForceNew",
    ("Record", "name"): "the provider's schema: ForceNew",
    ("Eip", "domain"): "the provider's schema: ForceNew",
    ("Parameter", "dataType"): "the provider's schema: ForceNew",
    ("Instance", "availabilityZone"): "the provider's schema: ForceNew",
    ("Instance", "engine"): "the provider's schema: ForceNew",
    ("LogGroup", "logGroupClass"): "the provider's schema: ForceNew",
    ("Service", "deploymentController"): "the provider's schema: ForceNew",
    ("Service", "launchType"): "the provider's schema: ForceNew",
}


def arguments(token):
    """The input names of a type, as Pulumi writes them."""
    module, name = token.split(":")[1].split("/")[0], token.rpartition(":")[2]
    found = getattr(importlib.import_module(f"pulumi_aws.{module}"), f"{name}Args")
    snake = [key for key, value in vars(found).items() if isinstance(value, property)]
    return {re.sub(r"_(\w)", lambda letter: letter[1].upper(), key) for key in snake}


def create_only(token):
    """CloudFormation's createOnlyProperties of a type, under Pulumi's names, as far as Pulumi has them."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("ap-northeast-1", CLOUDFORMATION[token])
    # The schema of an internet gateway has none, so the key may be missing.
    properties = [
        pointer.split("/")[2] for pointer in schema.schema.get("createOnlyProperties", [])
    ]
    short = token.rpartition(":")[2]
    names = {RENAMED.get((short, name), name[0].lower() + name[1:]) for name in properties}
    return names & arguments(token)


def test_every_type_is_compared_or_its_reason_given():
    known = set(CLOUDFORMATION) | set(NO_SCHEMA)
    assert known == set(KINDS), (
        f"{known ^ set(KINDS)}: each type of the stand-ins is in CLOUDFORMATION of {__file__}, with its type there, "
        "or in NO_SCHEMA"
    )


@pytest.mark.parametrize("token", sorted(CLOUDFORMATION))
def test_an_input_that_aws_cannot_change_replaces_the_resource(token):
    kind, short = KINDS[token], token.rpartition(":")[2]
    changeable = {name for key, name in IN_PLACE_BY_THE_PROVIDER if key == short}
    known = create_only(token) - changeable
    handled = kind.replaces | set(kind.ignored)
    # An input that the stand-in does not know at all is refused when it is used.
    missed = {name for name in known - handled if _known(kind, name)}
    assert missed == set(), f"AWS cannot change these of {token}: they belong into its `replaces`"


@pytest.mark.parametrize("token", sorted(CLOUDFORMATION))
def test_nothing_else_replaces_it(token):
    kind, short = KINDS[token], token.rpartition(":")[2]
    provider = {name for key, name in BY_THE_PROVIDER_ONLY if key == short}
    prefix = {"namePrefix"}  # changing it changes the name
    assert kind.replaces - create_only(token) - provider <= prefix


def _known(kind, name):
    settings = {key for setting in kind.settings for key in setting.inputs}
    return name in settings or name in kind.outputs or name in kind.scope.values()
