"""A Pulumi state's AWS resources as Terraform's JSON: the same inputs, with references where AWS chose a value."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pulumi.runtime.rpc import _special_sig_key

from local_cloud.providers.kind import snake

Json = dict[str, Any]

PREFIXES = {"rds": "db", "lb": "lb"}
"""Pulumi's modules that Terraform calls otherwise; of most types the module is part of the name, or it is left out."""
NAMES = {"aws:lb/loadBalancer:LoadBalancer": "aws_lb"}
RENAMED = {
    "aws_cloudwatch_metric_alarm": {"name": "alarm_name"},
    "aws_sns_topic_subscription": {"topic": "topic_arn"},
}
"""Inputs that pulumi_aws calls otherwise."""
OF_THE_ACCOUNT = {"owner_id", "registry_id", "tags_all"}
"""Computed, but known before: a reference to them would replace the account's number in every ARN."""


Missing = tuple[str, Any]
"""An input that the provider's schema lacks: its path from the resource type on, and its value."""


@dataclass(frozen=True)
class Resource:
    """One resource: Terraform's type and its name there, and what the state of Pulumi has of it."""

    type: str
    name: str
    urn: str
    inputs: Json
    outputs: Json
    after: tuple[str, ...]
    """The URNs that it depends on."""

    @property
    def address(self) -> str:
        return f"{self.type}.{self.name}"

    @property
    def token(self) -> str:
        """Its type in pulumi_aws."""
        return self.urn.rsplit("::", 2)[-2].rsplit("$", 1)[-1]

    def arguments(self, block: Json) -> dict[str, str]:
        """Return the inputs, but for blocks, by their names in the schema."""
        given = {key: RENAMED.get(self.type, {}).get(key, key) for key in self.inputs}
        names = {key: _named(value, block["attributes"]) for key, value in given.items()}
        return {name: key for key, name in names.items() if name}


def terraform_type(token: str, schemas: Mapping[str, Json]) -> str:
    """Return the resource type that a token of pulumi_aws is made of. Raises KeyError where there is none."""
    module, kind = token.split(":")[1].split("/")[0], snake(token.rsplit(":", 1)[1])
    words = (PREFIXES.get(module, module), kind)
    candidates = (NAMES.get(token, ""), "aws_" + "_".join(words), f"aws_{kind}")
    return next(candidate for candidate in candidates if candidate in schemas)


def resources(state: Json, schemas: Mapping[str, Json]) -> list[Resource]:
    """Return the AWS resources of a state, in the order in which they were made."""
    held = state["deployment"]["resources"]
    return [
        Resource(
            type=terraform_type(resource["type"], schemas),
            name=re.sub(
                r"\W", "_", f"{resource['urn'].split(':')[2]}_{resource['urn'].rsplit('::', 1)[1]}"
            ),
            urn=resource["urn"],
            inputs=plain(resource["inputs"]),
            outputs={"id": resource["id"], **plain(resource["outputs"])},
            after=tuple(resource.get("dependencies") or ()),
        )
        for resource in held
        if resource["type"].startswith("aws:")
    ]


def merged(*translated: tuple[Json, list[Missing]]) -> Json:
    """Return the resources of several translations by their types and names."""
    every: Json = {}
    for made, _ in translated:
        for kind, named in made.items():
            every.setdefault(kind, {}).update(named)
    return every


def plain(value: Any) -> Any:
    """Return a value of the state with its secrets as they are."""
    if isinstance(value, list):
        return [plain(member) for member in value]
    if not isinstance(value, dict):
        return value
    if _special_sig_key in value and "plaintext" in value:
        return plain(json.loads(value["plaintext"]))
    return {name: plain(member) for name, member in value.items()}


def translate(
    state: Json, schemas: Mapping[str, Json], *, refer: bool = True
) -> tuple[Json, list[Missing]]:
    """Return the ``resource`` part of a Terraform configuration, and the inputs that the schemas lack.

    Without ``refer`` no resource refers to another one: there is what AWS chose in Pulumi's state.
    """
    every = {resource.urn: resource for resource in resources(state, schemas)}
    # What AWS chose of a resource, and of those that it depends on: an equal text in another one is no reference.
    chosen: dict[str, dict[str, str]] = {}
    made: Json = {}
    missing: list[Missing] = []
    for held in state["deployment"]["resources"]:
        known: dict[str, str] = {}
        for urn in (held.get("dependencies") or ()) if refer else ():
            known |= chosen[urn]
        chosen[held["urn"]] = known
        if not (each := every.get(held["urn"])):
            continue
        block = schemas[each.type]["block"]
        renamed = RENAMED.get(each.type, {})
        given = {renamed.get(key, key): value for key, value in each.inputs.items()}
        body = _block(each.type, given, block, known, missing)
        if refer and (after := [every[urn].address for urn in each.after if urn in every]):
            body["depends_on"] = after
        made.setdefault(each.type, {})[each.name] = body
        chosen[each.urn] = known | dict(_chosen(each, block))
    return made, missing


def _block(
    path: str, given: Json, block: Json, known: Mapping[str, str], missing: list[Missing]
) -> Json:
    """Return the arguments of one block of the schema."""
    attributes, blocks = block.get("attributes", {}), block.get("block_types", {})
    body: Json = {}
    for key, value in given.items():
        if key == "__defaults":
            continue
        name = _named(key, {**attributes, **blocks})
        if name is None:
            missing.append((f"{path}.{snake(key)}", value))
        elif name in blocks:
            inner = value if isinstance(value, list) else [value]
            form = blocks[name]["block"]
            body[name] = [_block(f"{path}.{name}", one, form, known, missing) for one in inner]
        else:
            body[name] = _value(value, attributes[name].get("type"), known)
    return body


def _named(key: str, names: Mapping[str, Any]) -> str | None:
    """Return the schema's name of an input: Pulumi has the plural of what may stand more than once."""
    word = snake(key)
    forms = (word, word.removesuffix("s"), word.removesuffix("es"), word.removesuffix("ies") + "y")
    return next((form for form in forms if form in names), None)


def _value(value: Any, form: Any, known: Mapping[str, str]) -> Any:
    """Return a value in the form that the schema wants, with references."""
    if isinstance(form, list) and form[0] in ("list", "set"):
        inner = value if isinstance(value, list) else [value]
        return [_value(one, form[1], known) for one in inner]
    if isinstance(form, list) and form[0] == "object":
        return {
            name: _value(value.get(name), kind, known) if value.get(name) is not None else None
            for name, kind in form[1].items()
        }
    if isinstance(value, dict):
        return {key: _value(one, None, known) for key, one in value.items()}
    return _referring(value, known) if isinstance(value, str) else value


def _referring(text: str, known: Mapping[str, str]) -> str:
    """Return a text in which what AWS chose of an earlier resource is a reference to it."""
    text = text.replace("${", "$${").replace("%{", "%%{")
    for value in sorted(known, key=len, reverse=True):
        if value in text:
            parts = text.split(value)
            text = f"\0{known[value]}\1".join(parts)
    return text.replace("\0", "${").replace("\1", "}")


def _chosen(resource: Resource, block: Json) -> Iterator[tuple[str, str]]:
    """Yield what AWS chose of a resource, and the expression that says it."""
    for key, value in resource.outputs.items():
        name = _named(key, block["attributes"])
        if name is None or key in resource.inputs or name in OF_THE_ACCOUNT:
            continue
        form = block["attributes"][name]["type"]
        yield from _texts(value, form, f"{resource.address}.{name}")


def _texts(value: Any, form: Any, path: str) -> Iterator[tuple[str, str]]:
    if (
        isinstance(value, str)
        and len(value) > 11
        and re.search(r"\d", value)
        and not value.isdigit()
    ):
        yield value, path
    elif isinstance(value, list) and isinstance(form, list) and form[0] == "list":
        for index, one in enumerate(value):
            yield from _texts(one, form[1], f"{path}[{index}]")
    elif isinstance(value, dict) and isinstance(form, list) and form[0] == "object":
        for key, one in value.items():
            if (name := snake(key)) in form[1]:
                yield from _texts(one, form[1][name], f"{path}.{name}")


def chosen(held: Json, given: Json, block: Json, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path and the value of each argument that AWS has chosen: it may be given, and is not."""
    for name, form in block.get("attributes", {}).items():
        if form.get("optional") and form.get("computed") and name not in given:
            yield f"{path}.{name}", held.get(name)
    for name, form in block.get("block_types", {}).items():
        bodies = [*given.get(name, ()), *({} for _ in held.get(name) or ())]
        for inner, body in zip(held.get(name) or (), bodies, strict=False):
            yield from chosen(inner, body, form["block"], f"{path}.{name}")
