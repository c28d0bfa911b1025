"""For each control with a check: resources that meet it, and the change that fails it."""

from __future__ import annotations

from dataclasses import replace

from tests.controls import ec2, ecs, elb, identity, others, storage
from tests.controls.example import (
    BUCKET,
    BUCKET_RULES,
    GROUP,
    LISTENER,
    MANAGED,
    PLACED,
    PUBLIC,
    SSM_RIGHT,
    VPC,
    ZONES,
    Example,
    blocked,
    changed,
    container,
    database,
    db,
    endpoint,
    events,
    inline,
    instance,
    one,
    policy,
    rule,
    tls_only,
    without,
)
from tests.controls.graph import Graph

EXAMPLES: dict[str, Example] = {
    "ECS.2": changed(
        one(ecs.SERVICE, networkConfiguration={"assignPublicIp": False}),
        networkConfiguration={"assignPublicIp": True},
    ),
    "ECS.3": changed(one(ecs.TASK), pidMode="host"),
    "ECS.4": container({}, {"privileged": True}),
    "ECS.5": container({"readonlyRootFilesystem": True}, {}),
    "ECS.8": container(
        {"environment": [{"name": "PORT"}]}, {"environment": [{"name": "AWS_SECRET_ACCESS_KEY"}]}
    ),
    "ECS.9": container({"logConfiguration": {"logDriver": "awslogs"}}, {"logConfiguration": {}}),
    "ECS.10": changed(one(ecs.SERVICE, platformVersion="LATEST"), platformVersion="1.3.0"),
    "ECS.12": changed(
        one(ecs.CLUSTER, settings=[{"name": "containerInsights", "value": "enabled"}]),
        settings=[{"name": "containerInsights", "value": "disabled"}],
    ),
    "ECS.17": changed(one(ecs.TASK, networkMode="awsvpc"), networkMode="host"),
    "ECS.18": changed(
        one(ecs.TASK, volumes=[{"efsVolumeConfiguration": {"transitEncryption": "ENABLED"}}]),
        volumes=[{"efsVolumeConfiguration": {"fileSystemId": "fs-1"}}],
    ),
    "ECS.20": container({"user": "10001"}, {"user": "0:0"}),
    "ECS.21": container(
        {"user": "ContainerUser"},
        {"user": "ContainerAdministrator"},
        runtimePlatform={"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"},
    ),
    "ECR.1": changed(
        one(ecs.REPOSITORY, imageScanningConfiguration={"scanOnPush": True}),
        imageScanningConfiguration={"scanOnPush": False},
    ),
    "ECR.2": changed(
        one(ecs.REPOSITORY, imageTagMutability="IMMUTABLE"), imageTagMutability="MUTABLE"
    ),
    "ECR.3": without(
        one("aws:ecr/lifecyclePolicy:LifecyclePolicy", repository="it"),
        one(ecs.REPOSITORY),
    ),
    "ELB.1": changed(
        one(
            "aws:lb/listenerRule:ListenerRule",
            listenerArn="it",
            actions=[{"redirect": {"protocol": "HTTPS"}}],
        ),
        LISTENER,
        actions=[{"type": "forward", "targetGroupArn": "arn:TargetGroup/it"}],
    ),
    "ELB.4": changed(
        one(elb.BALANCER, dropInvalidHeaderFields=True), dropInvalidHeaderFields=False
    ),
    "ELB.5": changed(
        one(elb.BALANCER, accessLogs={"bucket": "b", "enabled": True}),
        accessLogs={"bucket": "b", "enabled": False},
    ),
    "ELB.6": changed(
        one(elb.BALANCER, enableDeletionProtection=True), enableDeletionProtection=False
    ),
    "ELB.12": changed(
        one(elb.BALANCER, desyncMitigationMode="strictest"), desyncMitigationMode="monitor"
    ),
    "ELB.13": changed(one(elb.BALANCER, subnets=["a", "b"]), *ZONES, subnets=["a"]),
    "ELB.17": changed(
        one(elb.LISTENER, protocol="HTTPS", sslPolicy="ELBSecurityPolicy-TLS13-1-2-Res-2021-06"),
        sslPolicy="ELBSecurityPolicy-2016-08",
    ),
    "ELB.18": changed(one(elb.LISTENER, protocol="HTTPS"), protocol="HTTP"),
    "ELB.21": changed(
        one(elb.TARGETS, healthCheck={"protocol": "HTTPS"}), healthCheck={"protocol": "HTTP"}
    ),
    "ELB.22": changed(one(elb.TARGETS, protocol="HTTPS"), protocol="HTTP"),
    "ACM.1": changed(one(elb.CERTIFICATE, validationMethod="DNS"), validationMethod="EMAIL"),
    "ACM.2": changed(one(elb.CERTIFICATE, keyAlgorithm="RSA_2048"), keyAlgorithm="RSA_1024"),
    "RDS.2": db("publiclyAccessible", False, True),
    "RDS.3": db("storageEncrypted", True, False),
    "RDS.5": db("multiAz", True, False),
    "RDS.6": db("monitoringInterval", 60.0, 0),
    "RDS.8": db("deletionProtection", True, False),
    "RDS.9": db("enabledCloudwatchLogsExports", ["postgresql", "upgrade"], ["postgresql"]),
    "RDS.10": db("iamDatabaseAuthenticationEnabled", True, False),
    "RDS.11": db("backupRetentionPeriod", 7.0, 6.0),
    "RDS.13": db("autoMinorVersionUpgrade", True, False),
    "RDS.17": db("copyTagsToSnapshot", True, False),
    "RDS.19": events("db-cluster", "maintenance", "failure"),
    "RDS.20": events("db-instance", "maintenance", "configuration change", "failure"),
    "RDS.21": events("db-parameter-group", "configuration change"),
    "RDS.22": events("db-security-group", "configuration change", "failure"),
    "RDS.23": db("port", 5433.0, 5432.0),
    "RDS.25": db("username", "keeper", "postgres"),
    "RDS.36": db("enabledCloudwatchLogsExports", ["postgresql"], ["upgrade"]),
    "RDS.46": changed(
        one("aws:ec2/route:Route", **PUBLIC, natGatewayId="n"),
        *PLACED,
        natGatewayId=None,
        gatewayId="i",
    ),
    "EC2.2": changed(
        one(ec2.DEFAULT_GROUP, vpcId="it", ingress=[], egress=[]),
        VPC,
        egress=[{"protocol": "-1"}],
    ),
    "EC2.3": instance(
        {"rootBlockDevice": {"encrypted": True}}, {"rootBlockDevice": {"volumeSize": 8}}
    ),
    "EC2.6": changed(
        one("aws:ec2/flowLog:FlowLog", vpcId="it", trafficType="REJECT"),
        VPC,
        trafficType="ACCEPT",
    ),
    "EC2.8": instance(
        {"metadataOptions": {"httpTokens": "required"}},
        {"metadataOptions": {"httpTokens": "optional"}},
    ),
    "EC2.9": instance({"associatePublicIpAddress": False}, {"associatePublicIpAddress": True}),
    "EC2.10": endpoint("ec2"),
    "EC2.15": changed(one(ec2.SUBNET, mapPublicIpOnLaunch=False), mapPublicIpOnLaunch=True),
    "EC2.17": instance({}, {"networkInterfaces": [{"deviceIndex": 0}, {"deviceIndex": 1}]}),
    "EC2.18": changed(rule(cidrIpv4="0.0.0.0/0", fromPort=443, toPort=443), GROUP, toPort=444),
    "EC2.19": changed(rule(cidrIpv6="::/0", fromPort=80, toPort=80), GROUP, ipProtocol="-1"),
    "EC2.24": instance({"instanceType": "t4g.nano"}, {"instanceType": "m1.small"}),
    "EC2.55": endpoint("ecr.api"),
    "EC2.56": endpoint("ecr.dkr"),
    "EC2.57": endpoint("ssm"),
    "EC2.58": endpoint("ssm-contacts"),
    "EC2.60": endpoint("ssm-incidents"),
    "EC2.180": instance({"sourceDestCheck": True}, {"sourceDestCheck": False}),
    "SecretsManager.1": changed(
        database(manageMasterUserPassword=True), manageMasterUserPassword=False
    ),
    "SecretsManager.4": changed(
        one(
            identity.ROTATION,
            secretId="it",
            rotationRules={"automaticallyAfterDays": 90},
        ),
        one(identity.SECRET),
        rotationRules={"automaticallyAfterDays": 91},
    ),
    "IAM.1": inline(policy("s3:GetObject"), policy("*")),
    "IAM.21": inline(policy("s3:GetObject"), policy("s3:*")),
    "KMS.1": inline(
        policy("kms:Decrypt", resource="arn:aws:kms:x:1:key/k"),
        policy("kms:Decrypt", resource="*"),
        identity.POLICY,
    ),
    "KMS.2": inline(
        policy("kms:ReEncryptFrom", resource="arn:aws:kms:x:1:key/k"),
        policy("kms:ReEncryptFrom", resource="arn:aws:kms:x:1:key/*"),
    ),
    "KMS.5": inline(
        policy("kms:Encrypt", Principal={"AWS": "1"}),
        policy("kms:Encrypt", Principal={"AWS": "*"}),
        identity.KEY,
    ),
    "S3.2": blocked(),
    "S3.3": blocked(),
    "S3.5": changed(BUCKET_RULES, BUCKET, policy=tls_only("aws:ViaAWSService")),
    "S3.6": changed(BUCKET_RULES, BUCKET, policy=policy("s3:PutObjectAcl", Principal="2")),
    "S3.8": blocked(),
    "S3.9": without(one("aws:s3/bucketLogging:BucketLogging", bucket="it"), BUCKET),
    "S3.12": changed(BUCKET, acl="private"),
    "S3.13": without(
        one("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", bucket="it"),
        BUCKET,
    ),
    "SNS.4": inline(
        policy("sns:Publish", Principal={"Service": "events.amazonaws.com"}),
        policy("sns:Publish", Principal="*"),
        storage.TOPIC_POLICY,
    ),
    "SSM.1": without(one(SSM_RIGHT, role="r", policy=policy(others.REPORTS)), *MANAGED),
    "CloudWatch.15": changed(one(others.ALARM, alarmActions=["arn:t"]), alarmActions=[]),
    "CloudWatch.16": changed(one(others.LOG_GROUP, retentionInDays=365), retentionInDays=364),
    "CloudWatch.17": changed(one(others.ALARM), actionsEnabled=False),
}

ALSO_WRONG: dict[str, tuple[str, Graph]] = {
    "a user that is absent": ("ECS.20", container({}, {}).good),
    "root by name": ("ECS.20", container({"user": "root"}, {}).good),
    "a default action that answers": (
        "ELB.1",
        Graph((replace(LISTENER, inputs={**LISTENER.inputs, "defaultActions": [{}]}),)),
    ),
    "a database without a subnet group": ("RDS.46", Graph((database(),))),
    "a subnet with the VPC's main route table": ("RDS.46", Graph(PLACED[:2])),
    "a default group that nobody closed": ("EC2.2", Graph((VPC,))),
    "a volume of its own": ("EC2.3", Graph((one("aws:ebs/volume:Volume"),))),
    "a rule within the group": (
        "EC2.18",
        Graph(
            (
                one(
                    ec2.GROUP,
                    ingress=[
                        {
                            "cidrBlocks": ["0.0.0.0/0"],
                            "protocol": "tcp",
                            "fromPort": 22,
                            "toPort": 22,
                        }
                    ],
                ),
            )
        ),
    ),
    "a secret that nothing rotates": ("SecretsManager.1", Graph((one(identity.SECRET),))),
    "a role with an inline policy": (
        "IAM.1",
        Graph((one(identity.INLINE[1], inlinePolicies=[{"policy": policy("*")}]),)),
    ),
    "a bucket without a policy": ("S3.5", Graph((BUCKET,))),
}
"""Other ways to fail a control than its example's."""
