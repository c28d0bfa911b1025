"""The program with inputs changed, whatever the program is: stands as its ``__main__.py``, beside it as ``program.py``.

``mistakes.json`` lists the changes: ``type`` and ``name`` of a resource, the ``path`` of an input, and its ``value`` or
``drop``. A path goes through JSON texts, such as policies and container definitions, and through outputs.
"""

import json
import runpy
from pathlib import Path
from typing import Any

import pulumi

HERE = Path(__file__).resolve().parent
MISTAKES = json.loads((HERE / "mistakes.json").read_text())


def changed(held: Any, path: list[Any], mistake: dict[str, Any]) -> Any:
    """Return the value with what is at ``path`` changed; it is as before where it has no such place."""
    if isinstance(held, pulumi.Output):
        return held.apply(lambda known: changed(known, path, mistake))
    if isinstance(held, str) and path:
        return json.dumps(changed(json.loads(held), path, mistake))
    if not path:
        return mistake["value"]
    head, rest = path[0], path[1:]
    if isinstance(held, list):
        gone = not rest and mistake.get("drop")
        inner = [] if gone else [changed(held[head], rest, mistake)]
        return [*held[:head], *inner, *held[head + 1 :]]
    if not rest and mistake.get("drop"):
        return {key: value for key, value in (held or {}).items() if key != head}
    return {**(held or {}), head: changed((held or {}).get(head), rest, mistake)}


def transform(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
    props: Any = dict(args.props)
    for mistake in MISTAKES:
        if (args.type_, args.name) == (mistake["type"], mistake["name"]):
            props = changed(props, mistake["path"], mistake)
    return pulumi.ResourceTransformResult(props, args.opts)


if MISTAKES:
    pulumi.runtime.register_resource_transform(transform)
runpy.run_path(str(HERE / "program.py"), run_name="__main__")
