"""What must be equal in a page and its Japanese twin, `NAME.md` and `NAME.ja.md`."""

import re
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

from tests.documents.console import consoles
from tests.documents.markdown import Block, Page, pages

CODE = re.compile(r"`([^`]+)`")
NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
JAPANESE = re.compile(r"[぀-ヿ一-鿿]")


def twin(path: Path) -> Path:
    return path.with_name(f"{path.name.removesuffix('.md')}.ja.md")


def pairs() -> list[tuple[Page, Page]]:
    """Every page that has a twin, with it."""
    return [(page, Page(twin(page.path))) for page in pages() if twin(page.path).exists()]


def differences(english: Page, japanese: Page) -> list[str]:
    """Where the twins say something else; empty where they are equal."""
    return [
        *_unequal("headings", _outline(english), _outline(japanese)),
        *_unequal("code", _code(english), _code(japanese)),
        *_unequal("commands", _typed(english), _typed(japanese)),
        *_unequal("tables", _tables(english), _tables(japanese)),
        *_unequal("links", _links(english), [_english(link) for link in _links(japanese)]),
        *_untranslated(japanese),
    ]


def _unequal(what: str, one: list[str], other: list[str]) -> Iterator[str]:
    for line in [*unified_diff(one, other, n=0, lineterm="")][2:]:
        if line[0] in "-+":
            yield f"{what}, only in {'English' if line[0] == '-' else 'Japanese'}: {line[1:]}"


def _outline(page: Page) -> list[str]:
    """Levels and leading numbers: words differ by language."""
    return [f"{heading.level} {_number(heading.text)}" for heading in page.headings]


def _number(heading: str) -> str:
    return re.sub(r"[^0-9.].*", "", heading)


def _code(page: Page) -> list[str]:
    """Each block's language and what of it is no comment; a console's output may be Japanese."""
    return [f"{each.language} {_bare(each)}" for each in page.blocks if each.language != "console"]


def _bare(block: Block) -> str:
    if block.language == "text":
        return f"{len(block.text.splitlines())} lines"
    lines = (re.sub(r"\s*(#|<--).*", "", line).rstrip() for line in block.text.splitlines())
    return "\n".join(lines)


def _typed(page: Page) -> list[str]:
    return [command.words for block in consoles(page) for command in block.commands]


def _tables(page: Page) -> list[str]:
    """Each row by what no language changes: code and numbers, cell by cell."""
    return [" | ".join(_same(cell) for cell in row) for table in page.tables for row in table]


def _same(cell: str) -> str:
    numbers = NUMBER.findall(CODE.sub("", re.sub(r"\]\([^)]*\)", "]", cell)))
    return " ".join([*sorted(CODE.findall(cell)), *sorted(numbers)])


def _links(page: Page) -> list[str]:
    """Where it leads, without anchors, which are in the page's language; the twins' own link apart."""
    found = (link.partition("#")[0] for link in page.links)
    own = {page.path.name, twin(page.path).name, _english(page.path.name)}
    return sorted({link for link in found if link not in own})


def _english(link: str) -> str:
    return link.replace(".ja.md", ".md")


def _untranslated(page: Page) -> Iterator[str]:
    """Cells of the second column without a word of Japanese, where a sentence should be."""
    for table in page.tables:
        for row in table[1:]:
            plain = CODE.sub("", row[1]) if len(row) > 1 else ""
            if len(plain.split()) > 4 and not JAPANESE.search(plain):
                yield f"not translated: {row[1]}"
