"""Every page of the project: no dead link, nothing undocumented, a changelog that says what is replaced."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest

from cli import main
from rehearsal.run.faults import FAULTS
from stack.app import RESERVED
from tests.documents import commands
from tests.documents.markdown import ROOT, Page, pages

README = Page(ROOT / "README.md")
CHANGELOG = Page(ROOT / "CHANGELOG.md")
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
"""Keep a Changelog 1.1.0, "Types of changes"."""


def name_of(page: Page) -> str:
    return str(page.path.relative_to(ROOT))


def dead(page: Page, link: str) -> bool:
    """Whether a link into the project leads nowhere: no such file, or no such heading in it."""
    if re.match(r"[a-z]+:", link):
        return False
    place, _, anchor = unquote(link).partition("#")
    target = (page.path.parent / place).resolve() if place else page.path
    if not target.exists() or not target.is_relative_to(ROOT):
        return True
    return bool(anchor) and anchor not in Page(target).anchors


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_no_link_is_dead(page):
    assert [link for link in page.links if dead(page, link)] == []


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_no_page_names_a_page_or_folder_that_is_not_there(page):
    named = re.findall(
        r"(?<![\w./-])(?:docs|tests|infra|ops|rehearsal|webapp)/[\w./-]*\w", "\n".join(page.spans)
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("name", ["docs/your-app.md", "docs/your-app.ja.md"])
def test_the_example_in_the_docs_is_the_one_that_is_rehearsed(name):
    folder, text = ROOT / "examples" / "flaskr", (ROOT / name).read_text()
    for language, file in (("python", "flaskr/__init__.py"), ("dockerfile", "Dockerfile")):
        assert f"```{language}\n{(folder / file).read_text()}```\n" in text


def test_the_docs_name_every_variable_that_the_stack_sets():
    named = set(re.findall(r"`([A-Z_]+)`", (ROOT / "docs" / "your-app.md").read_text()))
    assert named >= RESERVED


def test_dead_links_are_seen(tmp_path, monkeypatch):
    (tmp_path / "other.md").write_text("# A heading, twice\n\n# A heading, twice\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](other.md#a-heading-twice-1) [b](other.md#b) [c](none.md) [d](#d) [e](https://e.e)\n\n# D\n"
    )
    monkeypatch.setattr("tests.unit.test_documents.ROOT", tmp_path)
    found = Page(page)
    assert [link for link in found.links if dead(found, link)] == ["other.md#b", "none.md"]


def test_every_page_in_docs_is_reached_from_the_readme():
    reached, waiting = {README.path}, [README]
    while waiting:
        page = waiting.pop()
        for link in page.links:
            target = (page.path.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target.exists() and target not in reached:
                reached.add(target)
                waiting.append(Page(target))
    assert {name_of(page) for page in pages() if page.path.is_relative_to(ROOT / "docs")} <= {
        str(path.relative_to(ROOT)) for path in reached
    }


def test_the_page_of_commands_is_what_they_say_of_themselves():
    written = (ROOT / "docs" / "commands.md").read_text()
    assert written == commands.page(), "run `python -m tests.documents`"


def test_every_command_is_in_the_readme_and_every_fault_in_its_table():
    said = " ".join(README.spans)
    assert [name for name in main.commands if not re.search(rf"\b{name}\b", said)] == []
    assert set(FAULTS) <= set(Page(ROOT / "docs" / "faults.md").spans)


def test_the_changelog_is_kept_and_says_what_an_upgrade_replaces():
    text = CHANGELOG.path.read_text()
    headings = [(heading.level, heading.text) for heading in CHANGELOG.headings]
    assert headings[:2] == [(1, "Changelog"), (2, "[Unreleased]")]
    versions = [words for level, words in headings if level == 2]
    kept = r"\[Unreleased\]|\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}"
    assert [words for words in versions if not re.fullmatch(kept, words)] == []
    assert {words for level, words in headings if level == 3} <= set(KINDS)
    assert "an entry without a word about replacement replaces nothing." in re.sub(
        r"\s+", " ", text
    )
    entries = re.findall(r"^- (.*(?:\n  .*)*)", text, re.MULTILINE)
    assert len(entries) > 20
    assert any("**Replaces**" in entry for entry in entries)
    begin = [entry[:24] for entry in entries]
    assert [each for each in begin if begin.count(each) > 1] == []


def test_decisions_are_numbered_without_a_gap_and_listed():
    folder = ROOT / "docs" / "decisions"
    files = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert [int(name[:2]) for name in files] == list(range(1, len(files) + 1))
    assert [link for link in Page(folder / "README.md").links if link in files] == files
    for name in files:
        [title, *_] = Page(folder / name).headings
        assert title.text.startswith(f"{int(name[:2])}. "), name
