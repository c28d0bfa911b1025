"""What a Markdown page holds, as GitHub reads it: headings, links, tables, code."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
_PARSER = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Heading:
    """A heading: its level, 1 to 6, and its text as a reader sees it."""

    level: int
    text: str


@dataclass(frozen=True)
class Block:
    """A fenced block of code, and the line on which it begins."""

    language: str
    text: str
    line: int


@dataclass(frozen=True)
class Page:
    """One Markdown file of the project."""

    path: Path

    @cached_property
    def tokens(self) -> list[Token]:
        return _PARSER.parse(self.path.read_text())

    @cached_property
    def headings(self) -> list[Heading]:
        pairs = zip(self.tokens, self.tokens[1:], strict=False)
        return [
            Heading(int(token.tag[1]), seen(after))
            for token, after in pairs
            if token.type == "heading_open"
        ]

    @cached_property
    def anchors(self) -> set[str]:
        """GitHub's: what comes twice gets a number."""
        counted: Counter[str] = Counter()
        found = set()
        for heading in self.headings:
            slug = slug_of(heading.text)
            found.add(f"{slug}-{counted[slug]}" if counted[slug] else slug)
            counted[slug] += 1
        return found

    @cached_property
    def blocks(self) -> list[Block]:
        return [
            Block(token.info.strip(), token.content, token.map[0] + 1)
            for token in self.tokens
            if token.type == "fence" and token.map
        ]

    @cached_property
    def tables(self) -> list[list[list[str]]]:
        """Tables, their rows, their cells as Markdown."""
        found: list[list[list[str]]] = []
        for token, after in zip(self.tokens, [*self.tokens[1:], None], strict=True):
            if token.type == "table_open":
                found.append([])
            elif token.type == "tr_open":
                found[-1].append([])
            elif token.type in ("th_open", "td_open") and after:
                found[-1][-1].append(after.content)
        return found

    @cached_property
    def links(self) -> list[str]:
        """Where links and pictures lead, in order."""
        return [
            str(target)
            for token in self._inline()
            if (target := token.attrGet("href") or token.attrGet("src"))
        ]

    @cached_property
    def spans(self) -> list[str]:
        """The code in running text and in tables."""
        return [token.content for token in self._inline() if token.type == "code_inline"]

    def _inline(self) -> Iterator[Token]:
        for token in self.tokens:
            yield from token.children or ()


def seen(token: Token) -> str:
    """The text of an inline token without its marks."""
    return "".join(child.content for child in token.children or ())


def slug_of(heading: str) -> str:
    """The anchor that GitHub gives a heading: small letters, hyphens for blanks, no punctuation."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@cache
def pages() -> tuple[Page, ...]:
    """Every Markdown file of the project; what tools and rehearsals left is none."""
    found = ROOT.rglob("*.md")
    return tuple(
        Page(path)
        for path in sorted(found)
        if not any(
            part.startswith(".") and part != ".github" for part in path.relative_to(ROOT).parts
        )
    )
