"""The tag of an image: it changes with what goes into the image, and with nothing else."""

import os
import re

import pytest

from stack.context import content_tag

PARTS = {"platform": "linux/amd64"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY . /app\n")
    (tmp_path / "app.py").write_text("print('hello')\n")
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "style.css").write_text("body {}\n")
    (tmp_path / ".dockerignore").write_text("# rubbish\n\n**/__pycache__\n*.log\n!keep.log\n")
    return tmp_path


@pytest.fixture
def before(folder):
    return content_tag(folder, PARTS)


def test_it_is_sixteen_hexadecimal_digits_and_the_same_each_time(folder, before):
    assert re.fullmatch("[0-9a-f]{16}", before)
    assert content_tag(folder, PARTS) == before


CHANGES = {
    "contents": lambda folder: (folder / "app.py").write_text("print('bye')\n"),
    "contents below": lambda folder: (folder / "static" / "style.css").write_text("p {}\n"),
    "a mode": lambda folder: (folder / "app.py").chmod(0o755),
    "a name": lambda folder: (folder / "app.py").rename(folder / "main.py"),
    "a new file": lambda folder: (folder / "more.py").write_text(""),
    "a file less": lambda folder: (folder / "app.py").unlink(),
    "the Dockerfile": lambda folder: (folder / "Dockerfile").write_text("FROM other\n"),
    "what is ignored": lambda folder: (folder / ".dockerignore").write_text("*.py\n"),
    "a file kept by exception": lambda folder: (folder / "keep.log").write_text("kept"),
    "a link": lambda folder: (folder / "link").symlink_to("app.py"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_it_changes_with(folder, before, change):
    change(folder)
    assert content_tag(folder, PARTS) != before


def test_it_changes_with_where_a_link_leads(folder):
    (folder / "link").symlink_to("app.py")
    before = content_tag(folder, PARTS)
    (folder / "link").unlink()
    (folder / "link").symlink_to("static/style.css")
    assert content_tag(folder, PARTS) != before


def test_a_link_that_leads_nowhere_is_no_error(folder, before):
    (folder / "link").symlink_to("nowhere")
    assert content_tag(folder, PARTS) != before


@pytest.mark.parametrize(
    "parts",
    [{"platform": "linux/arm64"}, {}, {**PARTS, "revision": "2"}, {"platfor": "mlinux/amd64"}],
)
def test_it_changes_with_platform_and_arguments(folder, before, parts):
    assert content_tag(folder, parts) != before


def rubbish(folder):
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "app.pyc").write_bytes(b"\0")
    (folder / "static" / "__pycache__").mkdir()
    (folder / "static" / "__pycache__" / "x.pyc").write_bytes(b"\0")
    (folder / "debug.log").write_text("noise")


SAME = {
    "ignored files": rubbish,
    "times": lambda folder: os.utime(folder / "app.py", (0, 0)),
    "an empty folder": lambda folder: (folder / "empty").mkdir(),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_it_does_not_change_with(folder, before, change):
    change(folder)
    assert content_tag(folder, PARTS) == before


def test_it_is_the_same_wherever_the_folder_lies(folder, before, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "webapp"
    folder.rename(elsewhere)
    assert content_tag(elsewhere, PARTS) == before
    (elsewhere.parent / "linked").symlink_to(elsewhere)
    assert content_tag(elsewhere.parent / "linked", PARTS) == before


def test_two_files_are_not_taken_for_one_whose_contents_run_together(folder):
    (folder / "a").write_text("1b2")
    one = content_tag(folder, PARTS)
    (folder / "a").write_text("1")
    (folder / "b").write_text("2")
    assert content_tag(folder, PARTS) != one


def test_a_missing_dockerfile_is_told_with_its_path(folder):
    (folder / "Dockerfile").unlink()
    with pytest.raises(FileNotFoundError, match=f"{folder}/Dockerfile does not exist"):
        content_tag(folder, PARTS)
