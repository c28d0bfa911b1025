"""The table: every control for every stack, with what the graph says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from tests.controls.control import Control, Elsewhere, Service, judged, offenders
from tests.controls.ec2 import EC2
from tests.controls.ecs import ECR, ECS
from tests.controls.elb import ACM, ELB, ROUTE53
from tests.controls.graph import Graph
from tests.controls.identity import IAM, KMS, SECRETS
from tests.controls.left_out import LEFT_OUT
from tests.controls.options import BASE, Option, section
from tests.controls.others import AUTO_SCALING, CLOUDWATCH, EVENTS, SSM
from tests.controls.rds import RDS
from tests.controls.storage import S3, SNS

SERVICES = (
    *(ECS, ECR, ELB, ACM, ROUTE53, RDS, EC2, SECRETS, IAM, KMS, S3, SNS, SSM, AUTO_SCALING),
    *(EVENTS, CLOUDWATCH),
)
CONTROLS = tuple(
    one for service in SERVICES for one in service.controls if isinstance(one, Control)
)
ELSEWHERE = tuple(
    one for service in SERVICES for one in service.controls if isinstance(one, Elsewhere)
)
HEAD = """# Controls of AWS Security Hub

How the stacks stand to the standard [AWS Foundational Security Best Practices][fsbp]: every control of the services in
use. `python -m tests.controls` makes this page from the resources that the program declares with each stack's settings
(stage 2); a test judges every control again and fails when the page is wrong, when a control that is left out is met
after all, or when a resource comes in that some control would have to judge and nothing does yet.
A stack's own policies allow no action by a pattern and no resource `*`, but where AWS knows nothing narrower
(`tests/controls/policies.py` lists those, and why).

[fsbp]: https://docs.aws.amazon.com/securityhub/latest/userguide/fsbp-standard.html
"""


def page(graphs: Mapping[str, Graph], optional: Callable[[Option], Graph]) -> str:
    """The whole page."""
    counts = [f"{_count(stack, graph)}\n" for stack, graph in graphs.items()]
    sections = ["".join(_section(service, graphs)) for service in SERVICES]
    sections.append("".join(section(CONTROLS, graphs[BASE], optional)))
    addresses = [f"[{one.id}]: {at.address(one)}\n" for at in SERVICES for one in at.controls]
    return "\n".join([HEAD, "".join(counts), *sections, "".join(addresses)])


def _count(stack: str, graph: Graph) -> str:
    asked = [one for one in CONTROLS if judged(one, graph)]
    met = [one for one in asked if not offenders(one, graph)]
    return f"- `{stack}`: {len(met)} of {len(asked)} controls that apply are met."


def _section(service: Service, graphs: Mapping[str, Graph]) -> Iterator[str]:
    yield f"## {service.name}\n\n"
    if service.note:
        yield f"{service.note}\n\n"
    controls = [one for one in service.controls if isinstance(one, Control)]
    asked = [one for one in controls if any(judged(one, graph) for graph in graphs.values())]
    if asked:
        heads = " | ".join(f"`{stack}`" for stack in graphs)
        yield f"| control | what it asks | {heads} |\n|---|---|{'---|' * len(graphs)}\n"
        for one in asked:
            cells = " | ".join(verdict(one, stack, graph) for stack, graph in graphs.items())
            yield f"| [{one.id}] | {one.title} | {cells} |\n"
    notes = [*_absent([one for one in controls if one not in asked]), *_elsewhere(service)]
    yield from ["\n" if asked and notes else "", *notes]


def verdict(control: Control, stack: str, graph: Graph) -> str:
    """What stands in the table. ValueError where a control fails and nobody has said why."""
    if not judged(control, graph):
        return f"does not apply: no {control.what}"
    found = offenders(control, graph)
    if not found:
        return "met"
    if control.id not in LEFT_OUT[stack]:
        raise ValueError(
            f"{control.id} ({control.title}) fails in {stack}: {found[0]}; "
            "mend it in infra/, or say why not in tests/controls/left_out.py"
        )
    return f"left out: {LEFT_OUT[stack][control.id]}"


def _absent(controls: list[Control]) -> Iterator[str]:
    """One line, in groups: what no stack has, and the controls that would judge it."""
    groups = [
        f"{what} ({', '.join(f'[{one.id}]' for one in controls if one.what == what)})"
        for what in dict.fromkeys(one.what for one in controls)
    ]
    if groups:
        yield f"- Does not apply, as no stack has one: {'; '.join(groups)}.\n"


def _elsewhere(service: Service) -> Iterator[str]:
    """A line for each reason, with all the controls that it holds for."""
    others = [one for one in service.controls if isinstance(one, Elsewhere)]
    for why in dict.fromkeys(one.why for one in others):
        asked = "; ".join(f"[{one.id}] {one.title}" for one in others if one.why == why)
        yield f"- Not for a stack to declare, {why}: {asked}.\n"
