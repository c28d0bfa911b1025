"""Stack files for the local cloud, which has a secrets provider of its own and cannot read the user's secrets."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from local_cloud import console
from local_cloud.text import t

PROVIDER = re.compile(r"^(encryptionsalt|encryptedkey|secretsprovider):.*\n?", re.M)
"""What the engine writes of a stack's secrets provider: it would ask for its passphrase or key."""


def copy(source: Path, target: Path, change: str) -> None:
    """Copy a stack file without its secrets provider, with a stand-in for each encrypted value.

    That is said, with the command ``change`` that gives a KEY another VALUE. A file that did not change since is not
    copied again: `pulumi config set` may have changed the copy.
    """
    text, last = source.read_text(), target.with_name(f".{source.name}.copied")
    if target.exists() and last.exists():
        if last.read_text() == text:
            return
        console.print_note(
            t("{file} was changed: its settings are those of the local cloud now", file=source.name)
        )
    last.write_text(text)
    text = PROVIDER.sub("", text)
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


@contextmanager
def changes_said(folder: Path) -> Iterator[None]:
    """Say which stack files in a folder of the local cloud the block changes, as `pulumi config set` does."""
    before = _texts(folder)
    yield
    for file, text in _texts(folder).items():
        if text != before.get(file, text):
            console.print_note(
                t(
                    "{file} was changed, which only the local cloud reads: your own stays as it is",
                    file=str(file),
                )
            )


def _texts(folder: Path) -> dict[Path, str]:
    return {file: PROVIDER.sub("", file.read_text()) for file in folder.glob("Pulumi.*.yaml")}


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
        for number, child in enumerate(node.value):
            yield from _below(child, [*path, str(number)])
    elif isinstance(node, yaml.MappingNode):
        [*_, (key, value)] = node.value or [(None, None)]
        if len(node.value) == 1 and key.value == "secure":
            whole = (node, node) if node.flow_style else (key, value)
            yield path, whole[0].start_mark.index, whole[1].end_mark.index
            return
        for name, child in node.value:
            yield from _below(child, [*path, str(name.value)])
