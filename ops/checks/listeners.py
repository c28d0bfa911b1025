"""The listener that serves the page: where its rules lead, and whether its certificate holds."""

from __future__ import annotations

from collections.abc import Iterator

from i18n import t
from ops import routing
from ops.checks.case import Case
from ops.findings import Finding, Fix
from ops.snapshot.entrance import Balancer, Listener, Rule, TargetGroup
from stack.names import RULE_PRIORITY


def forwarding(case: Case) -> Iterator[Finding]:
    """A request to the page must end at the service's target group, whatever other rules there are."""
    service, balancer, group = case.service, case.now.balancer.value, case.now.group.value
    if service is None or balancer is None or group is None:
        return
    listener, host = routing.serving(balancer), _host(case, balancer)
    rules = listener.rules if listener else ()
    first = routing.answering(listener, host, group.arn) if listener else None
    if first is not None and group.arn in first.groups:
        return
    if listener is not None and first is not None and not first.default:
        yield _in_the_way(case, listener, first, group)
    ours = [each for each in rules if group.arn in each.groups]
    if all(routing.fitting(each, host) is False for each in ours):
        yield _none_forwards(case, balancer, listener, group)


def shadowed(case: Case) -> Iterator[Finding]:
    """Stage 1: the rule that stage 2 makes must find its number free, and no rule before it that fits."""
    balancer, group = case.now.balancer.value, case.now.group.value
    if case.service is not None or balancer is None or group is None:
        return
    listener, host = routing.serving(balancer), _host(case, balancer)
    for rule in listener.rules if listener else ():
        if listener is None or rule.default or group.arn in rule.groups:
            continue
        if int(rule.priority) == RULE_PRIORITY:
            yield _taken(listener, rule)
        elif int(rule.priority) < RULE_PRIORITY and routing.fitting(rule, host):
            yield _in_the_way(case, listener, rule, group)


def _taken(listener: Listener, rule: Rule) -> Finding:
    return Finding(
        id="rule-taken",
        title=t("The number of the app's rule is taken by another rule of the load balancer"),
        why=t("Two rules of a listener cannot have one number: stage 2 fails with PriorityInUse."),
        seen=(
            t(
                "Rule {priority} of listener {listener} ({action}) is not one of this program.",
                priority=rule.priority,
                listener=_label(listener),
                action=rule.action,
            ),
        ),
        fixes=(
            Fix(t("Take the rule away:"), (f"aws elbv2 delete-rule --rule-arn {rule.arn}",)),
            Fix(
                t("Or give it a number above {priority}:", priority=RULE_PRIORITY),
                (
                    "aws elbv2 set-rule-priorities --rule-priorities "
                    f"RuleArn={rule.arn},Priority={RULE_PRIORITY + 100}",
                ),
            ),
        ),
    )


def _host(case: Case, balancer: Balancer) -> str | None:
    """By which name the page is asked for; with a certificate of one's own that is not known."""
    https = case.now.settings.https
    return https.domain or (None if https.certificate_arn else balancer.dns)


def _in_the_way(case: Case, listener: Listener, rule: Rule, group: TargetGroup) -> Finding:
    return Finding(
        id="rule-in-the-way",
        title=t("Another rule of the load balancer answers in place of the tasks"),
        why=t("The rule with the lowest number that fits answers; those behind it get no request."),
        seen=(
            t(
                "Rule {priority} of listener {listener} ({action}) fits a request to the page, "
                "and does not lead to {group}.",
                priority=rule.priority,
                listener=_label(listener),
                action=rule.action,
                group=group.name,
            ),
        ),
        fixes=(
            Fix(t("Take the rule away:"), (f"aws elbv2 delete-rule --rule-arn {rule.arn}",)),
            Fix(
                t("Then let Pulumi put back what the program declares:"), (case.refresh,), then=True
            ),
        ),
    )


def _none_forwards(
    case: Case, balancer: Balancer, listener: Listener | None, group: TargetGroup
) -> Finding:
    return Finding(
        id="no-rule-forwards",
        title=t("No rule of the load balancer forwards to the tasks"),
        why=t("Requests get the default answer, the 503 page that says that ECS is off."),
        seen=(
            t(
                "Listener {listener} of {balancer}: {count} rules, none leads / to {group}.",
                listener=_label(listener) if listener else "-",
                balancer=balancer.name,
                count=len(listener.rules) if listener else 0,
                group=group.name,
            ),
        ),
        fixes=(case.refreshed(t("Let Pulumi put the rule back:")),),
    )


def _label(listener: Listener) -> str:
    return f"{listener.protocol}:{listener.port}"


def certificate(case: Case) -> Iterator[Finding]:
    """The certificate of the listener that serves must be one that browsers take."""
    balancer = case.now.balancer.value
    listener = routing.serving(balancer) if balancer else None
    found = listener.certificate if listener else None
    if found is None or found.status in ("ISSUED", ""):
        return
    yield Finding(
        id="certificate-not-valid",
        title=t("The load balancer's certificate is {status}", status=found.status),
        why=t("Browsers refuse a page whose certificate does not hold."),
        seen=(t("ACM says so of {arn}.", arn=found.arn),),
        fixes=(_certified(case, found.arn),),
    )


def _certified(case: Case, arn: str) -> Fix:
    if case.now.settings.https.domain:
        return case.refreshed(
            t("Let Pulumi put back the record by which ACM issues and renews it:")
        )
    stack = case.now.names.stack
    return Fix(
        t("Import a new one under its ARN, or name another one in certificateArn and deploy:"),
        (f"aws acm describe-certificate --certificate-arn {arn}", f"pulumi up -s {stack}"),
    )
