"""What people read, recorded beside the tests that make it: a change of it is reviewed as a diff.

`RECORD=1 ./careapp test FOLDER` writes it again. A record has sections, below a head each: what is said in a situation,
told by what differs from an earlier one. A line like "… 2-4, 6" stands for these lines of the earlier section, or of
its paragraph: a paragraph that is the same is not written at all. The earlier section is the first of its group, or
that which the head names behind "←". A head without lines: all is the same.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import SequenceMatcher
from itertools import chain, zip_longest
from pathlib import Path

from ecs_gate.text import in_language

HEAD = "=== "
AS = " ← "
"""Between a section's name and that of the section from which it differs."""
Paragraphs = Mapping[str, list[str]]
"""Lines by what they are about."""


def _but(base: list[str], lines: list[str]) -> Iterator[str]:
    """Yield lines, with the numbers of those that are the base's."""
    same: list[str] = []
    matcher = SequenceMatcher(None, base, lines, autojunk=False)
    for kind, start, end, begin, stop in matcher.get_opcodes():
        if kind == "equal":
            same.append(f"{start + 1}-{end}" if end - start > 1 else str(end))
        elif begin < stop:
            if same:
                yield f"  … {', '.join(same)}"
            yield from lines[begin:stop]
            same = []
    if same:
        yield f"  … {', '.join(same)}"


def but(base: Paragraphs, paragraphs: Paragraphs) -> Iterator[str]:
    """Yield the lines of the paragraphs that are not the base's."""
    for subject, lines in paragraphs.items():
        if lines != base[subject]:
            yield from _but(base[subject], lines) if lines else [f"  no {subject}"]


def section(name: str, earlier: Sequence[str], paragraphs: Callable[[str], Paragraphs]) -> str:
    """Return a section as it is written: by the earlier one of which the fewest lines differ, the first in doubt.

    Without an earlier one it is written whole.
    """
    if not earlier:
        return "\n".join([name, *chain.from_iterable(paragraphs(name).values())])
    texts = {base: "\n".join(but(paragraphs(base), paragraphs(name))) for base in earlier}
    base = min(texts, key=lambda each: len(texts[each].splitlines()))
    head = name if base == earlier[0] else f"{name}{AS}{base}"
    return f"{head}\n{texts[base]}".rstrip("\n")


def with_japanese(english: Iterable[str], japanese: Iterable[str]) -> list[str]:
    """Return English lines, each with the Japanese one below it where that differs."""
    both = zip_longest(english, japanese, fillvalue="")
    return [en if en == ja else f"{en}\n{ja}" for en, ja in both]


def check(file: Path, sentences: Mapping[str, Callable[[], object]]) -> None:
    """Compare what each function makes, in English and Japanese, with what the file has below its name."""
    spoken: dict[str, list[list[str]]] = {name: [] for name in sentences}
    for language in ("en", "ja"):
        with in_language(language):
            for name, make in sentences.items():
                spoken[name].append(str(make()).splitlines())
    check_paragraphs(file, {name: {"said": with_japanese(*each)} for name, each in spoken.items()})


def check_paragraphs(file: Path, said: Mapping[str, Paragraphs]) -> None:
    """Compare what is said under each name with a record, or write it."""
    names = list(said)
    compare(
        file,
        text(section(name, names[:number], said.__getitem__) for number, name in enumerate(names)),
    )


def compare(file: Path, now: str) -> None:
    """Compare a text with its record, or write it."""
    if os.environ.get("RECORD"):
        file.write_text(now)
    before = file.read_text().splitlines(keepends=True)
    assert now.splitlines(keepends=True) == before, "RECORD=1 writes it, if it is meant"


def text(sections: Iterable[str]) -> str:
    return "".join(f"{HEAD}{each}\n" for each in sections)


def read(file: Path) -> dict[str, str]:
    """Return the sections of a file by their names."""
    _, *sections = f"\n{file.read_text().rstrip()}".split(f"\n{HEAD}")
    return {each.partition("\n")[0].partition(AS)[0]: each for each in sections}


@contextmanager
def clock(zone: str) -> Iterator[None]:
    """Set this machine's clock to a time zone, by POSIX's spelling."""
    before = os.environ.get("TZ", "UTC")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        yield
    finally:
        os.environ["TZ"] = before
        time.tzset()
