"""The folder of links in which the local cloud's shell works: Git, and what the checkout gets later."""

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from local_cloud import starter
from local_cloud.paths import Home
from local_cloud.run import cloud, stack_files
from local_cloud.run.project import Project
from tests.dataplane.stack import until


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ("git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@example.com", *words),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a program, an app and a stack file, whose home is inside it, as `.rehearsal` is."""
    # Git works in another repository where these are set, as in a hook of Git.
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "checkout"
    (folder / "app").mkdir(parents=True)
    (folder / ".gitignore").write_text(".rehearsal/\n.venv/\n")
    (folder / ".venv").mkdir()
    for name in ("app/app.py", "__main__.py", "tool", "Pulumi.dev.yaml"):
        (folder / name).write_text(f"# {name}\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "First")
    own = replace(starter.own(folder), in_place=False, commands={"tool": folder / "tool"})
    monkeypatch.setattr(starter, "_used", [own])
    return folder


def typed(project: Project, *words: str) -> str:
    """Type a git command in the shell's folder, with the shell's PATH."""
    done = subprocess.run(
        words, cwd=project.home.project, env={**os.environ, "PATH": project.path()},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def project(checkout: Path) -> Project:
    made = Project(Home(checkout / ".rehearsal"), checkout)
    made.prepare()
    return made


def test_git_in_the_shell_restores_a_file_and_leaves_the_links(project, checkout):
    for name in ("app/app.py", "__main__.py"):
        (checkout / name).write_text("broken\n")
    status = typed(project, "git", "status", "--short").split()
    assert status == ["M", "__main__.py", "M", "app/app.py"]
    typed(project, "git", "checkout", "app/app.py", "__main__.py")
    assert git(checkout, "status", "--short") == ""
    assert (project.home.project / "app").is_symlink()
    assert (checkout / "app" / "app.py").read_text() == "# app/app.py\n"


def test_git_in_the_shell_works_in_the_copy_that_a_fault_changed(checkout):
    home = Home(checkout / ".rehearsal")
    ours = shutil.ignore_patterns(".*")
    shutil.copytree(checkout, home.source, ignore=ours)
    project = Project(home, home.source)
    project.prepare()
    index = git(checkout, "ls-files", "--stage", "--debug")
    (home.source / "app" / "app.py").write_text("broken\n")
    assert "-# app/app.py\n+broken\n" in typed(project, "git", "diff", "app/app.py")
    typed(project, "sh", "-c", "cd app && git checkout app.py")
    assert (home.source / "app" / "app.py").read_text() == "# app/app.py\n"
    assert git(checkout, "ls-files", "--stage", "--debug") == index
    project.delete()
    assert [entry.name for entry in home.folder.iterdir()] == []


@pytest.mark.parametrize(
    ("before", "after", "keys"),
    [
        ("encryptionsalt: v1:a=:v1:b\nconfig:\n  shop:n: 12:30 # noon\n",
         "config:\n  shop:n: 12:30 # noon\n", []),
        ("config: {}\nsecretsprovider: awskms://alias/x\nencryptedkey: QUJD\n", "config: {}\n", []),
        ("config:\n  shop:word:\n    secure: v1:x\n  shop:n: 1 # one\n",
         'config:\n  shop:word:\n    "stand-in-for-word"\n  shop:n: 1 # one\n', ["shop:word"]),
        ("config:\n  shop:a: {b: [1, {secure: v1:x}], c: {secure: v1:y}}\n",
         'config:\n  shop:a: {b: [1, "stand-in-for-1"], c: "stand-in-for-c"}\n',
         ["shop:a.b.1", "shop:a.c"]),
        ("config:\n  shop:word:\n    secure: v1:x", 'config:\n  shop:word:\n    "stand-in-for-word"',
         ["shop:word"]),
        ("config: [", "config: [", []),
    ],
)  # fmt: skip
def test_folder_s_stack_file_has_no_secrets_of_the_user_s(checkout, capsys, before, after, keys):
    """The local cloud's engine has a passphrase of its own, and cannot read them."""
    file = checkout / "Pulumi.dev.yaml"
    file.write_text(before)
    home = Home(checkout / ".rehearsal")
    Project(home, checkout).prepare("type KEY")
    assert (home.project / file.name).read_text() == after
    assert file.read_text() == before
    said = capsys.readouterr().err
    assert re.findall(r"(\S+) is encrypted in Pulumi.dev.yaml", said) == keys
    assert re.findall("type (.+)", said) == keys


def test_stack_file_that_is_edited_is_copied_again_and_one_that_is_not_keeps_what_the_shell_set(
    project, checkout, capsys
):
    file = checkout / "Pulumi.dev.yaml"
    copy = project.home.project / file.name
    copy.write_text("config:\n  shop:n: 2\n")  # by `pulumi config set` in the shell
    project.prepare()
    assert (copy.read_text(), capsys.readouterr().err) == ("config:\n  shop:n: 2\n", "")
    file.write_text("config:\n  shop:n: 3\n")
    project.prepare()
    assert copy.read_text() == "config:\n  shop:n: 3\n"
    said = " ".join(capsys.readouterr().err.split())
    assert said == "Pulumi.dev.yaml was changed: its settings are those of the local cloud now"


def test_setting_that_is_set_in_the_shell_is_said_to_be_there_only(project, capsys):
    copy = project.home.project / "Pulumi.dev.yaml"
    with stack_files.changes_said(project.home.project):
        copy.write_text(f"{copy.read_text()}encryptionsalt: v1:x\n")  # by `pulumi stack init`
    assert capsys.readouterr().err == ""
    with stack_files.changes_said(project.home.project):
        copy.write_text("config:\n  shop:n: 2\n")
    said = " ".join(capsys.readouterr().err.split())
    assert (
        said == f"{copy} was changed, which only the local cloud reads: your own stays as it is"
    ), said


def test_folder_loses_what_the_checkout_loses(project, checkout):
    folder = project.home.project
    (checkout / "mine").mkdir()
    (folder / "own").mkdir()
    project.link()
    assert (folder / "mine").samefile(checkout / "mine")
    (checkout / "mine").rmdir()
    project.link()
    assert not (folder / "mine").is_symlink()
    names = [
        ".Pulumi.dev.yaml.copied",
        ".venv",
        "Pulumi.dev.yaml",
        "__main__.py",
        "app",
        "own",
        "tool",
    ]
    assert sorted(entry.name for entry in folder.iterdir()) == names


def test_folder_gets_what_the_checkout_gets_while_the_cloud_runs(project, checkout, serving):
    with serving(project.home):
        until(project.home.facts.exists)
        (checkout / "mine").mkdir()
        until((project.home.project / "mine").exists)
        assert (project.home.project / "mine").samefile(checkout / "mine")


def test_folder_is_linked_again_after_a_change_only(checkout, monkeypatch):
    home, links = Home(checkout / ".rehearsal"), []
    Project(home).prepare()
    link = Project.link
    monkeypatch.setattr(Project, "link", lambda self: (links.append(1), link(self)))
    seen = cloud._link_new(home, ())
    assert cloud._link_new(home, seen) == seen
    assert len(links) == 1
    (checkout / "later.py").touch()
    assert cloud._link_new(home, seen) != seen
    assert (home.project / "later.py").is_symlink()
    assert len(links) == 2
