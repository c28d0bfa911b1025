"""Check the tasks' connections to AWS's services: routes, NAT gateways, public addresses, HTTPS."""

from collections.abc import Iterator, Sequence

from ecs_gate.checks import network_path
from ecs_gate.checks.inputs import no_secret
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import DATABASE, IMAGE, LOGS, SECRETS, START, AtStart, Facts
from ecs_gate.diagnosis.findings import Finding, Fix
from ecs_gate.diagnosis.reachability import (
    HTTPS,
    INTERNET,
    TASK_PORTS,
    AclDenial,
    NoInternet,
    Side,
    has_gateway,
    missing_rules,
    outbound_denials,
    private_endpoint,
    without_internet,
)
from ecs_gate.facts.secrets import secret_arn
from ecs_gate.parts.records import Service
from ecs_gate.parts.vpc import Network
from ecs_gate.text import Text, t

VPC_WITHOUT_DNS = AtStart("vpc-without-dns", 19, {DATABASE, IMAGE, SECRETS, LOGS})
# A NAT gateway may be pending.
TASK_CANNOT_REACH_AWS = Facts("task-cannot-reach-aws", 20, {IMAGE, SECRETS, LOGS}, subject=START)
TASK_CANNOT_REACH_ENDPOINT = AtStart("task-cannot-reach-endpoint", 21, {IMAGE, SECRETS, LOGS})
TASK_HTTPS_CLOSED = AtStart("task-https-closed", 22, {IMAGE, SECRETS, LOGS})

NEEDED = ("ecr.api", "ecr.dkr", "logs", "secretsmanager")
"""What Fargate needs before a container starts."""

LAYERS = "s3"
"""Where ECR has the layers of its images (ECR user guide, "Create the Amazon S3 gateway endpoint")."""

NO_CONNECTION = (
    r"i/o timeout|connection issue|context deadline exceeded|request canceled|"
    r"dial tcp|RequestError: send request failed|failed to do request"
)

CANNOT_START = t(
    "Before a container starts, Fargate pulls its image from ECR, reads its secrets from Secrets Manager and opens "
    "its log stream. Without a route there no task starts."
)


def vpc_dns(case: Case) -> Iterator[Finding]:
    if case.network is None or case.network.dns:
        return
    yield Finding(
        VPC_WITHOUT_DNS,
        title=t("The VPC's DNS is off: no task can look up a name"),
        why=t(
            "A task finds the database, ECR, Secrets Manager and CloudWatch Logs by their names. Without the "
            "VPC's DNS no task starts, and a running one opens no new connection."
        ),
        seen=(t("The VPC's attribute enableDnsSupport is false."),),
        fixes=(
            *case.correct_program(t("Turn DNS support on for the VPC ({network}), and deploy:")),
            *case.then_retry(),
        ),
        evidence=case.stop_reasons(NO_CONNECTION),
    )


def task_to_aws(case: Case) -> Iterator[Finding]:
    """Check that tasks can reach ECR, S3, CloudWatch Logs and Secrets Manager, which Fargate needs to start them.

    The name of a service leads to its interface endpoint with private DNS and nowhere else, or to the internet.
    In stage 1 these are the future tasks.
    """
    service, network = case.service, case.network
    if network is None or (service and not service.fargate):
        return
    prefix = f"{case.now.names.prefix}-{'public' if case.target.plan.public else 'private'}-"
    planned = tuple(each.id for each in network.subnets.values() if each.name.startswith(prefix))
    subnets = service.subnets if service else planned
    doors = {service_name: private_endpoint(network, service_name) for service_name in NEEDED}
    beyond = [name for name, door in doors.items() if door is None]
    if not has_gateway(network, subnets, LAYERS):
        beyond.append(LAYERS)
    if beyond:
        yield from _routes(case, network, subnets, beyond)
    if service is None:
        return
    if beyond:
        yield from _https(case, service, network)
    yield from network_path.blocked(
        case,
        service,
        [door for door in doors.values() if door],
        HTTPS,
        TASK_PORTS,
        Finding(
            TASK_CANNOT_REACH_ENDPOINT,
            title=t("A VPC endpoint refuses the tasks"),
            why=t(
                "With private DNS a service's name leads to its endpoint alone, also where a NAT gateway leads to the "
                "internet. Before a container starts, Fargate pulls its image, reads its secrets and opens its log."
            ),
            evidence=case.stop_reasons(NO_CONNECTION),
        ),
        declared=False,
    )


def _routes(
    case: Case, network: Network, subnets: tuple[str, ...], beyond: Sequence[str]
) -> Iterator[Finding]:
    service = case.service
    public = service.public_ip if service else case.target.plan.public
    cut_off = without_internet(network, subnets, public)
    if not cut_off and (denials := outbound_denials(network, subnets)):
        yield _acls_deny(case, network, denials)
    if cut_off or not (subnets or service):
        seen = [_no_internet(way, network) for way in cut_off]
        restored = case.refresh(t("Restore the gateways and routes that are declared:"))
        own = case.own_tables([way.subnet for way in cut_off])
        yield Finding(
            TASK_CANNOT_REACH_AWS,
            title=t("The tasks' subnets have no route to the internet"),
            why=CANNOT_START,
            seen=(
                *(seen or [t("There are no subnets of the tasks.")]),
                *_not_by_endpoint(network, beyond),
            ),
            fixes=(
                *(_gateway(case, network, subnets, beyond) or own or (restored,)),
                *case.then_retry(),
            ),
            evidence=case.stop_reasons(NO_CONNECTION),
        )


def _not_by_endpoint(network: Network, beyond: Sequence[str]) -> Iterator[Text]:
    """Yield which services an endpoint leads to none of, where the VPC has some."""
    if any(endpoint.private_dns for endpoint in network.endpoints):
        yield t(
            "The VPC has no endpoint for {services} that the tasks can use.",
            services=", ".join(beyond),
        )
        if not network.hostnames:
            yield t(
                "The VPC's attribute enableDnsHostnames is false, so no endpoint has a private name."
            )


def _gateway(
    case: Case, network: Network, subnets: tuple[str, ...], beyond: Sequence[str]
) -> tuple[Fix, ...]:
    """Return how a VPC whose endpoints lead to all but S3 gets the gateway endpoint that does, and costs nothing."""
    group = case.now.group.value
    if [*beyond] != [LAYERS] or group is None:
        return ()
    tables = dict.fromkeys(
        network.subnets[each].table for each in subnets if each in network.subnets
    )
    command = (
        f"aws ec2 create-vpc-endpoint --vpc-id {group.vpc} --vpc-endpoint-type Gateway "
        f"--service-name com.amazonaws.{case.now.region}.s3 --route-table-ids {' '.join(tables)}"
    )
    text = t("Create the gateway endpoint for S3, which has the image's layers:")
    return (Fix(text, (command,)),)


def _acls_deny(case: Case, network: Network, denials: tuple[AclDenial, ...]) -> Finding:
    return Finding(
        TASK_CANNOT_REACH_AWS,
        title=t("A network ACL blocks the tasks' connections to the internet"),
        why=CANNOT_START,
        seen=(*network_path.acl_sentences(denials, network), network_path.WHY),
        fixes=(*network_path.acl_fixes(denials, network), *case.then_retry()),
        evidence=case.stop_reasons(NO_CONNECTION),
    )


def _no_internet(cut_off: NoInternet, network: Network) -> Text:
    known, target = network.subnets.get(cut_off.subnet), cut_off.target
    values = {"subnet": _named(cut_off.subnet, network), "target": target}
    match cut_off.why:
        case "no-route":
            values["table"] = known.table if known else ""
            return t(
                "Subnet {subnet}: its route table {table} has no route to 0.0.0.0/0.", **values
            )
        case "blackhole" | "nat-missing":
            return t(
                "Subnet {subnet}: its route to 0.0.0.0/0 leads to {target}, which does not exist.",
                **values,
            )
        case "nat-state":
            nat = network.nats[target]
            values |= {"state": nat.state, "failure": nat.failure}
            return t("Subnet {subnet}: its NAT gateway {target} is {state}. {failure}", **values)
        case "nat-private":
            return t(
                "Subnet {subnet}: its NAT gateway {target} is in {other}, which has no route to an internet gateway.",
                **values,
                other=_named(network.nats[target].subnet, network),
            )
    return t(
        "Subnet {subnet} leads to the internet gateway {target}, which serves only tasks with a "
        "public address, and assignPublicIp is DISABLED.",
        **values,
    )


def _named(subnet: str, network: Network) -> str:
    known = network.subnets.get(subnet)
    return f"{subnet} ({known.name})" if known else subnet


def _https(case: Case, service: Service, network: Network) -> Iterator[Finding]:
    source = Side(service.groups)
    missing = missing_rules(network, source, INTERNET, HTTPS)
    if not missing:
        return
    yield Finding(
        TASK_HTTPS_CLOSED,
        title=t("The tasks' security group does not allow outbound HTTPS"),
        why=CANNOT_START,
        seen=tuple(network_path.missing_rule(e, network, source, INTERNET, HTTPS) for e in missing),
        fixes=(case.restore_rules(), *case.then_retry()),
        evidence=case.stop_reasons(NO_CONNECTION),
    )


def planned_secrets(case: Case) -> Iterator[Finding]:
    """Check in stage 1 that the secrets of the database and of the app exist."""
    database, known = case.now.database.value, case.now.secrets.value
    if case.definition is not None or database is None or case.now.secrets.problem:
        return
    named = {"DB_PASSWORD": database.secret, **case.target.plan.secrets}
    for name, value in named.items():
        secret = (known or {}).get(secret_arn(value))
        if not value or secret is None or secret.deleted:
            yield no_secret(case, name, secret_arn(value) or "-", secret)
