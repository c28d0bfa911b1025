"""Which tests `./careapp test --changed` runs."""

import subprocess

import click
import pytest
from click.testing import CliRunner

from careapp import ROOT
from careapp.cli import tests
from careapp.cli.changed import shown, touched, using
from careapp.cli.tests import test as command

FILES = {
    "product/core.py": "",
    "product/near.py": "from . import core\n",
    "product/far.py": "import product.near\n",
    "product/data.yaml": "",
    "packages/a-part/a_part/core.py": "",
    "packages/a-part/tests/test_part.py": "from a_part import core\n",
    "docs/page.md": "",
    "tests/support.py": "def read():\n    from product.near import x\n",
    "tests/test_core.py": "from tests.support import read\n",
    "tests/test_far.py": "import product.far\n",
    "tests/test_page.py": 'PAGES = list(ROOT.glob("*.md"))\n',
    "tests/sub/conftest.py": "DATA = 'data.yaml'\n",
    "tests/sub/test_data.py": "",
}


@pytest.fixture
def repository(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            "product/core.py",
            "tests/test_core.py: tests/support.py <- product/near.py <- product/core.py",
        ),
        (
            "product/near.py",
            "tests/test_core.py: tests/support.py <- product/near.py\n"
            "tests/test_far.py: product/far.py <- product/near.py",
        ),
        ("product/data.yaml", "tests/sub/test_data.py: tests/sub/conftest.py <- product/data.yaml"),
        (
            "packages/a-part/a_part/core.py",
            "packages/a-part/tests/test_part.py: packages/a-part/a_part/core.py",
        ),
        ("docs/page.md", "tests/test_page.py: docs/page.md"),
        ("tests/test_far.py", "tests/test_far.py: changed itself"),
    ],
)
def test_a_changed_file_is_tested_by_the_files_that_use_it(repository, changed, expected):
    assert shown(using(repository, [changed])) == expected


def test_touched_files_are_those_since_main_and_unknown_ones(repository):
    def git(*words):
        own = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *own, *words], cwd=repository, check=True, capture_output=True)

    git("init", "-b", "main")
    git("add", ".")
    git("commit", "-m", "all")
    assert touched(repository) == set()
    git("checkout", "-b", "branch")
    (repository / "product/core.py").write_text("x = 1\n")
    git("commit", "-am", "core")
    (repository / "product/far.py").unlink()
    (repository / "new.py").touch()
    assert touched(repository) == {"product/core.py", "product/far.py", "new.py"}


def test_what_git_cannot_say_is_no_empty_answer(tmp_path, monkeypatch):
    with pytest.raises(click.UsageError, match="needs Git, and a checkout"):
        touched(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(click.UsageError, match="needs Git, and a checkout"):
        touched(ROOT)


@pytest.mark.parametrize("words", [["--all"], ["unit"]])
def test_changed_takes_neither_all_nor_a_folder(words):
    done = CliRunner().invoke(command, ["--changed", *words])
    assert (done.exit_code, "--changed chooses the tests" in done.output) == (2, True)


def test_folders_without_a_quick_test_are_not_begun(monkeypatch, capsys):
    files = ["tests/engine/test_stages.py", "tests/unit/test_names.py"]
    monkeypatch.setattr(tests, "using", lambda *_: {key: ["webapp/front.py"] for key in files})
    monkeypatch.setattr(tests, "run_in_front", lambda words, *_: files[0] in words)
    assert tests.of_changes(()) == {"tests/unit": False}
    assert capsys.readouterr().out == "tests/unit/test_names.py: webapp/front.py\n"
