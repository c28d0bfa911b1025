"""What the smaller services refuse and moto takes: the rows that their own files do not have."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from ipaddress import ip_address
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

from moto.core.utils import camelcase_to_underscores
from moto.sns import models

from local_cloud.aws import event_patterns
from local_cloud.aws.forms import ARN, Form, keeps
from local_cloud.aws.hooks import ACCOUNT, Params, Refusals, backend, other_than, registry, twice
from local_cloud.aws.policies import is_public, malformed
from local_cloud.aws.policy_evaluation import listed, read
from local_cloud.aws.schedule_expressions import is_schedule

WRONG, ABSENT = "ValidationException", "ResourceNotFoundException"
TIER = (
    "Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger parameter "
    "value, upgrade the parameter to use the advanced-parameter tier."
)


def _version(text: str) -> int:
    """Return the version of an IP address; 0 for a text that is none."""
    try:
        return ip_address(text).version
    except ValueError:
        return 0


RECORDS: Mapping[str, Form] = {
    "A": lambda text: _version(text) == 4,
    "AAAA": lambda text: _version(text) == 6,
    "CAA": r'\d+ \w+ ".*"',
    "CNAME": r"\S+",
    "MX": r"\d+ \S+",
    "SRV": r"\d+ \d+ \d+ \S+",
}
"""The values of records by type (Route 53 developer guide, "Supported DNS record types"); of TXT any is taken."""


def _record_sets(given: Params) -> list[Params]:
    return [change["ResourceRecordSet"] for change in given["ChangeBatch"]["Changes"]]


def _values(record_set: Params) -> list[str]:
    return [record["Value"] for record in record_set.get("ResourceRecords") or ()]


def _wrong_steps(given: Params) -> str | None:
    """Return the bound at which two step adjustments overlap or leave a gap (user guide, "Step scaling")."""
    steps = (given.get("StepScalingPolicyConfiguration") or {}).get("StepAdjustments") or ()
    low, high = "MetricIntervalLowerBound", "MetricIntervalUpperBound"
    ends = sorted(
        (float(e.get(low, "-inf")), float(e.get(high, "inf")))
        for e in steps
        if e.keys() & {low, high}
    )
    return next((f"{one[1]}" for one, other in pairwise(ends) if one[1] != other[0]), None)


def _without_metric(given: Params) -> bool:
    target = given.get("TargetTrackingScalingPolicyConfiguration")
    named = {"PredefinedMetricSpecification", "CustomizedMetricSpecification"}
    return target is not None and not target.keys() & named


def install() -> None:
    """Let SNS send nothing over the network: an HTTP endpoint gets no message before it confirms its subscription
    (SNS developer guide, "Confirming the Subscription"), and moto would post there at once.
    """
    models.requests = SimpleNamespace(post=lambda *_, **__: None)  # type: ignore[attr-defined, assignment]


QUERIES = "fields|display|filter|stats|sort|limit|parse|dedup|diff|pattern|unmask|unnest|source|anomaly|filterindex"
"""The commands of CloudWatch Logs Insights (CloudWatch Logs user guide, "Logs Insights QL commands")."""
RATE = r"rate\((1 (minute|hour|day)|(?!1 )\d+ (minute|hour|day)s)\)|cron\(.*\)"
"""The schedules of rules, which have no "at" (EventBridge user guide, "Schedule expressions for rules")."""
ENDPOINTS = {
    **{"http": "http://.+", "https": "https://.+", "sms": r"\+?[\d ()-]+"},
    **dict.fromkeys(("sqs", "lambda", "application", "firehose"), ARN),
}
"""The endpoints of subscriptions but e-mail (API reference, Subscribe)."""
JSON = r"\{.*\}|"
TOPIC: Mapping[str, Form] = {
    ".*SuccessFeedback(RoleArn|SampleRate)|.*FailureFeedbackRoleArn|Policy|KmsMasterKeyId": ".*",
    "DeliveryPolicy|ArchivePolicy|DataProtectionPolicy": JSON,
    "DisplayName": ".{0,100}",
    "TracingConfig": "PassThrough|Active",
    "SignatureVersion": "[12]",
    "ContentBasedDeduplication": "true|false",
    "FifoThroughputScope": "Topic|MessageGroup",
}
"""The attributes of a topic and their forms (API reference, SetTopicAttributes)."""
SUBSCRIPTION: Mapping[str, Form] = {
    "DeliveryPolicy|FilterPolicy|ReplayPolicy": JSON,
    "RedrivePolicy": r'\{\s*"deadLetterTargetArn"\s*:\s*"arn:aws:sqs:[^"]+"\s*\}|',
    "FilterPolicyScope": "MessageAttributes|MessageBody",
    "RawMessageDelivery": "(?i:true|false)",
    "SubscriptionRoleArn": ".*",
}
"""Those of a subscription (API reference, SetSubscriptionAttributes)."""
CONFIGURATIONS = ("StepScaling", "TargetTrackingScaling")


def _secret(given: Params) -> Any:
    return backend("secretsmanager").secrets[given["SecretId"]]


def _managed(secret: Any) -> Any:
    return secret.owning_service and secret.name


def _wrong_attribute(forms: Mapping[str, Form], given: Params) -> str | None:
    """Return what is wrong with an attribute, or one of several: "AttributeName" for one that does not exist."""
    one = {given["AttributeName"]: given.get("AttributeValue")} if "AttributeName" in given else {}
    for name, value in (given.get("Attributes") or one).items():
        form = next((form for names, form in forms.items() if re.fullmatch(names, name)), None)
        if form is None:
            return "AttributeName"
        if not keeps(form, value or "") or (form == JSON and value and read(value) is None):
            return f"{name}: {value}"
        if name == "FilterPolicy" and (wrong := event_patterns.problem(value)):
            return f"{name}: {wrong}"
    return None


def _other_topic(given: Params) -> str | None:
    """Return what the topic with this name already has otherwise: an attribute, or its tags."""
    held = backend("sns").topics[f"arn:aws:sns:{registry.region}:{ACCOUNT}:{given['Name']}"]
    given_tags = {tag["Key"]: tag["Value"] for tag in given.get("Tags") or ()}
    for name, value in (given.get("Attributes") or {}).items():
        kept = str(getattr(held, camelcase_to_underscores(name)) or "")
        if name != "Policy" and value.lower() != kept.lower():  # moto keeps a truth for a word
            return "attributes"
    return "tags" if given_tags and given_tags != held._tags else None


def _wrong_lifecycle(given: Params) -> str | None:
    rules = (read(given["lifecyclePolicyText"]) or {}).get("rules")
    if not rules:
        return "rules is missing"
    if same := twice(rule.get("rulePriority") for rule in rules):
        return f"the priority {same} is used more than once"
    for rule in rules:
        chosen = rule.get("selection") or {}
        if (chosen.get("countType") == "sinceImagePushed") != ("countUnit" in chosen):
            return "countUnit goes with sinceImagePushed"
        lists = [name for name in ("tagPrefixList", "tagPatternList") if chosen.get(name)]
        if (chosen.get("tagStatus") == "tagged") != (len(lists) == 1):
            return "tagPrefixList or tagPatternList goes with tagged images"
    return None


def _soon_deleted(given: Params) -> bool:
    held = backend("secretsmanager").secrets.get(given["Name"])
    return held is not None and held.is_deleted()


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _absent(
    member: str, known: Callable[[Any], Iterable[str]], service: str, given: Params
) -> str | None:
    """Return the name of what must exist and does not."""
    name = _last(given[member]) if service == "route53" else str(given[member])
    return None if name in known(backend(service)) else name


GONE = "{} does not exist."
TAGGED = ("groups", "destinations", "deliveries", "delivery_destinations", "delivery_sources")
"""What CloudWatch Logs has that takes tags (API reference, TagResource), by moto's names."""
# fmt: off
MUST_EXIST: Mapping[str, tuple[str, str, str, Callable[[Any], Iterable[str]]]] = {
    "cloudwatch ListTagsForResource": (
        ABSENT, GONE, "ResourceARN",
        lambda held: {*(alarm.alarm_arn for alarm in held.alarms.values()),
                      *(rule.rule_arn for rule in held.insight_rules.values())}),
    "lambda DeleteEventSourceMapping UpdateEventSourceMapping": (
        ABSENT, GONE, "UUID", lambda held: held._event_source_mappings),
    "lambda ListVersionsByFunction": (
        ABSENT, GONE, "FunctionName",
        lambda held: {name for each in held.list_functions() for name in (each.function_name, each.function_arn)}),
    "logs DeleteMetricFilter DescribeMetricFilters PutMetricFilter PutSubscriptionFilter": (
        ABSENT, "The specified log group does not exist.", "logGroupName", lambda held: held.groups),
    "logs GetQueryResults": (ABSENT, GONE, "queryId", lambda held: held.queries),
    "logs ListTagsForResource TagResource UntagResource": (
        ABSENT, GONE, "resourceArn",
        lambda held: [resource.arn for kind in TAGGED for resource in getattr(held, kind).values()]),
    "route53 DeleteHealthCheck": ("NoSuchHealthCheck", GONE, "HealthCheckId", lambda held: held.health_checks),
    "route53 DeleteReusableDelegationSet": ("NoSuchDelegationSet", GONE, "Id", lambda held: held.delegation_sets),
    # moto has one change for each kind of operation
    "route53 GetChange": ("NoSuchChange", GONE, "Id", lambda _: ("C1PA6795UKMFR9", "C2682N5HXP0BZ4", "a1b2c3d4")),
}
# fmt: on
"""Operations that name what must exist, where moto does not look: the error's code in the operation's API reference and
its words, the member with the name, and the names that exist."""


def _immutable(given: Params) -> bool:
    """Return whether a tag exists in an immutable repository, be it of the same image.

    Sources: API reference, PutImage, ImageTagAlreadyExistsException; github.com/aws/containers-roadmap/issues/2179 (the
    same digest); github.com/moby/buildkit/issues/3776 (the message).
    """
    repository = backend("ecr").repositories[given["repositoryName"]]
    exists = any(given.get("imageTag") in image.image_tags for image in repository.images)
    return exists and repository.image_tag_mutability == "IMMUTABLE"


# fmt: off
REFUSALS: Refusals = {
    **{calls: ((code, words, partial(_absent, member, known, calls.split()[0])),)
       for calls, (code, words, member, known) in MUST_EXIST.items()},
    "acm RequestCertificate": (  # API reference, DomainValidationOption
        ("InvalidDomainValidationOptionsException", "The validation domain {} is not the domain or above it.",
         lambda p: next((
             option["ValidationDomain"] for option in p.get("DomainValidationOptions") or ()
             if not f".{option['DomainName']}".endswith(f".{option['ValidationDomain']}")), None)),
    ),
    "ecr PutImage": (
        ("RepositoryNotFoundException",
         f"The repository with name '{{}}' does not exist in the registry with id '{ACCOUNT}'",
         lambda p: (name := p["repositoryName"]) not in backend("ecr").repositories and name),
        ("ImageTagAlreadyExistsException", "The image tag '{0[imageTag]}' already exists in the '{0[repositoryName]}' "
         "repository and cannot be overwritten because the repository is immutable.", lambda p: _immutable(p) and p),
    ),
    "secretsmanager CreateSecret": (  # terraform-provider-aws, secret.go
        ("InvalidRequestException", "You can't create this secret because a secret with this name is already scheduled "
         "for deletion.", _soon_deleted),
    ),
    # The last two: recorded by LocalStack, test_tag_untag_resource_on_deleted_secret.
    "secretsmanager PutSecretValue UpdateSecret TagResource UntagResource": (
        ("InvalidRequestException", "You can't perform this operation on the secret because it was marked for "
         "deletion.", lambda p: _secret(p).is_deleted()),
    ),
    "secretsmanager PutResourcePolicy": (
        ("MalformedPolicyDocumentException", "This resource policy contains a syntax error: {}",
         lambda p: malformed(p["ResourcePolicy"])),
        ("PublicPolicyException", "You can't grant broad access to the secret with BlockPublicPolicy.", lambda p: (
            p.get("BlockPublicPolicy")
            and any(map(is_public, listed((read(p["ResourcePolicy"]) or {})["Statement"]))))),
    ),
    "secretsmanager RotateSecret": (
        ("InvalidRequestException", "No Lambda rotation function ARN is associated with this secret.", lambda p: not (
            p.get("RotationLambdaARN") or (secret := _secret(p)).rotation_lambda_arn or _managed(secret))),
    ),
    "secretsmanager DeleteSecret": (  # Secrets Manager user guide, "Secrets managed by other AWS services"
        ("InvalidRequestException", "You can't delete the managed secret {}.", lambda p: _managed(_secret(p))),
    ),
    "logs DeleteMetricFilter": (
        (ABSENT, "The specified metric filter does not exist.", lambda p: not any(
            (held["logGroupName"], held["filterName"]) == (p["logGroupName"], p["filterName"])
            for held in backend("logs").filters.metric_filters)),
    ),
    "route53 ChangeTagsForResource ListTagsForResource": (
        ("NoSuchHealthCheck", "The health check {} does not exist.", lambda p: (
            p["ResourceType"] == "healthcheck"
            and (name := p["ResourceId"]) not in backend("route53").health_checks and name)),
    ),
    "logs PutMetricFilter FilterLogEvents PutSubscriptionFilter": (
        ("InvalidParameterException", "Invalid filter pattern: {}", lambda p: (
            (text := p.get("filterPattern") or "")
            and any(text.count(one) != text.count(other) for one, other in ("{}", "[]", "()"))
            and text)),
    ),
    "logs StartQuery": (
        ("MalformedQueryException", "unexpected symbol found {}", lambda p: next((
            command for command in re.split(r"\|", re.sub(r"/.*?/|\".*?\"|'.*?'", "", p.get("queryString") or ""))
            if other_than(rf"\s*((?i:{QUERIES})\b.*|#.*)?", command)), None)),
    ),
    "route53 ChangeResourceRecordSets": (
        # kubernetes-sigs/external-dns issue 992, hashicorp/terraform-provider-aws issue 4218
        ("InvalidInput", "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or "
         "TrafficPolicyInstanceId], but found none or more in Change with [Name={}]", lambda p: next((
             record["Name"] for record in _record_sets(p) if bool(record.get("AliasTarget")) == (
                 record.get("TTL") is not None and bool(_values(record)))), None)),
        ("InvalidChangeBatch", "[Invalid Resource Record: 'FATAL problem: the value is not valid (encountered with "
         "'{}')']", lambda p: next((value for record in _record_sets(p) for value in _values(record)
                                   if not keeps(RECORDS.get(record["Type"], ".*"), value)), None)),
        ("InvalidChangeBatch", "[RRSet of type CNAME with DNS name {} has more than one value]", lambda p: next((
            each["Name"] for each in _record_sets(p) if each["Type"] == "CNAME" and len(_values(each)) > 1), None)),
    ),
    "route53 CreateHostedZone": (
        ("InvalidVPCId", "The VPC ID is invalid.", lambda p: (
            (vpc := p.get("VPC")) and vpc["VPCRegion"] == registry.region and vpc["VPCId"] not in backend("ec2").vpcs)),
        ("HostedZoneAlreadyExists", "A hosted zone has already been created with the specified caller reference.",
         lambda p: any(z.caller_reference == p["CallerReference"] for z in backend("route53").zones.values())),
    ),
    "logs PutResourcePolicy": (
        ("InvalidParameterException", "{}", lambda p: p.get("policyDocument") and malformed(p["policyDocument"])),
    ),
    "ecr SetRepositoryPolicy": (
        ("InvalidParameterException", "Invalid parameter at 'PolicyText': {}", lambda p: malformed(p["policyText"])),
    ),
    "ecr PutLifecyclePolicy": (  # ECR user guide, "Lifecycle policy properties"
        ("InvalidParameterException", "Lifecycle policy validation failure: {}", _wrong_lifecycle),
    ),
    "ssm PutParameter": (
        (WRONG, "An advanced parameter can't become a standard one.", lambda p: (  # SSM user guide, parameter tiers
            p.get("Tier") == "Standard" and backend("ssm")._parameters[p["Name"]][-1].tier == "Advanced")),
        (WRONG, "Parameter value, cannot be validated against allowedPattern: {}", lambda p: (
            (pattern := p.get("AllowedPattern")) and not re.fullmatch(pattern, p["Value"]) and pattern)),
        (WRONG, TIER, lambda p: p.get("Tier", "Standard") == "Standard" and len(p["Value"]) > 4096),
    ),
    "sns Subscribe": (
        ("InvalidParameter", "Invalid parameter: Endpoint must match the specified protocol", lambda p: other_than(
            ENDPOINTS.get(p["Protocol"], ".*"), p.get("Endpoint") or "-")),
        ("InvalidParameter", "Invalid parameter: Email address", lambda p: (
            p["Protocol"] == "email" and other_than(r"[^@\s]+@[^@\s]+\.[^@\s]+", p.get("Endpoint") or "-"))),
    ),
    "sns CreateTopic": (
        ("InvalidParameter", "Invalid parameter: Attributes Reason: {}", lambda p: _wrong_attribute(
            {**TOPIC, "FifoTopic": "true|false"}, p)),
        ("InvalidParameter", "Invalid parameter: Topic already exists with different {}", _other_topic),
    ),
    "sqs CreateQueue SetQueueAttributes": (
        ("InvalidAttributeName", "Unknown Attribute {}.", lambda p: (
            not (p.get("QueueName") or p["QueueUrl"]).endswith(".fifo")
            and next((name for name in p.get("Attributes") or () if re.match("Fifo|ContentBased|Dedup", name)), None))),
    ),
    "sns Publish": (
        ("InvalidParameter", "Invalid parameter: Message Structure - JSON message body failed to parse",
         lambda p: p.get("MessageStructure") == "json" and read(p["Message"]) is None),
        ("InvalidParameter", "Invalid parameter: Message Structure - No default entry in JSON message body", lambda p: (
            p.get("MessageStructure") == "json" and not isinstance((read(p["Message"]) or {}).get("default"), str))),
    ),
    "sns SetTopicAttributes": (
        ("InvalidParameter", "Invalid parameter: Policy Error: {}", lambda p: (
            p["AttributeName"] == "Policy" and p.get("AttributeValue")
            and malformed(p["AttributeValue"], ("Principal",)))),
        ("InvalidParameter", "Invalid parameter: {}", lambda p: _wrong_attribute(TOPIC, p)),
    ),
    "sns Subscribe SetSubscriptionAttributes": (
        ("InvalidParameter", "Invalid parameter: {}", lambda p: _wrong_attribute(SUBSCRIPTION, p)),
    ),
    # These are recorded by LocalStack, tests/aws/services/events.
    "events PutRule CreateArchive UpdateArchive TestEventPattern": (
        ("InvalidEventPatternException", "Event pattern is not valid. Reason: {}",
         lambda p: event_patterns.problem(p.get("EventPattern"))),
    ),
    "events TestEventPattern": (
        (WRONG, "Parameter Event is not valid.", lambda p: read(p["Event"]) is None),
    ),
    "events UpdateArchive": (
        (WRONG, "At least one of EventPattern, RetentionDays or Description must be provided.",
         lambda p: not p.keys() & {"EventPattern", "RetentionDays", "Description"}),
    ),
    "events PutTargets": (
        (WRONG, "InputTemplate for target {0[0]} contains invalid placeholder {0[1]}.", lambda p: next((
            (target["Id"], name) for target in p["Targets"] if (how := target.get("InputTransformer"))
            for name in re.findall(r"<([\w-]+)>", how["InputTemplate"])
            if name not in (how.get("InputPathsMap") or ())), None)),
    ),
    "events PutRule": (  # the first one is recorded by LocalStack, tests_put_rule_with_schedule_custom_event_bus
        (WRONG, "ScheduleExpression is supported only on the default event bus.", lambda p: (
            p.get("ScheduleExpression") and _last(p.get("EventBusName") or "default") != "default")),
        (WRONG, "Parameter ScheduleExpression is not valid.", lambda p: (
            (text := p.get("ScheduleExpression")) and (not is_schedule(text) or other_than(RATE, text)))),
    ),
    "scheduler CreateSchedule UpdateSchedule": (
        (WRONG, "MaximumWindowInMinutes cannot be set for a flexible time window with the mode OFF.", lambda p: (
            (window := p["FlexibleTimeWindow"])["Mode"] == "OFF" and window.get("MaximumWindowInMinutes"))),
    ),
    "application-autoscaling PutScheduledAction": (
        (WRONG, "A scalable target action needs MinCapacity or MaxCapacity.", lambda p: (
            (action := p.get("ScalableTargetAction")) is not None and not action)),
    ),
    "application-autoscaling RegisterScalableTarget PutScheduledAction": (
        (WRONG, "Maximum capacity cannot be less than minimum capacity", lambda p: (
            int((ends := p.get("ScalableTargetAction") or p)["MinCapacity"]) > int(ends["MaxCapacity"]))),
    ),
    "application-autoscaling PutScalingPolicy": (
        (WRONG, "A target tracking policy needs a predefined or a customized metric.", _without_metric),
        (WRONG, "The predefined metric {} is one of another service.", lambda p: (
            p["ServiceNamespace"] == "ecs" and other_than("ECSService.*|ALBRequestCountPerTarget", (
                (p.get("TargetTrackingScalingPolicyConfiguration") or {}).get("PredefinedMetricSpecification") or {}
            ).get("PredefinedMetricType")))),
        (WRONG, "A step scaling policy needs step adjustments.", lambda p: (
            (steps := p.get("StepScalingPolicyConfiguration")) is not None and not steps.get("StepAdjustments"))),
        (WRONG, "Step adjustment intervals must neither overlap nor have gaps: {}", _wrong_steps),
        (WRONG, "The configuration must be that of the policy's type: {}", lambda p: (
            p.get("PolicyType", "StepScaling") in CONFIGURATIONS
            and not p.get(f"{(kind := p.get('PolicyType', 'StepScaling'))}PolicyConfiguration") and kind)),
    ),
}
# fmt: on
"""What ``hooks.register`` refuses."""
