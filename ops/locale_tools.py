"""The catalogue's upkeep: ``python -m ops.locale_tools`` writes the .mo, and says what is missing."""

from __future__ import annotations

import ast
import struct
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from ops.texts import DOMAIN, LOCALE

PACKAGE = Path(__file__).parent
SOURCES = (PACKAGE, PACKAGE.parent / "rehearsal" / "page")
MAGIC = 0x950412DE


def messages(*folders: Path) -> set[str]:
    """Every template that the code gives to ``t``. Raises ValueError for one that is no literal."""
    found = set()
    for file in sorted(file for each in folders or SOURCES for file in each.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "t":
                template = node.args[0] if node.args else None
                if not isinstance(template, ast.Constant):
                    where = f"{file.name}:{node.lineno}"
                    raise ValueError(f"{where}: t() takes a literal, or no catalogue can know it")
                found.add(str(template.value))
    return found


def parse(text: str) -> dict[str, str]:
    """The entries of a .po file: msgid to msgstr. The header is the entry of ""."""
    entries: dict[str, str] = {}
    key, value, into = "", "", ""
    for line in [*text.splitlines(), "msgid"]:
        word, _, rest = line.partition(" ")
        if word == "msgid":
            if into == "msgstr":
                entries[key] = value
            key, value, into = "", "", "msgid"
        elif word == "msgstr":
            into = "msgstr"
        elif not line.startswith('"'):
            continue
        else:
            rest = line
        said = str(ast.literal_eval(rest)) if rest else ""
        if into == "msgid":
            key += said
        else:
            value += said
    return entries


def packed(entries: Mapping[str, str]) -> bytes:
    """The entries as a .mo file (GNU gettext manual, "The Format of GNU MO Files")."""
    keys = sorted(entries)
    pairs = [(key.encode(), entries[key].encode()) for key in keys]
    table, start = 28, 28 + 16 * len(keys)
    originals, translations, blob = b"", b"", b""
    for part in (0, 1):
        index = b""
        for pair in pairs:
            index += struct.pack("<II", len(pair[part]), start + len(blob))
            blob += pair[part] + b"\0"
        if part == 0:
            originals = index
        else:
            translations = index
    head = struct.pack("<7I", MAGIC, 0, len(keys), table, table + 8 * len(keys), 0, start)
    return head + originals + translations + blob


def catalogues() -> Iterator[Path]:
    """The .po files."""
    yield from sorted(LOCALE.glob(f"*/LC_MESSAGES/{DOMAIN}.po"))


def main() -> int:
    """Write each .mo; 1 when a message has no translation, or a translation no message."""
    wanted, status = messages(), 0
    for file in catalogues():
        entries = parse(file.read_text())
        file.with_suffix(".mo").write_bytes(packed(entries))
        for missing in sorted(wanted - {key for key, value in entries.items() if value}):
            print(f"{file.parts[-3]}: not translated: {missing!r}")
            status = 1
        for left in sorted(set(entries) - wanted - {""}):
            print(f"{file.parts[-3]}: no longer said: {left!r}")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
