"""Logs, alarms, dashboards, metrics, budgets."""

from __future__ import annotations

from collections.abc import Iterator

from i18n import t
from ops.cost.bill import Case, Rule, UnknownUsage, Use
from ops.cost.graph import Resource

APP_LOGS = "/ecs/"
"""How the names of the log groups begin that hold tasks' output."""

DAYS = 365 / 12

FOR_EVER = 0

TRACKING_ALARMS = 2
"""Alarms that a target-tracking policy makes, one for out and one for in (Application Auto Scaling guide)."""


def log_group(resource: Resource, case: Case) -> Iterator[Use]:
    """Yield what a log group ingests and stores, uncompressed.

    Flow logs are billed with the flow log.
    """
    delivered = any(resource.urn in each.needs for each in case.graph.all("ec2:FlowLog"))
    written = case.assumed.flow_log_gb if delivered else _written(resource, case)
    if not delivered:
        yield Use(what=t("written, GB"), group="monitoring", quantity=written, price="log-gb")
    days = int(resource.get("retentionInDays", FOR_EVER))
    months = days / DAYS if days else 12
    yield Use(
        what=t("kept, GB"), group="monitoring", quantity=written * months, price="log-gb-month"
    )


def _written(resource: Resource, case: Case) -> float:
    name = str(resource.inputs.get("name") or "")
    return case.assumed.log_gb if name.startswith(APP_LOGS) else case.assumed.other_log_gb


def alarm(resource: Resource, _: Case) -> Iterator[Use]:
    """Yield an alarm, billed by the number of its metrics."""
    queries = resource.get("metricQueries", [])
    metrics = sum("metric" in each for each in queries) if queries else 1
    yield Use(what=t("alarm"), group="monitoring", quantity=metrics, price="alarm")


def composite(_: Resource, __: Case) -> Iterator[Use]:
    """Yield a composite alarm."""
    yield Use(what=t("alarm"), group="monitoring", quantity=1, price="composite-alarm")


def dashboard(_: Resource, __: Case) -> Iterator[Use]:
    """Yield a dashboard; that an account's first three are free is not counted."""
    yield Use(what=t("dashboard"), group="monitoring", quantity=1, price="dashboard")


def scaling(resource: Resource, _: Case) -> Iterator[Use]:
    """Yield the alarms of a target-tracking policy; the policy itself is free."""
    if resource.get("policyType", "StepScaling") == "TargetTrackingScaling":
        yield Use(what=t("its alarms"), group="monitoring", quantity=TRACKING_ALARMS, price="alarm")


def cluster(resource: Resource, case: Case) -> Iterator[Use]:
    """Yield the metrics of Container Insights; the cluster itself is free."""
    modes = {each["name"]: each["value"] for each in resource.get("settings", [])}
    prices = {"enabled": "metric", "enhanced": "insights-metric"}
    price = prices.get(modes.get("containerInsights", "disabled"))
    services = len(case.graph.all("ecs:Service"))
    if price and services:
        quantity = case.assumed.insights_metrics * services
        yield Use(
            what=t("Container Insights, metrics"),
            group="monitoring",
            quantity=quantity,
            price=price,
        )


def budget(resource: Resource, _: Case) -> Iterator[Use]:
    """Yield nothing: a budget without actions is free (aws-cost-management/aws-budgets/pricing)."""
    if resource.kind != "Budget":
        raise UnknownUsage(t("a budget's actions are billed by the day, with no price here"))
    yield from ()


RULES: dict[str, Rule] = {
    "cloudwatch:LogGroup": log_group,
    "cloudwatch:MetricAlarm": alarm,
    "cloudwatch:CompositeAlarm": composite,
    "cloudwatch:Dashboard": dashboard,
    "appautoscaling:Policy": scaling,
    "ecs:Cluster": cluster,
    "budgets:Budget": budget,
    "budgets:BudgetAction": budget,
}
