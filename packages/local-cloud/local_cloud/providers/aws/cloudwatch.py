"""CloudWatch's alarms and dashboards, log groups, and EventBridge's rules with their targets."""

from local_cloud.calls import Calls
from local_cloud.providers.kind import (
    Kind,
    Setting,
    Subject,
    Values,
    again,
    regular,
    whole,
)

OF_THE_METRIC = ("namespace", "metricName", "dimensions")


def _query(query: Values) -> Values:
    """Convert a metric query. CloudWatch separates the metric from its statistic, and returns it by default."""
    metric = query.get("metric") or {}
    result = {name: value for name, value in query.items() if name != "metric"}
    if metric:
        named = {name: metric[name] for name in OF_THE_METRIC if metric.get(name) is not None}
        rest = {name: value for name, value in metric.items() if name not in OF_THE_METRIC}
        result["metricStat"] = {"metric": named, **rest}
    return {**result, "returnData": bool(query.get("returnData"))}


def _alarm(inputs: Values) -> Values:
    rest = {name: value for name, value in inputs.items() if name not in ("name", "metricQueries")}
    if inputs.get("metricQueries"):
        rest["metrics"] = [_query(query) for query in inputs["metricQueries"]]
    return {**rest, "alarmName": inputs["name"]}


ALARM = regular(
    "aws:cloudwatch/metricAlarm:MetricAlarm",
    "AlarmName",
    create="put_metric_alarm",
    read="describe_alarms",
    found="MetricAlarms[0]",
    delete="delete_alarms",
    prepare=_alarm,
    settings=(
        whole(
            "put_metric_alarm",
            *("actionsEnabled", "alarmActions", "alarmDescription", "comparisonOperator"),
            *("datapointsToAlarm", "dimensions", "evaluationPeriods", "extendedStatistic"),
            *("insufficientDataActions", "metricName", "metrics", "namespace", "okActions"),
            *("period", "statistic", "threshold", "treatMissingData", "unit"),
        ),
    ),
    reads={
        "metricQueries": "Metrics[].merge(@, {metric: MetricStat && merge(MetricStat.Metric, MetricStat)})",
        "name": "AlarmName",
    },
    autoname="name",
    outputs={"arn": "AlarmArn"},
)

DASHBOARD = regular(
    "aws:cloudwatch/dashboard:Dashboard",
    "DashboardName",
    create="put_dashboard",
    read="get_dashboard",
    delete="delete_dashboards",
    update="put_dashboard",
    replaces="dashboardName",
    fixed_name="dashboardName",
    outputs={"dashboardArn": "DashboardArn"},
)


RULE = regular(
    "aws:cloudwatch/eventRule:EventRule",
    "Name",
    service="events",
    create="put_rule",
    read="describe_rule",
    delete="delete_rule",
    replaces="eventBusName",
    settings=(whole("put_rule", "description", "eventPattern", "scheduleExpression", "state"),),
    defaults={"eventBusName": "default"},
    autoname="name",
    outputs={"arn": "Arn", "name": "Name"},
)


def _target(inputs: Values) -> Values:
    """Convert a target. EventBridge takes the rule as its own parameter and names the transformer differently."""
    target: Values = {"Id": inputs["targetId"], "Arn": inputs["arn"]}
    transformer = inputs.get("inputTransformer")
    if transformer:
        target["InputTransformer"] = {
            "InputPathsMap": transformer.get("inputPaths") or {},
            "InputTemplate": transformer["inputTemplate"],
        }
    return target


def _aim(calls: Calls, _: Kind, inputs: Values) -> str:
    targets = {"Rule": inputs["rule"], "Targets": [_target(inputs)]}
    failed = calls("events", "put_targets", targets)["FailedEntries"]
    if failed:
        raise ValueError(f"{inputs['rule']}: {failed[0]['ErrorMessage']}")
    return f"{inputs['rule']}-{inputs['targetId']}"


def _look_target(subject: Subject) -> Values | None:
    listed = subject.calls("events", "list_targets_by_rule", {"Rule": subject.inputs["rule"]})
    wanted = [target for target in listed["Targets"] if target["Id"] == subject.inputs["targetId"]]
    return dict(wanted[0]) if wanted else None


def _remove_target(subject: Subject) -> None:
    where = {"Rule": subject.inputs["rule"], "Ids": [subject.inputs["targetId"]]}
    subject.calls("events", "remove_targets", where)


TARGET = regular(
    "aws:cloudwatch/eventTarget:EventTarget",
    "TargetId",
    service="events",
    create="put_targets",
    on_create=_aim,
    look=_look_target,
    on_delete=_remove_target,
    replaces="rule eventBusName",
    ignored={"rule": "sent by _aim"},
    settings=(again(_aim, "arn", "inputTransformer"),),
    reads={
        "inputTransformer": "InputTransformer.{inputPaths: InputPathsMap, inputTemplate: InputTemplate}"
    },
    autoname="targetId",
    fixed_name="",
)


def _look_group(subject: Subject) -> Values | None:
    answer = subject.calls("logs", "describe_log_groups", {"logGroupNamePrefix": subject.identity})
    groups = [group for group in answer["logGroups"] if group["logGroupName"] == subject.identity]
    return dict(groups[0]) if groups else None


def _keep(subject: Subject) -> None:
    days = int(subject.inputs.get("retentionInDays") or 0)
    if days:
        subject.call("put_retention_policy", retentionInDays=days)
    else:
        subject.call("delete_retention_policy")


LOG_GROUP = regular(
    "aws:cloudwatch/logGroup:LogGroup",
    "logGroupName",
    service="logs",
    look=_look_group,
    replaces="logGroupClass",
    names={"name": "logGroupName"},
    ignored={"skipDestroy": "keeps it when the provider is to delete it"},
    settings=(Setting(inputs=("retentionInDays",), apply=_keep),),
    defaults={"retentionInDays": 0, "skipDestroy": False},
    autoname="name",
    outputs={"arn": lambda _, found: str(found["arn"]).removesuffix(":*"), "name": "logGroupName"},
)

KINDS = (ALARM, DASHBOARD, LOG_GROUP, RULE, TARGET)
