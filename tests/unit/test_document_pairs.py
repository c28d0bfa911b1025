"""Each page in English and Japanese says the same."""

from __future__ import annotations

import re

import pytest

from tests.documents.markdown import ROOT, Page
from tests.documents.pairs import differences, pairs, twin

BILINGUAL = (
    "README.md",
    "docs/architecture.md",
    "docs/cost.md",
    "docs/delivery.md",
    "docs/runbook.md",
    "docs/settings.md",
    "docs/your-app.md",
)
ENGLISH = """\
# One

## 2. Two

| key | meaning | default |
|---|---|---|
| `a` | a long meaning of it here | `3` |

```sh
./careapp test   # the tests
```

```console
$ ./careapp status
fine
```

[there](there.md#one)
"""
JAPANESE = """\
# 一

## 2. 二

| キー | 意味 | 既定値 |
|---|---|---|
| `a` | その長い意味 | `3` |

```sh
./careapp test   # テスト
```

```console
$ ./careapp status
良好
```

[そちら](there.ja.md#一)
"""


def test_the_pages_of_both_languages_are_there():
    assert {page.path for page, _ in pairs()} == {ROOT / name for name in BILINGUAL}


@pytest.mark.parametrize("name", BILINGUAL)
def test_a_page_and_its_twin_say_the_same(name):
    page = ROOT / name
    assert differences(Page(page), Page(twin(page))) == []


def test_a_japanese_reader_is_told_which_pages_are_english_alone():
    text = (ROOT / "README.ja.md").read_text().replace("[English](README.md)", "")
    links = re.findall(r"\]\((?!https?:)([^)#]+\.md)[^)]*\)(.英語)?", text)
    assert len(links) > 10
    wrong = [link for link, mark in links if link.endswith(".ja.md") == bool(mark)]
    assert wrong == []


def written(folder, japanese):
    (folder / "page.md").write_text(ENGLISH)
    (folder / "page.ja.md").write_text(japanese)
    return differences(Page(folder / "page.md"), Page(folder / "page.ja.md"))


def test_equal_twins_differ_in_nothing(tmp_path):
    assert written(tmp_path, JAPANESE) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("## 2. 二", "### 2. 二", "headings 2"),
        ("## 2. 二", "## 3. 二", "headings 2"),
        ("`a` |", "`b` |", "tables 2"),
        ("`3` |", "`4` |", "tables 2"),
        ("その長い意味", "その5つの意味", "tables 2"),
        ("その長い意味", "a long meaning of it here", "not translated"),
        ("test   #", "testing   #", "code 1"),
        ("$ ./careapp status", "$ ./careapp doctor", "commands 1"),
        ("there.ja.md", "elsewhere.ja.md", "links 1"),
    ],
)
def test_what_differs_is_told(tmp_path, old, new, told):
    assert old in JAPANESE
    [found] = written(tmp_path, JAPANESE.replace(old, new))
    assert found.startswith(told)
