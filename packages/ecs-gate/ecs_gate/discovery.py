"""Finds everything about a service from the names of its cluster and of itself: what AWS's own answers refer to."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.session import Session
from ecs_gate.diagnosis.findings import PAGE_PART, Unread, unlooked
from ecs_gate.facts.images import image_parts
from ecs_gate.facts.secrets import is_of_another_region, is_parameter
from ecs_gate.parts import ecs, elb
from ecs_gate.parts.elb import Balancer, Listener, PageRequest, TargetGroup
from ecs_gate.parts.records import Part, read_existing, read_part, short
from ecs_gate.target import HealthCheck, Login, Page, ServiceNames, Target
from ecs_gate.text import Refused, Text, t

CONTROLLER = "ECS"
"""The deployment controller whose deployments ECS itself makes (ECS API reference, DeploymentController)."""
OWN_ADDRESS = "awsvpc"
"""The network mode in which each task has an address, by which it is a target (ECS API reference, TaskDefinition)."""
APPLICATION = "app/"
"""How the name of an Application Load Balancer begins in its ARN (Service Authorization Reference)."""
AT_RDS = re.compile(r"[\w.-]+\.rds\.amazonaws\.com(?:\.cn)?")
"""The address of a DB instance, a cluster or a proxy (RDS user guide, "Finding the connection information")."""


class NoService(Refused):
    """The command was called with names that ECS does not know."""

    exit_code = 4


NOT_READ = 2


class Unfollowed(Refused):
    """A service whose roll-outs cannot be followed."""

    exit_code = NOT_READ


@dataclass(frozen=True, kw_only=True)
class Found:
    """A service with all that AWS's answers lead to."""

    target: Target
    definition: str
    """The ARN of the task definition that is expected to run."""
    group: str = ""
    """The ARN of its target group; "" without a load balancer."""
    unseen: tuple[Unread, ...] = ()
    """What was not found because it could not be read, and what the gate does not look at."""
    blind: Text | None = None
    """Why no roll-out of it can be followed; None where it can."""


@dataclass(frozen=True)
class Chosen:
    """What a caller says of the page: its URL, and the status codes of a page that works."""

    url: str = ""
    expects: str = ""


def discover(
    target: Target, session: Session, declared: str = "", page: Chosen | None = None
) -> Found:
    """Complete a target of which cluster, service and region are known; each part is found by itself.

    ``declared`` is the task definition that is expected to run, by ARN or as `family:7`; without it, it is that of the
    service's newest deployment, whether ECS has gone back from it or not. Raises AwsProblem where the service or its
    task definition cannot be read, and NoService.
    """
    return _Search(target, session, page or Chosen()).found(declared)


def _made_elsewhere(service: Mapping[str, Any]) -> Text:
    return t(
        "Its deployments are made by {controller}, not by ECS: ecs-gate cannot follow them.",
        controller=_controller(service),
    )


class _Search:
    """One search. What could not be read is noted in ``unseen``."""

    def __init__(self, target: Target, session: Session, page: Chosen) -> None:
        self.session, self.chosen, self.names = session, page, target.names
        self.target, self.unseen = target, list[Unread]()
        service = read_existing(ecs.described_service, session, target.names)
        if service is None:
            text = t(
                "Cluster {cluster} in {region} has no service {service}.",
                cluster=target.names.cluster,
                region=session.region or "-",
                service=target.names.service,
            )
            raise NoService(text)
        # Of the controller EXTERNAL each task set has a task definition of its own.
        if not service.get("taskDefinition"):
            raise Unfollowed(_made_elsewhere(service))
        self.service: Mapping[str, Any] = service

    def found(self, declared: str) -> Found:
        name = declared or self._deployed()
        raw = self.session.call("ecs", "describe_task_definition", taskDefinition=name)
        definition = raw["taskDefinition"]
        first = self.service.get("loadBalancers", ())[:1]
        balanced = {each.get("containerName", "") for each in first}
        container = ecs.app_container(definition, balanced)
        log = ecs.log_options(definition, container)
        groups = [*self._groups()]
        self.unseen += _not_looked_at(self.service, definition, container)
        balancer = self._balancer(groups)
        names = ServiceNames(
            cluster=self.names.cluster,
            service=self.names.service,
            # Without a target group nothing but its tasks tells how it is.
            process="" if groups else self.names.service,
            family=short(definition["taskDefinitionArn"]),
            container=container["name"],
            log_group=log.get("awslogs-group", ""),
            balancer=balancer.name if balancer else "",
            target_group=_name(groups[0]) if groups else "",
            alternate_group=_name(groups[1]) if len(groups) > 1 else "",
            database=self._database(definition),
            repository=self._repository(container["image"], definition["taskDefinitionArn"]),
        )
        page, login = self._page(balancer, groups)
        alarms = (self.service.get("deploymentConfiguration") or {}).get("alarms") or {}
        watched = tuple(alarms.get("alarmNames", ())) if alarms.get("enable") else ()
        region = self.session.region
        target = replace(
            self.target, names=names, region=region, page=page, login=login, alarms=watched
        )
        return Found(
            target=target,
            definition=definition["taskDefinitionArn"],
            group=groups[0] if groups else "",
            unseen=tuple(self.unseen),
            blind=_blind(self.service, definition, groups),
        )

    def _missed(self, what: Text, part: Part[Any]) -> None:
        if part.problem:
            self.unseen.append(Unread(what, part.problem))

    def _deployed(self) -> str:
        """Return the task definition of the newest deployment; where ECS does not tell of it, the one that it runs."""

        def newest() -> str:
            rows = ecs.service_deployments(self.session, self.names)
            return ecs.deployed_definition(self.session, rows[0]) if rows else ""

        part = read_part(newest)
        self._missed(t("the service's last deployments"), part)
        return part.value or str(self.service["taskDefinition"])

    def _groups(self) -> Iterator[str]:
        """Yield the ARN of the target group, and of the one that alternates with it; others are not looked at."""
        known = [
            each for each in self.service.get("loadBalancers", ()) if each.get("targetGroupArn")
        ]
        for number, balancer in enumerate(known):
            alternate = (balancer.get("advancedConfiguration") or {}).get("alternateTargetGroupArn")
            if number == 0:
                yield from (arn for arn in (balancer["targetGroupArn"], alternate) if arn)
            else:
                self.unseen.append(
                    unlooked(t("the target group {name}", name=_name(balancer["targetGroupArn"])))
                )

    def _balancer(self, groups: list[str]) -> Balancer | None:
        if not groups:
            return None
        part = read_part(self._balancer_of, groups)
        self._missed(t("the load balancer"), part)
        return part.value

    def _balancer_of(self, groups: list[str]) -> Balancer | None:
        """Return the load balancer that forwards to the target groups. Raises AwsProblem, also where none does."""
        raw = self.session.call("elbv2", "describe_target_groups", TargetGroupArns=groups)
        arns = {arn for group in raw["TargetGroups"] for arn in group["LoadBalancerArns"]}
        names = sorted(arn.partition(":loadbalancer/")[2] for arn in arns)
        known = [name.split("/")[1] for name in names if name.startswith(APPLICATION)]
        for name in names:
            if not name.startswith(APPLICATION):
                self.unseen.append(
                    unlooked(t("the network load balancer {name}", name=name.split("/")[1]))
                )
        if not names:
            raise AwsProblem(
                "refused",
                t("No load balancer forwards to {group}.", group=_name(groups[0])),
                t("Where its listener or rule is declared, let it forward to that target group."),
            )
        return elb.balancer(self.session, known[0]) if known else None

    def _page(self, balancer: Balancer | None, groups: list[str]) -> tuple[Page, Login]:
        """Return the page as the rules and the health check tell of it, or as it was given; and its login."""
        listener = _listener(balancer, groups, self.chosen.url) if balancer else None
        if balancer is None or (listener is None and not self.chosen.url):
            self._no_page(bool(groups))
            return replace(self.target.page, path=""), Login()
        if listener is None:
            return _given(self.chosen, balancer.dns), Login()
        group = read_part(elb.target_group, self.session, _name(groups[0])).value
        check = group.check if group else HealthCheck()
        if group and group.version != TargetGroup.version:
            self._unseen_page(
                t(
                    # ELB user guide, "Troubleshoot your Application Load Balancers", HTTP 464.
                    "The load balancer takes {version} alone for {group}, and ecs-gate requests pages with HTTP/1.1.",
                    version=group.version,
                    group=group.name,
                ),
                t("Nothing is to be done: its health checks and events are looked at."),
            )
            return replace(self.target.page, path=""), Login()
        page = (
            _given(self.chosen, balancer.dns)
            if self.chosen.url
            else _of_listener(listener, balancer, groups, check)
        )
        request = PageRequest(
            page.domain or (None if page.https else balancer.dns), page.path or check.path
        )
        rule = next(
            (r for g in groups if (r := elb.answering(listener, request, g)) and g in r.groups),
            None,
        )
        if rule is None and not self.chosen.url:
            self._no_page(True)
            return replace(page, path=""), Login()
        oidc = rule.login if rule else None
        return page, Login(issuer=oidc.issuer, client_id=oidc.client) if oidc else Login()

    def _no_page(self, balanced: bool) -> None:
        if self.chosen.url:
            why = t("It is requested of an Application Load Balancer alone, and none was found.")
            self._unseen_page(why, t("Look at it yourself."))
        elif balanced:
            why = t("No path is known that the load balancer forwards to the service.")
            self._unseen_page(why, t("Name the page's URL."))

    def _unseen_page(self, why: Text, way_out: Text) -> None:
        self.unseen.append(Unread(PAGE_PART, AwsProblem("unseen", why, way_out), essential=False))

    def _database(self, definition: Mapping[str, Any]) -> str:
        """Return the DB instance whose address a variable has, or whose managed secret a container gets; or ""."""
        containers = definition["containerDefinitions"]
        texts = [e["value"] for c in containers for e in c.get("environment", ())]
        secrets = [e["valueFrom"] for c in containers for e in c.get("secrets", ())]
        part = read_part(self.session.all, "rds", "describe_db_instances", "DBInstances")
        self._missed(t("the database"), part)
        known = part.value or []
        mine = [database for database in known if _is_named(database, texts, secrets)]
        addresses = {str((database.get("Endpoint") or {}).get("Address")) for database in known}
        named = {host for text in texts for host in AT_RDS.findall(text)}
        others = sorted(str(database["DBInstanceIdentifier"]) for database in mine[1:])
        # Of a cluster or a proxy no instance has the address.
        others += sorted(named - addresses) if not part.problem else []
        self.unseen += [unlooked(t("the database {name}", name=other)) for other in others]
        return str(mine[0]["DBInstanceIdentifier"]) if mine else ""

    def _repository(self, image: str, arn: str) -> str:
        """Return the image's repository in the service's own account and region; "" for one elsewhere."""
        parts, (_, _, _, region, account, *_) = image_parts(image), arn.split(":")
        if (parts["region"], parts["account"]) == (region, account):
            return parts["repository"]
        self.unseen.append(unlooked(t("the image {image}", image=image), essential=False))
        return ""


def _is_named(raw: Mapping[str, Any], texts: list[str], secrets: list[str]) -> bool:
    address = (raw.get("Endpoint") or {}).get("Address")
    secret = (raw.get("MasterUserSecret") or {}).get("SecretArn")
    return any(address and address in text for text in texts) or any(
        secret and arn.startswith(secret) for arn in secrets
    )


def _name(group: str) -> str:
    """Return a target group's name, which its ARN has."""
    return group.partition(":targetgroup/")[2].partition("/")[0]


def _listener(balancer: Balancer, groups: list[str], url: str) -> Listener | None:
    """Return the listener of the page's URL; without one the usual one of those that forward to the target groups."""
    if url:
        return elb.serving(balancer, url)
    forwarding = [
        listener
        for listener in balancer.listeners
        if any({*groups} & {*rule.groups} for rule in listener.rules)
    ]
    return elb.serving(replace(balancer, listeners=tuple(forwarding)), "")


def _of_listener(
    listener: Listener, balancer: Balancer, groups: list[str], check: HealthCheck
) -> Page:
    """Return the page that a listener's rule tells of: at the health check's path, which is known to answer."""
    rules = [rule for rule in listener.rules if {*groups} & {*rule.groups}]
    hosts = [
        value
        for rule in rules
        for condition in rule.conditions
        for value in condition.values
        if condition.field == "host-header" and not {*"*?"} & {*value}
    ]
    certified = listener.certificate.domain if listener.certificate else ""
    https = listener.protocol == "HTTPS"
    domain = next(iter((*hosts, certified)), "")
    usual = listener.port == (443 if https else 80)
    host = f"{domain or balancer.dns}{'' if usual else f':{listener.port}'}"
    return Page(
        path=check.path,
        expects=f"{check.matcher},200-299",
        url=f"{'https' if https else 'http'}://{host}",
        domain=domain,
        https=https,
    )


def _given(chosen: Chosen, dns: str) -> Page:
    """Return the page of a URL. Its certificate must be for its host, unless that is the load balancer's own name."""
    url = urlsplit(chosen.url)
    path = f"{url.path or '/'}{f'?{url.query}' if url.query else ''}"
    return Page(
        path=path,
        expects=chosen.expects or Page.expects,
        url=f"{url.scheme}://{url.netloc}",
        domain="" if url.hostname == dns else url.hostname or "",
        https=url.scheme == "https",
    )


def _not_looked_at(
    service: Mapping[str, Any], definition: Mapping[str, Any], container: Mapping[str, Any]
) -> Iterator[Unread]:
    """Yield what the service has and no part of a snapshot reads."""
    if (controller := _controller(service)) != CONTROLLER:
        yield unlooked(t("the deployments that {controller} makes", controller=controller))
    if not ecs.on_fargate(service):
        yield unlooked(t("the instances that its tasks run on"))
    if any(volume.get("efsVolumeConfiguration") for volume in definition.get("volumes", ())):
        yield unlooked(t("the EFS file systems that its tasks mount"))
    deployments = service.get("deployments", ())
    if any((each.get("serviceConnectConfiguration") or {}).get("enabled") for each in deployments):
        yield unlooked(t("Service Connect"))
    if any(deployment.get("vpcLatticeConfigurations") for deployment in deployments):
        yield unlooked(t("VPC Lattice"))
    if any(balancer.get("loadBalancerName") for balancer in service.get("loadBalancers", ())):
        yield unlooked(t("the Classic Load Balancer"))
    region = definition["taskDefinitionArn"].split(":")[3]
    if not ecs.log_options(definition, container).get("awslogs-group"):
        text = t("the app's log, which is not in CloudWatch Logs of {region}", region=region)
        yield unlooked(text, essential=False)
    given = [one for each in definition["containerDefinitions"] for one in each.get("secrets", ())]
    if any(is_parameter(secret["valueFrom"]) for secret in given):
        yield unlooked(t("the parameters of Parameter Store that its tasks get"), essential=False)
    if any(is_of_another_region(secret["valueFrom"], region) for secret in given):
        yield unlooked(t("the secrets of another region that its tasks get"), essential=False)


def _controller(service: Mapping[str, Any]) -> str:
    return str((service.get("deploymentController") or {}).get("type", CONTROLLER))


def _blind(
    service: Mapping[str, Any], definition: Mapping[str, Any], groups: list[str]
) -> Text | None:
    if _controller(service) != CONTROLLER:
        return _made_elsewhere(service)
    if groups and definition.get("networkMode") != OWN_ADDRESS:
        return t(
            "Its tasks have the network mode {mode}: ecs-gate knows a task's target by the address of its own that a "
            "task has with awsvpc alone.",
            mode=definition.get("networkMode") or "bridge",
        )
    return None
