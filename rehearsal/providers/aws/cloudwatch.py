"""Alarms and dashboards."""

from __future__ import annotations

from rehearsal.providers.calls import Calls
from rehearsal.providers.kind import Kind, Setting, Subject, Values

OF_THE_METRIC = ("namespace", "metricName", "dimensions")


def _query(query: Values) -> Values:
    """CloudWatch parts a query's metric from how it is summed up, and returns it unless told not to."""
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


def _put(calls: Calls, kind: Kind, inputs: Values) -> str:
    calls(kind.service, kind.create, calls.convert(kind.service, kind.create, inputs))
    return str(inputs["alarmName"])


def _put_again(subject: Subject) -> None:
    """An alarm is put as a whole; its tags are left alone, as CloudWatch ignores them here."""
    untagged = {name: value for name, value in subject.inputs.items() if name != "tags"}
    _put(subject.calls, subject.kind, untagged)


ALARM = Kind(
    token="aws:cloudwatch/metricAlarm:MetricAlarm",
    service="cloudwatch",
    identity="AlarmName",
    create="put_metric_alarm",
    on_create=_put,
    read="describe_alarms",
    found="MetricAlarms[0]",
    delete="delete_alarms",
    replaces=frozenset({"name"}),
    prepare=_alarm,
    settings=(
        Setting(
            inputs=(
                *("actionsEnabled", "alarmActions", "alarmDescription", "comparisonOperator"),
                *("datapointsToAlarm", "dimensions", "evaluationPeriods", "extendedStatistic"),
                *("insufficientDataActions", "metricName", "metrics", "namespace", "okActions"),
                *("period", "statistic", "threshold", "treatMissingData", "unit"),
            ),
            apply=_put_again,
            on_create=False,
        ),
    ),
    autoname="name",
    fixed_name="name",
    outputs={"arn": "AlarmArn"},
)

DASHBOARD = Kind(
    token="aws:cloudwatch/dashboard:Dashboard",
    service="cloudwatch",
    identity="DashboardName",
    create="put_dashboard",
    identity_from="inputs.dashboardName",
    read="get_dashboard",
    found="@",
    delete="delete_dashboards",
    update="put_dashboard",
    replaces=frozenset({"dashboardName"}),
    fixed_name="dashboardName",
    outputs={"dashboardArn": "DashboardArn"},
)

KINDS = (ALARM, DASHBOARD)
