"""The forms of parameters that AWS's API references give in words, where botocore's models have none.

Names are those of members of an operation's parameters, in any structure or, with a dot, in the named one. A pattern
is for the whole text, a range for numbers, a set for words, and a number is the most items that a list has.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cache
from ipaddress import ip_network
from typing import Any, TypeAlias

from botocore.model import Shape

from local_cloud.aws import models

Form: TypeAlias = str | range | Collection[str] | int | Callable[[Any], bool]
CODES = {
    "rds": "InvalidParameterValue",
    "ecs RegisterTaskDefinition": "ClientException",
    "iam CreateOpenIDConnectProvider": "InvalidInput",
    **dict.fromkeys(("kms CreateKey", "kms TagResource"), "TagException"),
    "s3 PutBucketCors": "InvalidRequest",
    "s3 PutBucketLifecycleConfiguration": "InvalidArgument",
    "s3 PutBucketLifecycle": "InvalidArgument",
    # recorded by LocalStack
    "cloudwatch PutDashboard": "InvalidParameterValue",
    "sns MessageAttributeValue": "ParameterValueInvalid",
    "sns PublishBatchRequestEntry": "InvalidBatchEntryId",
    "s3 LifecycleRuleAndOperator": "InvalidRequest",
    "events PutTargetsRequest": "LimitExceededException",
    "sqs": "InvalidParameterValue",
    "sqs SendMessageRequest": "MissingParameter",
    "sqs DeleteMessageBatchRequestEntry": "InvalidBatchEntryId",
    "sqs SendMessageBatchRequestEntry": "InvalidBatchEntryId",
    "s3 PutBucketWebsite": "InvalidArgument",
}
"""The error codes for a form, by structure, operation or service, where not those of the models (``models.CODES``)."""
RELATED = {
    **dict.fromkeys(("rds", "ec2"), "InvalidParameterCombination"),
    **dict.fromkeys(("secretsmanager", "acm"), "InvalidParameterException"),
    "ec2 CreateVpcEndpoint": "InvalidParameter",
    "cloudwatch PutMetricData": "InvalidParameterCombination",
    "logs DescribeLogStreams": "ValidationException",
    "ecs RegisterTaskDefinition": "ClientException",
    "s3 PutBucketLifecycleConfiguration": "MalformedXML",
    "s3 PutBucketLifecycle": "MalformedXML",
    **dict.fromkeys(("s3 GetObject", "s3 Redirect"), "InvalidRequest"),
}
"""The codes for parameters that do not go together, where not those of a form: by operation, structure or service."""
TAG = r"(?!(?i:aws:)).{1,128}"
"""A tag's key; those that begin with "aws:" are AWS's own (Tagging AWS Resources user guide)."""
LETTERS = r"\w\x80-\U0010FFFF"
"""Those of all languages: `\\w` of a form is ASCII's."""
NAME = "[A-Za-z0-9_-]{1,255}"
IDENTIFIER = r"[A-Za-z](-?[A-Za-z0-9]){0,62}"
BALANCER = r"(?!internal-)[A-Za-z0-9](-*[A-Za-z0-9]){0,31}(?<!.{33})"
HOST = r"[A-Za-z0-9.*?_-]{1,128}"
WORDS = r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}"
ARN = r"arn:aws:[^:]+:[^:]*:[^:]*:.+"


STORED = r"[\w/+=.@!-]{1,512}"
ENTRY = r"[\w-]{1,80}"
ATTRIBUTES = {
    "MessageAttributes": r"(?!(?i:aws|amazon)\.)(?!.*\.\.)(?!\.)[\w.-]{1,255}(?<!\.)",
    "MessageAttributeValue.DataType": r"(String|Number|Binary)(\..+)?",
    "MessageAttributeValue.StringValue MessageAttributeValue.BinaryValue": ".+",
}
"""Those of a message, by their names (SNS developer guide, "Amazon SNS message attributes")."""


def network(text: str) -> bool:
    """Return whether a text is a network in CIDR notation. AWS clears bits of the host (API reference, IpRange)."""
    try:
        return bool(ip_network(text, strict=False)) and "/" in text
    except ValueError:
        return False


def tags(items: Any) -> bool:
    """Return whether tags are at most 50, with different keys (Tagging AWS Resources user guide)."""
    pairs = [item for item in items if isinstance(item, Mapping)]
    keys = [pair[name] for pair in pairs for name in pair if name.lower() in ("key", "tagkey")]
    return len(items) <= 50 and len({*keys}) == len(keys)


COMMON: Mapping[str, Form] = {
    "Tag.Key Tag.key": TAG,
    "Tag.Value Tag.value": ".{0,256}",
    "Tags tags TagSet": tags,
}
FORMS: Mapping[str, Mapping[str, Form]] = {
    "ecs": {  # ECS API reference: the operation or the type with the member
        "family serviceName clusterName ContainerDefinition.name Volume.name": NAME,
        "desiredCount": range(5001),
        "maxResults": range(1, 101),
        "count": range(1, 11),
        "services": 10,
        "tasks": 100,
        "loadBalancers": 5,
        "capacityProviderStrategy": 20,
        "securityGroups": 5,
        "subnets": 16,
        "containerDefinitions environmentFiles": 10,
        "serviceRegistries clientAliases credentialSpecs": 1,
        "clientToken": "[!-~]{0,64}",
        "discoveryName": "(?!-).{1,64}",
        "bakeTimeInMinutes stepBakeTimeInMinutes canaryBakeTimeInMinutes": range(1441),
        "Tmpfs.size": range(1, 1 << 31),
        "ContainerRestartPolicy.ignoredExitCodes": 50,
        "ContainerRestartPolicy.restartAttemptPeriod": range(60, 1801),
        "ContainerDefinition.image": r"[\w.:/#-]{1,255}(@sha256:\w+)?",
        "ContainerDefinition.cpu ContainerDefinition.stopTimeout healthCheckGracePeriodSeconds": range(
            1 << 31
        ),
        "ContainerDefinition.memory ContainerDefinition.memoryReservation": range(4, 1 << 31),
        "ContainerDefinition.startTimeout": range(2, 121),
        "PortMapping.name": "[a-z0-9_][a-z0-9_-]{0,63}",
        "PortMapping.containerPort PortMapping.hostPort": range(65536),
        "PortMapping.containerPortRange": r"\d{1,5}-\d{1,5}",
        "HealthCheck.interval": range(5, 301),
        "HealthCheck.timeout": range(2, 61),
        "HealthCheck.retries": range(1, 11),
        "HealthCheck.startPeriod": range(301),
        "EphemeralStorage.sizeInGiB": range(21, 201),
        "KeyValuePair.name Secret.name Secret.valueFrom": ".+",
        "EFSVolumeConfiguration.fileSystemId": "fs-[0-9a-f]+",
        "startedBy": ".{0,128}",
        "executionRoleArn taskRoleArn ServiceRegistry.registryArn": ARN,
        "EnvironmentFile.value": r"arn:aws:s3:::.+\.env",
        "ClusterSetting.value": {"enabled", "disabled", "enhanced"},
        "PutAccountSettingRequest.value": r"enabled|disabled|enhanced|on|off|(non-)?blocking|\d+",
        "minimumHealthyPercent": range(101),
    },
    "elbv2": {  # ELB API reference
        "CreateLoadBalancerInput.Name CreateTargetGroupInput.Name": BALANCER,
        "HealthCheckPath": "/.{0,1023}",
        "HealthCheckPort": r"traffic-port|[1-9]\d{0,3}|[1-5]\d{4}|6[0-5]\d{3}",
        "ProtocolVersion": {"", "GRPC", "HTTP1", "HTTP2"},  # HashiCorp's provider sends "" for none
        "ForwardActionConfig.TargetGroups": 5,
        "RedirectActionConfig.Path": "[/#].*",
        "RedirectActionConfig.Port": r"#\{port\}|[1-9]\d{0,3}|[1-5]\d{4}|6[0-5]\d{3}",
        "HttpHeaderConditionConfig.HttpHeaderName": "(?i)(?!host$).{1,40}",
        "Matcher.HttpCode": r"[2-4]\d\d([,-][2-4]\d\d)*",
        "Matcher.GrpcCode": r"\d\d?([,-]\d\d?)*",
        "AuthenticateOidcActionConfig.SessionTimeout": range(1, 604801),
        "HttpHeaderConditionConfig.Values QueryStringKeyValuePair.Value": ".{0,128}",
        "TargetGroupTuple.Weight": range(1000),
        "TargetGroupStickinessConfig.DurationSeconds": range(1, 604801),
        "HostHeaderConditionConfig.Values": HOST,
        "HttpRequestMethodConditionConfig.Values": "[A-Z_-]{1,40}",
        "SourceIpConditionConfig.Values": network,
    },
    "rds": {  # RDS API reference, CreateDBInstance, ModifyDBInstance and the operation with the member
        "CreateDBInstanceMessage.DBInstanceIdentifier NewDBInstanceIdentifier TargetDBInstanceIdentifier": IDENTIFIER,
        "CreateDBSnapshotMessage.DBSnapshotIdentifier": r"[A-Za-z](-?[A-Za-z0-9]){0,254}",
        "FinalDBSnapshotIdentifier": r"[A-Za-z](-?[A-Za-z0-9]){0,254}",
        "CreateDBParameterGroupMessage.DBParameterGroupName": r"[A-Za-z](-?[A-Za-z0-9]){0,254}",
        "CreateDBParameterGroupMessage.DBParameterGroupFamily": r"(?!postgres).*|postgres(9\.[3-6]|1[0-8])",
        "CreateDBSubnetGroupMessage.DBSubnetGroupName": r"(?!(?i:default)$)[A-Za-z][A-Za-z0-9 ._-]{0,254}",
        "BackupRetentionPeriod": range(36),
        "MonitoringInterval": {"0", "1", "5", "10", "15", "30", "60"},
        "PerformanceInsightsRetentionPeriod": {
            "7",
            "731",
            *(str(31 * month) for month in range(1, 24)),
        },
        "Port DBPortNumber": range(1150, 65536),
        "MonitoringRoleArn": ARN,
        "PromotionTier": range(16),
        "EngineLifecycleSupport": r"open-source-rds-extended-support(-disabled)?",
        "LicenseModel": "postgresql-license",
        "NetworkType": {"IPV4", "DUAL"},
        "ApplyMethod": {"immediate", "pending-reboot"},
        "MaxRecords": range(20, 101),
        "ModifyDBParameterGroupMessage.Parameters": 20,
        "StorageType": {"gp2", "gp3", "io1", "io2", "standard"},
        "DBName MasterUsername": "[A-Za-z][A-Za-z0-9_]{0,62}",
        "EnableCloudwatchLogsExports": {"postgresql", "upgrade", "iam-db-auth-error"},
        "CACertificateIdentifier": r"rds-ca-(rsa2048|rsa4096|ecc384)-g1",
        "PreferredBackupWindow": r"\d\d:\d\d-\d\d:\d\d",
        "PreferredMaintenanceWindow": r"(?i)(\w{3}:\d\d:\d\d)-\w{3}:\d\d:\d\d",
    },
    "ec2": {  # EC2 API reference: the operation or the type with the member
        "CreateSecurityGroupRequest.GroupName": rf"(?!sg-)(?=.){WORDS}",
        "CreateSecurityGroupRequest.Description": rf"(?=.){WORDS}",
        "IpRange.Description UserIdGroupPair.Description": WORDS,
        "IpRange.CidrIp DestinationCidrBlock CidrBlock Ipv6CidrBlock": network,
        "ClientToken": "[ -~]{0,64}",
        "PrefixListName": r"(?!com\.amazonaws).{1,255}",
        "AddPrefixListEntry.Description": ".{0,255}",
        "Throughput": range(125, 2001),
        "HttpPutResponseHopLimit": range(1, 65),
        "RuleNumber": range(1, 32767),
        "CreateVpcRequest.InstanceTenancy": {"default", "dedicated"},
        "NewDhcpConfiguration.Key": (
            "domain-name(-servers)?|ntp-servers|netbios-(name-servers|node-type)|ipv6-address-preferred-lease-time"
        ),
        "IpPermission.IpProtocol": r"-1|(?i:tcp|udp|icmp|icmpv6)|\d{1,2}|1\d\d|2[0-4]\d|25[0-5]",
    },
    "cloudwatch": {  # CloudWatch API reference, PutMetricAlarm and the operation with the member
        "AlarmActions OKActions InsufficientDataActions": ARN,
        "TreatMissingData": {"breaching", "notBreaching", "ignore", "missing"},
        "PutMetricAlarmInput.ExtendedStatistic": r"(p|tm|tc|ts|wm|pr|iqm|TM|TC|TS|WM|PR|IQM).*(?<!p10[1-9])",
        "MetricDataQuery.Id": r"[a-z]\w{0,254}",
        "PutMetricDataInput.Namespace": "(?!AWS/).+",
        "EvaluateLowSampleCountPercentile": {"evaluate", "ignore"},
        "DashboardName": "[A-Za-z0-9_-]{1,255}",
    },
    "secretsmanager": {"CreateSecretRequest.Name": STORED, "SecretId": f"arn:.+|{STORED}"},
    "kms": {
        "ScheduleKeyDeletionRequest.PendingWindowInDays": range(7, 31),
        "CreateAliasRequest.AliasName": r"alias/(?!aws/)[\w/-]+",
        "Tag.TagKey": TAG,
        "PutKeyPolicyRequest.PolicyName": {"default"},
    },
    "s3": {
        "LifecycleRule.ID CORSRule.ID": ".{0,255}",
        # S3 User Guide, "Categorizing your objects using tags"
        "Tag.Key": rf"(?!(?i:aws:))[{LETTERS}\s.:/=+@-]{{1,128}}",
        "Tag.Value": rf"[{LETTERS}\s.:/=+@-]{{0,256}}",
        "LifecycleExpiration.Date": ".*00:00:00.*",  # at midnight
        "IndexDocument.Suffix": "[^/]+",
        "Transition.Days": range(1 << 31),
        "NewerNoncurrentVersions": range(1, 101),
        "CORSRule.ExposeHeaders": "[^*]*",  # noobaa/noobaa-core pull request 8954
        "ServerSideEncryptionConfiguration.Rules OwnershipControls.Rules": 1,
        "MaxKeys MaxUploads MaxParts": range(1 << 31),
        "PartNumber": range(1, 10001),
        "Delete.Objects": 1000,
        "VersionId": r"null|[0-9a-f-]{36}",  # of moto's form
        "DaysAfterInitiation NoncurrentDays LifecycleExpiration.Days": range(1, 1 << 31),
        "CORSRule.AllowedOrigins CORSRule.AllowedHeaders": r"[^*]*\*?[^*]*",
    },
    "route53": {
        "CreateHostedZoneRequest.Name": r"([A-Za-z0-9_*-]{1,63}\.?)+",
        "ResourceRecordSet.Name": r"([^.\s]{1,63}\.)*[^.\s]{1,63}\.?",
    },
    "ssm": {  # Systems Manager API reference, PutParameter: at most 15 levels
        "PutParameterRequest.Name": r"[\w.-]+|(/[\w.-]+){1,15}",
        "PutParameterRequest.Value": ".+",
    },
    "events": {"PutTargetsRequest.Targets": 5, "DeadLetterConfig.Arn": r"arn:aws:sqs:.+"},
    "iam": {  # API reference, CreateOpenIDConnectProvider
        "Url": r"https://[^:?#/]+(/[^:?#]*)?",
        "ClientIDList": 100,
        "ThumbprintList": "[0-9A-Fa-f]{40}",
    },
    "sts": {"PolicyArns": 10},  # API reference, AssumeRole
    "logs": {
        "CreateLogGroupRequest.logGroupName": "(?!aws/).+",
        "MetricTransformation.dimensions": 3,
        "destinationArn": ARN,
        "retentionInDays": "1|3|5|7|14|30|60|90|120|150|180|365|400|545|731|1096|1827|2192|2557|2922|3288|3653",
        "StartQueryRequest.logGroupNames logGroupIdentifiers": 50,
    },
    "sns": {  # SNS API reference, Publish and Subscribe
        "PublishInput.Message": ".+",
        "PublishInput.Subject": r"[^\x00-\x1f\x7f]{1,100}",
        "TopicArn SubscriptionArn": ARN,
        "ConfirmSubscriptionInput.Token": "[0-9a-f]+",
        "PublishBatchRequestEntry.Id": ENTRY,
        **ATTRIBUTES,
        "Protocol": r"https?|email|email-json|sms|sqs|application|lambda|firehose",
    },
    "sqs": {  # SQS API reference, SendMessage and the operation's entries
        "DeleteMessageBatchRequestEntry.Id SendMessageBatchRequestEntry.Id": ENTRY,
        "SendMessageRequest.MessageBody": ".+",
        **ATTRIBUTES,
    },
    "application-autoscaling": {
        "MinCapacity MaxCapacity Cooldown ScaleInCooldown ScaleOutCooldown": range(1 << 31),
        "RegisterScalableTargetRequest.ResourceId": r"(?!service/).*|service/[^/]+/[^/]+",
    },
}
"""The forms of the operations' parameters by service; those of ``COMMON`` are every service's."""

RELATIONS = """
application-autoscaling PutScheduledActionRequest: StartTime < EndTime
cloudwatch MetricDatum: Value | StatisticValues | Values
cloudwatch MetricDatum: Counts > Values
cloudwatch PutMetricAlarmInput: Threshold ^ ThresholdMetricId
ec2 CreateNetworkAclEntryRequest: CidrBlock ^ Ipv6CidrBlock
ec2 CreateRouteRequest: DestinationCidrBlock ^ DestinationIpv6CidrBlock ^ DestinationPrefixListId
ec2 CreateVolumeRequest: KmsKeyId > Encrypted
ec2 CreateVpcEndpointRequest: SubnetIds | RouteTableIds
ec2 ModifyVpcAttributeRequest: EnableDnsHostnames | EnableDnsSupport | EnableNetworkAddressUsageMetrics
ec2 RunInstancesRequest: SecurityGroupIds | NetworkInterfaces
ec2 RunInstancesRequest: Ipv6AddressCount | Ipv6Addresses
ecs PortMapping: containerPort ^ containerPortRange
elbv2 CreateLoadBalancerInput: Subnets | SubnetMappings
elbv2 Matcher: HttpCode | GrpcCode
elbv2 TargetGroupStickinessConfig: Enabled > DurationSeconds
events EcsParameters: LaunchType | CapacityProviderStrategy
events Target: Input | InputPath | InputTransformer
logs DescribeLogGroupsRequest: logGroupNamePrefix | logGroupNamePattern
logs DescribeLogStreamsRequest: logGroupName | logGroupIdentifier
logs FilterLogEventsRequest: logStreamNames | logStreamNamePrefix
logs MetricTransformation: defaultValue | dimensions
logs StartQueryRequest: logGroupName | logGroupNames | logGroupIdentifiers
rds CreateDBInstanceMessage: KmsKeyId > StorageEncrypted
rds CreateDBInstanceMessage: PerformanceInsightsRetentionPeriod > EnablePerformanceInsights
rds CreateDBInstanceMessage: PerformanceInsightsKMSKeyId > EnablePerformanceInsights
rds CreateDBInstanceMessage: Domain > DomainIAMRoleName
route53 ResourceRecordSet: Weight > SetIdentifier
route53 ResourceRecordSet: Region > SetIdentifier
route53 ResourceRecordSet: Failover > SetIdentifier
route53 ResourceRecordSet: GeoLocation > SetIdentifier
route53 ResourceRecordSet: MultiValueAnswer > SetIdentifier
route53 ResourceRecordSet: Weight | Region | Failover | GeoLocation | MultiValueAnswer | CidrRoutingConfig
s3 GetObjectRequest: PartNumber | Range
s3 ListObjectVersionsRequest: VersionIdMarker > KeyMarker
s3 LifecycleExpiration: Days | Date | ExpiredObjectDeleteMarker
s3 Redirect: ReplaceKeyWith | ReplaceKeyPrefixWith
s3 PutObjectRequest: ObjectLockMode > ObjectLockRetainUntilDate
s3 PutObjectRequest: ObjectLockRetainUntilDate > ObjectLockMode
s3 Transition: Days | Date
s3 WebsiteConfiguration: RedirectAllRequestsTo ^ IndexDocument
s3 WebsiteConfiguration: RedirectAllRequestsTo | ErrorDocument
s3 WebsiteConfiguration: RedirectAllRequestsTo | RoutingRules
scheduler CreateScheduleInput: StartDate < EndDate
scheduler UpdateScheduleInput: StartDate < EndDate
scheduler EcsParameters: LaunchType | CapacityProviderStrategy
secretsmanager CreateSecretRequest: SecretString | SecretBinary
secretsmanager PutSecretValueRequest: SecretString | SecretBinary
secretsmanager UpdateSecretRequest: SecretString | SecretBinary
secretsmanager RotationRulesType: AutomaticallyAfterDays | ScheduleExpression
"""
"""Which members of a structure go together, by its service and its name in botocore, from the API reference of each:
at most one (|), exactly one (^), one that needs another (>), and a time that is before another (<)."""
WORDS_OF = {
    "|": "Only one of {} can be given.",
    "^": "Exactly one of {} must be given.",
    ">": "The first of {} needs the other one.",
    "<": "The first of {} must come before the other one.",
}


@cache
def _forms(service: str) -> Mapping[str, Form]:
    rows = {**COMMON, **FORMS.get(service, {})}
    return {name: form for names, form in rows.items() for name in names.split()}


def problem(service: str, operation: str, params: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the code and the message, which AWS does not document, for a parameter of another form; None for none."""
    shape, call = models.input_shape(service, operation), f"{service} {operation}"
    if shape is None:
        return None
    code = CODES.get(call) or CODES.get(service) or models.code(service, operation)
    parts = list(_structures(shape, params, ""))
    if misfit := next(_misfits(_forms(service), parts), None):
        return CODES.get(f"{service} {misfit[0]}") or code, misfit[1]
    if found := next(_unrelated(service, parts), None):
        of_shape = RELATED.get(f"{service} {found[0]}")
        return of_shape or RELATED.get(call) or RELATED.get(service) or code, found[1]
    return None


Part: TypeAlias = tuple[Shape, Mapping[str, Any], str]
"""A structure of an operation's parameters: its shape, its members that the shape has, and the path to them."""


def _structures(shape: Shape, value: Any, path: str) -> Iterator[Part]:
    if shape.type_name == "list" and isinstance(value, list):
        for member in value:
            yield from _structures(shape.member, member, path)
    elif shape.type_name == "structure" and isinstance(value, Mapping):
        known = {name: member for name, member in value.items() if name in shape.members}
        yield shape, known, path
        for name, member in known.items():
            yield from _structures(shape.members[name], member, f"{path}{name}.")
    elif shape.type_name == "map" and isinstance(value, Mapping):
        for name, member in value.items():
            yield from _structures(shape.value, member, f"{path}{name}.")


@cache
def _relations() -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in RELATIONS.strip().splitlines():
        shape, _, rule = row.partition(": ")
        found.setdefault(shape, []).append(rule)
    return found


def _unrelated(service: str, parts: Iterable[Part]) -> Iterator[tuple[str, str]]:
    """Yield the structures and relations of ``RELATIONS`` that the parameters do not keep."""
    for shape, value, _ in parts:
        for rule in _relations().get(f"{service} {shape.name}", ()):
            names, sign = rule.split()[::2], rule.split()[1]
            given = [name for name in names if value.get(name) not in (None, [], {})]
            broken = {
                "|": len(given) > 1,
                "^": len(given) != 1,
                ">": [name for name in given if not _is_off(value[name])] == names[:1],
                "<": given == names and str(value[names[0]]) >= str(value[names[1]]),
            }
            if broken[sign]:
                yield shape.name, WORDS_OF[sign].format(", ".join(names))


def _is_off(value: Any) -> bool:
    return str(value).lower() in ("false", "")


def _misfits(forms: Mapping[str, Form], parts: Iterable[Part]) -> Iterator[tuple[str, str]]:
    """Yield the structures with members of another form, and what is said of these."""
    for shape, value, path in parts:
        for name, member in value.items():
            form = forms.get(f"{shape.name}.{name}", forms.get(name))
            if form is not None and member is not None and not keeps(form, member):
                words = f"Invalid value '{member}' for {path}{name}, which must be {_shown(form)}"
                yield shape.name, words


def _shown(form: Form) -> str:
    if isinstance(form, range):
        return f"{form.start} to {form.stop - 1}"
    if isinstance(form, int):
        return f"at most {form} items"
    if isinstance(form, str):
        return f"of the form {form}"
    if callable(form):
        return "a network in CIDR notation" if form is network else "at most 50 different tags"
    return f"one of {', '.join(sorted(form))}"


def keeps(form: Form, value: object) -> bool:
    """Return whether a value, each one of a list, or each name of a map, has a form."""
    if isinstance(form, int):
        return not isinstance(value, (list, Mapping)) or len(value) <= form
    if form is tags:
        return tags(value)
    if isinstance(value, list | Mapping):
        return all(keeps(form, member) for member in value)
    text = str(value)
    if isinstance(form, range):
        return bool(re.fullmatch(r"-?\d+", text)) and int(text) in form
    if isinstance(form, str):
        return re.fullmatch(form, text, re.DOTALL | re.ASCII) is not None
    return form(text) if callable(form) else text in form
