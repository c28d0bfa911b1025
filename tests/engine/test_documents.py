"""Every `pulumi` command that a page tells a reader to type is one of the engine's, with these options."""

import re
import subprocess
from functools import cache

from local_cloud.engine.find import find_or_get
from stack.settings import KEYS
from tests.documents.markdown import pages
from tests.documents.typed import typed

SUBCOMMANDS = {"config", "stack", "plugin", "state"}
SETTINGS = {key.name for key in KEYS}
FOREIGN = re.compile(r"aws:\w+|KEY|[A-Z]+|careapp:\w+")
"""Keys of other packages, and placeholders."""


@cache
def help_of(*words: str) -> str:
    """What the engine says of a command; of one that it does not know it says what all commands are."""
    done = subprocess.run(
        [find_or_get(), *words, "--help"], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr


def wrong(words: list[str]) -> str:
    """What is wrong with a command; empty when nothing is."""
    name = words[:2] if words[0] in SUBCOMMANDS and len(words) > 1 else words[:1]
    if name[-1].startswith("-"):
        name = name[:-1]
    text = help_of(*name)
    aliases = re.findall(r"^Aliases:\n  (.*)$", text, re.MULTILINE)
    if f"pulumi {' '.join(name)}" not in text and name[-1] not in ", ".join(aliases).split(", "):
        return f"{words}: no such command"
    options = [word.partition("=")[0] for word in words if re.fullmatch(r"--?[a-z][\w=-]*", word)]
    missing = [word for word in options if not re.search(rf"(?<![\w-]){word}\b", text)]
    if name[:2] in (["config", "set"], ["config", "rm"]) and len(words) > 2:
        key = next(word for word in words[2:] if not word.startswith("-"))
        if "--path" in words:
            key = key.partition(".")[0]
        if key not in SETTINGS and not FOREIGN.fullmatch(key):
            return f"{words}: no such setting"
    return f"{words}: no option {missing}" if missing else ""


def test_every_pulumi_command_of_every_page_is_one():
    found = [words for page in pages() for words in typed(page, "pulumi")]
    assert len(found) > 50
    assert [told for words in found if (told := wrong(words))] == []
