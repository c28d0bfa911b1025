"""Stack files for the local cloud, which has a secrets provider of its own and cannot read the user's secrets."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from local_cloud import console
from local_cloud.text import t

PROVIDER = re.compile(r"^(encryptionsalt|encryptedkey|secretsprovider):.*\n?", re.M)
"""What the engine writes of a stack's secrets provider: it would ask for its passphrase or key."""


def copy(source: Path, target: Path, change: str) -> None:
    """Copy a stack file without its secrets provider, with a stand-in for each encrypted value.

    It is said, with the command ``change`` that gives a KEY another VALUE.
    """
    text = PROVIDER.sub("", source.read_text())
    parts, done = [], 0
    for path, begin, end in _encrypted(text):
        key = ".".join(path)
        name = f"stand-in-for-{path[-1].rpartition(':')[2]}"
        parts += [text[done:begin], json.dumps(name)]
        done = end
        console.print_note(
            t(
                "{key} is encrypted in {file}, and the local cloud cannot read it: there it is {name}. "
                "Another value: {change}",
                file=source.name,
                key=key,
                name=name,
                change=change.replace("KEY", key),
            )
        )
    target.write_text("".join([*parts, text[done:]]))


def _encrypted(text: str) -> Iterator[tuple[list[str], int, int]]:
    """Yield the path of each encrypted value, and where it stands in the text, in its order."""
    try:
        file = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError:
        return  # the engine says what is wrong
    for key, value in file.value if isinstance(file, yaml.MappingNode) else ():
        if key.value == "config":
            yield from _below(value, [])


def _below(node: Any, path: list[str]) -> Iterator[tuple[list[str], int, int]]:
    if isinstance(node, yaml.SequenceNode):
        for number, each in enumerate(node.value):
            yield from _below(each, [*path, str(number)])
    elif isinstance(node, yaml.MappingNode):
        [*_, (key, value)] = node.value or [(None, None)]
        if len(node.value) == 1 and key.value == "secure":
            whole = (node, node) if node.flow_style else (key, value)
            yield path, whole[0].start_mark.index, whole[1].end_mark.index
            return
        for name, each in node.value:
            yield from _below(each, [*path, str(name.value)])
