"""Writes the records of what the program declares and says: `python -m tests.recorded [KEY…]`. Read their diff.

`poc.yaml` has the resources of stage 2 by their components, with inputs and options; `prod.yaml` has what is otherwise
in prod, `settings.yaml` what another value of each setting changes, and `together.yaml` what several change in poc (a
new case is a `set:` there). `refused.yaml` has refused stack files and what is said of them. With settings it writes
what is said of their other values alone: a minute instead of several.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from difflib import SequenceMatcher
from functools import cache
from types import MappingProxyType
from typing import Any

import yaml

from tests.support import refusals
from tests.support.declared import ROOT, VPC, begun, declared, variants

FOLDER = ROOT / "tests" / "unit" / "recorded"
SECRET = "4dabf18193072939515e22adb298388d"
"""How a secret goes to the engine (pulumi/sdk/go/common/resource/sig)."""
LINE = 130
"""So long is a map or a list, as JSON, that stands on one line."""
CHANGING = {r"[0-9a-f]{16}-[0-9]{8}T[0-9]{6}": "TAG", r"\b[0-9a-f]{64}\b": "RANDOM"}
"""What is another one in each run, or after each change of the app's sources."""


@cache
def together() -> dict[str, dict[str, Any]]:
    """Return the settings of `together.yaml`, whose effects depend on each other, by their names."""
    record = yaml.load((FOLDER / "together.yaml").read_text(), yaml.CSafeLoader)
    return {name: row["set"] for name, row in record.items()}


def run_of(settings: dict[str, Any]) -> tuple[str, ...]:
    """Return the run of poc with settings; a map is written as one."""
    texts = {
        key: each if isinstance(each, str) else json.dumps(each) for key, each in settings.items()
    }
    return ("poc", *(f"{key}={text}" for key, text in texts.items()))


def plain(value: Any) -> Any:
    """Return a value as it is recorded: whole numbers, JSON in texts decoded, and nothing that chance decides."""
    if isinstance(value, dict):
        if SECRET in value:
            return {"secret": plain(value.get("value"))}
        return {key: plain(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [plain(member) for member in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, str):
        return value
    if value[:1] in ("{", "[") and value[-1:] in ("}", "]"):
        with suppress(ValueError):  # a filter pattern of CloudWatch Logs is none
            return {"json": plain(json.loads(value))}
    for pattern, name in CHANGING.items():
        value = re.sub(pattern, name, value)
    return value


def resources(found: dict[str, Any]) -> dict[str, Any]:
    """Return outputs, and inputs and options of each resource by its component, type and name.

    The children of awsx's VPC are left out, and the tags that all have.
    """
    record = {"outputs": plain(found["outputs"])}
    for resource in found["resources"]:
        if resource["parent"] == VPC or resource["kind"].startswith("careapp:"):
            continue
        inputs = {key: value for key, value in resource["inputs"].items() if key != "tags"}
        if name := resource["inputs"].get("tags", {}).get("Name"):
            inputs["tags.Name"] = name
        record[f"{resource['parent']}: {resource['kind']} {resource['name']}"] = plain(inputs) | {
            f"({key})": value for key, value in resource["options"].items()
        }
    return dict(sorted(record.items()))


def changes(
    before: dict[str, Any], after: dict[str, Any], known: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """Return what is new, what is gone, and the inputs that differ, each with both values.

    Of a new resource that is also in ``known`` these are the inputs that differ from that; another one is told by what
    differs from the resource of its type that is ``like`` it, where there is one.
    """
    both = {name: dict(differences(before[name], after[name])) for name in before if name in after}
    changed = {name: found for name, found in both.items() if found}
    new = {name: after[name] for name in after if name not in before}
    kinds = {
        "new": {name: told(name, new[name], before) for name in new if name not in known},
        "new, like one of prod.yaml or settings.yaml": {
            name: dict(differences(known[name], new[name])) for name in new if name in known
        },
        "gone": [name for name in before if name not in after],
    }
    return changed | {kind: names for kind, names in kinds.items() if names}


def told(name: str, new: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Return a resource, or what differs from one of its type, if that is half as long."""
    kind = name.partition(": ")[2].partition(" ")[0]
    others = [
        {"like": other, **dict(differences(inputs, new))}
        for other, inputs in before.items()
        if f": {kind} " in other
    ]
    nearest = min(others, key=length, default=new)
    return nearest if 2 * length(nearest) <= length(new) else new


def length(record: Any) -> int:
    """Return the lines of a record."""
    return text({"": record}).count("\n")


def differences(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the paths at which two values differ, each with both; of longer or shorter lists the slices."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from differences(old.get(key), new.get(key), f"{path}.{key}".lstrip("."))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, both in enumerate(zip(old, new, strict=True)):
            yield from differences(*both, f"{path}[{index}]")
    elif isinstance(old, list) and isinstance(new, list):
        texts = [[json.dumps(member) for member in each] for each in (old, new)]
        for _, start, end, begin, stop in SequenceMatcher(
            None, *texts, autojunk=False
        ).get_opcodes():
            if old[start:end] != new[begin:stop]:
                yield f"{path}[{start}:{end}]", [old[start:end], new[begin:stop]]
    elif (type(old), old) != (type(new), new):  # True equals 1
        yield path, [old, new]


def as_poc(record: dict[str, Any]) -> dict[str, Any]:
    """Return prod's resources under poc's names."""
    return dict(json.loads(json.dumps(record).replace("careapp-prod", "careapp-poc")))


def of_each(keys: Iterable[str]) -> dict[str, Any]:
    """Return what another value of each of these settings changes in prod."""
    every = dict.fromkeys(variants("prod")[key] for key in keys)
    for run in every:
        begun("prod", *run)
    prod = resources(declared("prod"))
    return {" ".join(run): changes(prod, resources(shown("prod", *run))) for run in every}


def shown(*run: str) -> dict[str, Any]:
    """Return what a run declares, and say on standard error that it has ended."""
    found = declared(*run)
    print("declared:", *run, file=sys.stderr)
    return found


def renewed(*keys: str) -> str:
    """Return `settings.yaml` with these settings as they are now."""
    record = yaml.load((FOLDER / "settings.yaml").read_text(), yaml.CSafeLoader) | of_each(keys)
    order = [" ".join(variant) for variant in variants("prod").values()]
    return text({name: record[name] for name in order if name in record})


def records() -> dict[str, str]:
    """Return every record by the name of its file."""
    for run in [("poc",), ("prod",), *map(run_of, together().values())]:
        begun(*run)
    settings = of_each(variants("prod"))
    poc, prod = resources(declared("poc")), as_poc(resources(declared("prod")))
    known = dict(prod)
    for run in dict.fromkeys(variants("prod").values()):
        known = as_poc(resources(declared("prod", *run))) | known
    of_several = {
        name: {"set": row} | changes(poc, resources(shown(*run_of(row))), known)
        for name, row in together().items()
    }
    return {
        "poc.yaml": text(poc),
        "prod.yaml": text(changes(poc, prod)),
        "settings.yaml": text(settings),
        "together.yaml": text(of_several),
    }


class Dumper(yaml.SafeDumper):
    """Writes a value where it stands, never a reference; on one line maps and lists that fit, or a list of one text."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _flowing(value: Any) -> bool:
    one = isinstance(value, list) and len(value) == 1 and isinstance(value[0], str)
    return one or len(json.dumps(value, ensure_ascii=False)) <= LINE


Dumper.add_representer(
    dict, lambda to, value: to.represent_mapping("tag:yaml.org,2002:map", value, _flowing(value))
)
Dumper.add_representer(
    list, lambda to, value: to.represent_sequence("tag:yaml.org,2002:seq", value, _flowing(value))
)


def text(record: Any) -> str:
    """Return a record as YAML: a diff of it shows what has changed."""
    return yaml.dump(record, Dumper=Dumper, sort_keys=False, width=sys.maxsize, allow_unicode=True)


def main(*words: str) -> None:
    """Write the records; with `engine` those of its tests instead, with settings only what is said of them."""
    if words == ("engine",):
        command = [sys.executable, "-m", "pytest", "tests/engine", "-q", "-k", "what_is_recorded"]
        sys.exit(subprocess.run(command, env=os.environ | {"RECORD": "1"}, check=False).returncode)
    if words:
        (FOLDER / "settings.yaml").write_text(renewed(*words))
        return
    for name, record in records().items():
        (FOLDER / name).write_text(record)
    refusals.FILE.write_text(text(list(refusals.renewed())))


if __name__ == "__main__":
    main(*sys.argv[1:])
