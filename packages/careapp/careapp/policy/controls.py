"""The model of a control, and its conversion to a policy that the engine checks."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import yaml
from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from careapp import ROOT
from careapp.settings.settings import Settings

GUIDE = "https://docs.aws.amazon.com/securityhub/latest/userguide"
LEFT_OUT = next(
    file
    for file in (ROOT / "policy" / "left_out.yaml", Path(__file__).with_name("left_out.yaml"))
    if file.exists()
)
"""The project's own file, or without one that of careapp, which the wheel carries."""
ANYWHERE = {"0.0.0.0/0", "::/0"}
"""The CIDR ranges of the whole internet."""


class Checked(Protocol):
    """A resource as the engine passes it to a policy."""

    resource_type: str
    props: Mapping[str, Any]
    urn: str


Resources: TypeAlias = Sequence[PolicyResource]
Check: TypeAlias = Callable[[Checked], bool]
"""Return whether one resource, before it is created, violates a control."""


@dataclass(frozen=True)
class InStack:
    """A check of a resource and of those that depend on it, when all resources of the stack are known."""

    violates: Callable[[PolicyResource, Resources], bool]


@dataclass(frozen=True)
class Control:
    """A control of Security Hub: its text, the resource types that it applies to, and its check.

    ``cost`` is what AWS charges for it.
    """

    id: str
    text: str
    kinds: tuple[str, ...]
    check: Check | InStack
    cost: str = ""

    @property
    def url(self) -> str:
        """The URL of the control in AWS's user guide."""
        service = self.id.partition(".")[0].lower()
        return f"{GUIDE}/{service}-controls.html#{self.id.lower().replace('.', '-')}"


def table(kinds: str | tuple[str, ...], *rows: tuple[Any, ...]) -> list[Control]:
    """Return the controls of resource types: a row has the id, the text, the check, and what it costs, if anything."""
    types = (kinds,) if isinstance(kinds, str) else kinds
    return [Control(id_, text, types, *more) for id_, text, *more in rows]


def as_policy(control: Control) -> Policy:
    """Return the mandatory policy that reports each resource that violates the control."""
    shared: dict[str, Any] = {
        "name": control.id,
        "description": control.text,
        "enforcement_level": EnforcementLevel.MANDATORY,
        "url": control.url,
    }
    if not isinstance(control.check, InStack):

        def check(args: ResourceValidationArgs, report: ReportViolation) -> None:
            if not is_left_out(control, args.urn) and violators(control, [args]):
                report(_message(control), args.urn)

        return ResourceValidationPolicy(validate=check, **shared)

    def check_stack(args: StackValidationArgs, report: ReportViolation) -> None:
        for one in violators(control, args.resources):
            if not is_left_out(control, one.urn):
                report(_message(control), one.urn)

    return StackValidationPolicy(validate=check_stack, **shared)


def violators(control: Control, resources: Sequence[Any]) -> list[Any]:
    """Return the resources that violate a control, including those of stacks that leave it out."""
    return [
        one
        for one in resources
        if one.resource_type in control.kinds and _violates(control, one, resources)
    ]


def _violates(control: Control, one: Any, resources: Resources) -> bool:
    try:
        if isinstance(control.check, InStack):
            return control.check.violates(one, resources)
        return control.check(one)
    except UnknownValueError:
        # The value is known after another resource was created; the engine checks again then.
        return False


def _message(control: Control) -> str:
    return (
        f"Meet {control.id} in infra/ or by the stack's settings, "
        f"or leave it out for this stack in policy/left_out.yaml, with the reason. {control.url}"
    )


def is_left_out(control: Control, urn: str) -> bool:
    """Return whether a resource's stack leaves a control out."""
    # The engine passes the stack's name to a Python policy pack only in URNs.
    return control.id in left_out(urn.split(":")[2])


@cache
def reasons() -> Mapping[str, Any]:
    """Return the contents of left_out.yaml."""
    written: Mapping[str, Any] = yaml.safe_load(LEFT_OUT.read_text())
    return written


@cache
def left_out(stack: str) -> Mapping[str, str]:
    """Return the controls that a stack leaves out, with the reasons."""
    written = reasons()
    chosen: dict[str, str] = dict(written["every stack"]) | written["stacks"].get(stack, {})
    for conditions, controls in written["settings"].items():
        if set(conditions.split()) <= _settings(stack):
            chosen |= controls
    return chosen


def _settings(stack: str) -> set[str]:
    """Return a stack's settings as `key=value`. The engine starts a policy pack in the project's folder."""
    if not Path(f"Pulumi.{stack}.yaml").exists():  # with `pulumi --config-file`
        return set()
    return {f"{key}={text}" for key, text in Settings.read(stack).texts.items()}


def value(resource: Checked, path: str, default: Any = None) -> Any:
    """Return a property by a path such as `healthCheck.protocol`; of a list, the first item that has the key."""
    item_value: Any = resource.props
    for key in path.split("."):
        if isinstance(item_value, Sequence) and not isinstance(item_value, str):
            item_value = next((item[key] for item in item_value if key in item), None)
        else:
            item_value = (item_value or {}).get(key)
    return default if item_value is None else item_value


def unless(path: str, *good: Any, default: Any = None) -> Check:
    """Return the check that a property has one of the ``good`` values."""
    return lambda resource: value(resource, path, default) not in good


def having(path: str, *bad: Any, default: Any = None) -> Check:
    """Return the check that a property has none of the ``bad`` values."""
    return lambda resource: value(resource, path, default) in bad


def pointing_at(
    target: PolicyResource, resources: Resources, kind: str, key: str
) -> Iterator[PolicyResource]:
    """Yield the resources of a type whose property ``key`` depends on the target.

    A property from an output of awsx's Vpc depends on that component instead of its child.
    """
    urns = {target.urn}
    if target.parent and target.parent.resource_type.startswith("awsx:"):
        urns.add(target.parent.urn)
    for one in of_type(resources, kind):
        if urns & {source.urn for source in one.property_dependencies.get(key, [])}:
            yield one


def sources(resource: PolicyResource, key: str, kind: str) -> list[PolicyResource]:
    """Return the resources of a type that a property depends on."""
    return list(of_type(resource.property_dependencies.get(key, []), kind))


def of_type(resources: Iterable[PolicyResource], kind: str) -> Iterator[PolicyResource]:
    """Yield the resources of one type."""
    return (one for one in resources if one.resource_type == kind)


def lacks(kind: str, key: str, **needed: Any) -> InStack:
    """Return the check for a resource of ``kind`` that depends on this one and has the values ``needed``."""

    def violates(resource: PolicyResource, resources: Resources) -> bool:
        return not any(
            all(other.props.get(name) == value for name, value in needed.items())
            for other in pointing_at(resource, resources, kind, key)
        )

    return InStack(violates)
