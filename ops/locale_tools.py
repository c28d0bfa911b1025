"""The catalogue's upkeep: ``python -m ops.locale_tools`` writes the .mo, and says what is missing."""

from __future__ import annotations

import ast
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ops.locale_libraries import LIBRARIES, library_messages
from ops.locale_sources import messages
from ops.texts import DOMAIN, LOCALE

DOMAINS: Mapping[str, Callable[[], set[str]]] = {
    DOMAIN: messages,
    LIBRARIES: library_messages,
}
"""Each catalogue, and what says which messages it must have."""
MAGIC = 0x950412DE


def parse(text: str) -> dict[str, str]:
    """The entries of a .po file: msgid to msgstr. The header is the entry of "".

    A plural stands behind its singular with a NUL between them, as .mo files have it.
    """
    entries: dict[str, str] = {}
    key, value, into = "", "", ""
    for line in [*text.splitlines(), "msgid"]:
        word, _, rest = line.partition(" ")
        if word == "msgid":
            if into == "msgstr":
                entries[key] = value
            key, value, into = "", "", "msgid"
        elif word == "msgid_plural":
            key += "\0"
        elif word in ("msgstr", "msgstr[0]"):
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


def catalogues(domain: str = DOMAIN) -> Iterator[Path]:
    """The .po files."""
    yield from sorted(LOCALE.glob(f"*/LC_MESSAGES/{domain}.po"))


def problems(file: Path, wanted: set[str]) -> Iterator[str]:
    """What a catalogue lacks, and what it has too much."""
    entries = parse(file.read_text())
    name = f"{file.parts[-3]}/{file.name}"
    for missing in sorted(wanted - {key for key, value in entries.items() if value}):
        yield f"{name}: not translated: {missing!r}"
    for left in sorted(set(entries) - wanted - {""}):
        yield f"{name}: no longer said: {left!r}"


def main() -> int:
    """Write each .mo; 1 when a message has no translation, or a translation no message."""
    status = 0
    for domain, said in DOMAINS.items():
        wanted = said()
        for file in catalogues(domain):
            file.with_suffix(".mo").write_bytes(packed(parse(file.read_text())))
            for problem in problems(file, wanted):
                print(problem)
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
