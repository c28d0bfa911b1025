"""Limits of AWS and Pulumi that the program cannot take away: a user reads of each before he meets it."""

from __future__ import annotations

import pytest

from tools.local_cloud.paths import ROOT


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("decisions.md", "two run in each `up`, with 300 to 430 MB each"),
        ("operate.md", "first `./careapp rollback`: ECS deletes no service with such a deployment"),
        ("operate.ja.md", "ECS はそのようなデプロイが進行中のサービスを削除せず"),
    ],
    ids=["two aws plugins", "destroy while requests shift", "… in Japanese"],
)
def test_limit_is_documented(page, words):
    assert words in " ".join((ROOT / "docs" / page).read_text().split())
