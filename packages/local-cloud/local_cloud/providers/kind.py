"""``Kind``, the description of a resource type for the stand-in, and helpers to write one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import jmespath
from botocore.model import StructureShape

from local_cloud.calls import Calls

Values = dict[str, Any]
NEVER = Event()
"""For an operation that nothing cancels."""
CHOSEN = "__defaults"
"""The entry of checked inputs with the names of those that the program left out and the provider has set."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A resource during an operation: its type, its id, its inputs and the AWS client."""

    kind: Kind
    calls: Calls
    identity: str
    inputs: Values
    known: str = ""
    """The value of the state's ``named_by``."""
    before: Values = field(default_factory=dict)
    """The inputs before a change. None at its creation."""
    cancel: Event = NEVER
    """Set when the operation is to wait no longer."""

    @property
    def name(self) -> str:
        """Return the value of the kind's ``identity``, which is the id unless the kind knows another one."""
        if self.known:
            return self.known
        return self.kind.locate(self.calls, self.identity) if self.kind.locate else self.identity

    @property
    def changed(self) -> set[str]:
        """Return the names of the inputs that differ from those before the change."""
        names = {*self.before, *self.inputs}
        return {name for name in names if self.before.get(name) != self.inputs.get(name)}

    def call(self, operation: str, **more: Any) -> Values:
        """Call ``operation`` on this resource."""
        return self.calls(self.kind.service, operation, self.named(operation, more))

    def send(self, operation: str, inputs: Mapping[str, Any]) -> None:
        """Call ``operation`` on this resource with inputs in Pulumi's form."""
        self.call(operation, **self.calls.convert(self.kind.service, operation, inputs))

    def named(self, operation: str, more: Mapping[str, Any]) -> Values:
        """Return ``more`` with the parameters of ``operation`` that name this resource.

        The id is a single value or a list of one, by botocore's model.
        """
        shape = self.calls.model(self.kind.service, operation).input_shape
        members = shape.members if isinstance(shape, StructureShape) else {}
        scope = {parameter: self.inputs.get(name) for parameter, name in self.kind.scope.items()}
        params: Values = {}
        for single, value in {self.kind.identity: self.name, **scope}.items():
            if single in members:
                params[single] = value
            elif f"{single}s" in members:
                params[f"{single}s"] = [value]
        return params | dict(more)


Apply = Callable[[Subject], object]
Follow = Callable[[Subject, Values | None], None]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Inputs that a separate operation sets: after creation, if that did not take them, and on a change."""

    inputs: tuple[str, ...]
    apply: Apply
    on_create: bool = True


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One Pulumi resource type and its AWS operations.

    ``names`` are AWS's names of inputs that Pulumi calls otherwise; ``prepare`` converts what another name is not
    enough for.
    ``identity`` is the AWS parameter that names the resource. Its value in the answer of ``create``, or else among
    the parameters, is the id; unless ``identity_from`` is the id's path in the answer, which also has the ``inputs``,
    or computes it. Where the id is not the value of ``identity``, ``locate`` finds that value by the id, or
    ``named_by`` is the output that has it.
    ``found`` is the path of the resource in the answer of ``read``. By default it is the first item of the only list
    there, or the only structure, or the whole answer.
    ``replaces`` are the inputs, or parts of inputs (``disk.encrypted``), whose change replaces the resource. Of the
    inputs ``one_of`` one is given; another one replaces the resource. ``ignored`` are the inputs that are not sent,
    each with its reason. ``repeated`` are the inputs that are sent with every change.
    ``autoname`` is the input for which the provider chooses a name where the program gives none. ``joint`` stands in it
    between the resource's name in the program and a random suffix; None: there is no suffix.
    ``fixed_name`` is the input that must be unique, by default ``autoname``; "": there is none. ``deletes_first``:
    only one such resource can exist at a time. With either one the resource is deleted before its replacement is
    created.
    ``defaults`` are the values of inputs that the program leaves out. They are AWS's own, so that a creation leaves
    the settings of their own operations out.
    ``follow`` waits after a creation or change until AWS has carried it out. It also gets AWS's description from
    before a change.
    A refresh reads every input by its name, or that of ``names``, in the description, which the answers of the
    operations ``also`` complete. ``reads`` has the paths of those that are elsewhere, or computes them. AWS does not
    return those of ``unread``, each with its reason, at whatever depth.
    """

    token: str
    service: str
    identity: str
    create: str
    identity_from: str | Callable[[Values], str] = ""
    named_by: str = ""
    locate: Callable[[Calls, str], str] | None = None
    read: str = ""
    found: str = ""
    delete: str = ""
    update: str | None = None
    scope: Mapping[str, str] = field(default_factory=dict)
    replaces: frozenset[str] = frozenset()
    one_of: frozenset[str] = frozenset()
    ignored: Mapping[str, str] = field(default_factory=dict)
    repeated: frozenset[str] = frozenset()
    names: Mapping[str, str] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    reads: Mapping[str, str | Callable[[Subject, Values], Any]] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Values], Values] = dict
    settings: tuple[Setting, ...] = ()
    outputs: Mapping[str, str | Callable[[Subject, Values], Any]] = field(default_factory=dict)
    autoname: str | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    joint: str | None = "-"
    fixed_name: str | None = None
    deletes_first: bool = False
    tag_type: str | None = None
    look: Callable[[Subject], Values | None] | None = None
    on_create: Callable[[Calls, Kind, Values], str] | None = None
    on_delete: Apply | None = None
    absent: tuple[str, ...] = ()
    ready: tuple[str, str] | None = None
    follow: Follow | None = None

    @property
    def prefix(self) -> str:
        """Return the input with the beginning of the name that the provider chooses. AWS does not know it."""
        return f"{self.autoname}Prefix"

    def prepared(self, inputs: Values) -> Values:
        """Return ``inputs`` as AWS calls them, without Pulumi's internal entries and without those that are None."""
        given = clean(inputs)
        given.pop(self.prefix, None)
        return self.prepare({self.names.get(name, name): given[name] for name in given})

    def replacing(self, olds: Values, news: Values) -> list[str]:
        """Return the inputs whose change from ``olds`` to ``news`` replaces the resource."""
        replaces = {*self.replaces, self.prefix}
        parts = {part for part in replaces if path(part, olds) != path(part, news)}
        before, after = (
            {name for name in self.one_of if values.get(name) is not None}
            for values in (olds, news)
        )
        return sorted({part.partition(".")[0] for part in parts} | (before ^ after))


SERVICES = {"appautoscaling": "application-autoscaling", "lb": "elbv2"}
"""The names in botocore of Pulumi's modules that have another one there."""


def regular(token: str, identity: str, noun: str = "", replaces: str = "", **more: Any) -> Kind:
    """Return the kind of a resource whose operations are ``create``, ``describe`` and ``delete`` with one noun.

    By default the noun, and the service, are those of the token. Another name than the one that the provider chooses
    replaces the resource, too, unless a setting changes it.
    """
    _, module, name = token.split(":")
    module = module.partition("/")[0]
    noun = noun or snake(name)
    usual = {"create": f"create_{noun}", "read": f"describe_{noun}s", "delete": f"delete_{noun}"}
    usual["service"] = SERVICES.get(module, module)
    settable = {name for setting in more.get("settings", ()) for name in setting.inputs}
    chosen: str = more.get("autoname", "")
    fixed = {chosen} if more.get("names", {}).get(chosen, chosen) not in settable else set()
    inputs = frozenset(replaces.split()) | fixed - {""}
    return Kind(token=token, identity=identity, replaces=inputs, **{**usual, **more})


def clean(inputs: Mapping[str, object]) -> Values:
    """Return ``inputs`` without Pulumi's internal entries and without those that are None."""
    return {
        name: value
        for name, value in inputs.items()
        if not name.startswith("__") and value is not None
    }


def snake(name: str) -> str:
    """Return how Python's package, botocore, and Terraform spell a name of Pulumi's."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def camel(name: str) -> str:
    """Return how Pulumi spells a name of AWS's: ``MultiAZ`` is multiAz, ``VpcId`` vpcId."""
    first, *words = map(str, re.findall("[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name))
    return first.lower() + "".join(map(str.capitalize, words))


def filters(named: Mapping[str, str]) -> list[Values]:
    """Return EC2's filters, each for one value."""
    return [{"Name": name, "Values": [value]} for name, value in named.items()]


def path(expression: str, data: Any) -> Any:
    """Return the result of a JMESPath expression on an answer of AWS."""
    return jmespath.search(expression, data)


def value_of(
    source: str | Callable[[Subject, Values], Any], subject: Subject, found: Values
) -> Any:
    """Return what a source of ``reads`` or ``outputs`` has: a path of the description, or what it computes."""
    return source(subject, found) if callable(source) else path(source, found)


def paths(members: Mapping[str, str]) -> str:
    """Return the expression of a structure whose members are at these paths."""
    return f"{{{', '.join(f'{name}: {source}' for name, source in members.items())}}}"


def modify(operation: str, *inputs: str) -> Setting:
    """Return the setting that sends ``inputs`` to ``operation`` in one call."""

    def apply(subject: Subject) -> None:
        subject.send(operation, {name: subject.inputs.get(name) for name in inputs})

    return Setting(inputs=inputs, apply=apply)


def on_change(apply: Apply, *inputs: str) -> Setting:
    """Return the setting that ``apply`` changes, of inputs that the creation takes."""
    return Setting(inputs=inputs, apply=apply, on_create=False)


def leave(_: Subject) -> None:
    """Do nothing, as the provider does."""


def again(create: Callable[[Calls, Kind, Values], str], *inputs: str) -> Setting:
    """Return the setting that ``create`` changes, as it writes over what is there."""
    return on_change(lambda made: create(made.calls, made.kind, made.inputs), *inputs)


def whole(operation: str, *inputs: str) -> Setting:
    """Return the setting that sends everything when one of ``inputs`` changes, because ``operation`` needs it."""
    return on_change(lambda subject: subject.send(operation, subject.inputs), *inputs)


def one_by_one(operation: str, *inputs: str) -> Setting:
    """Return the setting that sends each input in its own call, as EC2's ``modify_*_attribute`` requires."""

    def apply(subject: Subject) -> None:
        for name in inputs:
            if subject.inputs.get(name) is not None:
                subject.send(operation, {name: {"value": subject.inputs[name]}})

    return Setting(inputs=inputs, apply=apply)


def attributes(operation: str, names: Mapping[str, str]) -> Setting:
    """Return the setting that sends inputs as ELB's list of keys and values. ``names`` has each input's key."""

    def apply(subject: Subject) -> None:
        pairs = [
            {"Key": key, "Value": _attribute(subject.inputs[name])}
            for name, key in names.items()
            if subject.inputs.get(name) is not None
        ]
        if pairs:
            subject.call(operation, Attributes=pairs)

    return Setting(inputs=tuple(names), apply=apply)


def _attribute(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, int | float) else value
