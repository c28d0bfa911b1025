"""The folder of links in which ``./careapp shell`` works: Git, and what the checkout gets later."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tools.local_cloud import starter
from tools.local_cloud.paths import Home
from tools.local_cloud.run import cloud
from tools.local_cloud.run.client import Options
from tools.local_cloud.run.project import Project
from tools.rehearsal import careapp, rehearse


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
    for name in [each for each in os.environ if each.startswith("GIT_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "checkout"
    (folder / "webapp").mkdir(parents=True)
    (folder / ".gitignore").write_text(".rehearsal/\n.venv/\n")
    (folder / ".venv").mkdir()
    for name in ("webapp/app.py", "__main__.py", "careapp", "Pulumi.poc.yaml"):
        (folder / name).write_text(f"# {name}\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "First")
    monkeypatch.setattr(rehearse, "ROOT", folder)
    own = replace(careapp.CAREAPP, folder=folder, commands={"careapp": folder / "careapp"})
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


def test_git_in_the_shell_restores_a_file_of_the_checkout_and_leaves_the_links(
    checkout: Path,
) -> None:
    project = Project(Home(checkout / ".rehearsal"), checkout)
    project.prepare()
    for name in ("webapp/app.py", "__main__.py"):
        (checkout / name).write_text("broken\n")
    assert typed(project, "git", "status", "--short").split() == [
        "M",
        "__main__.py",
        "M",
        "webapp/app.py",
    ]
    typed(project, "git", "checkout", "webapp/app.py", "__main__.py")
    assert git(checkout, "status", "--short") == ""
    assert (project.home.project / "webapp").is_symlink()
    assert (checkout / "webapp" / "app.py").read_text() == "# webapp/app.py\n"


def test_git_in_the_shell_works_in_the_copy_that_a_fault_changed(checkout: Path) -> None:
    home = Home(checkout / ".rehearsal")
    rehearse.copy_program(home.source)
    project = Project(home, home.source)
    project.prepare()
    index = git(checkout, "ls-files", "--stage", "--debug")
    (home.source / "webapp" / "app.py").write_text("broken\n")
    assert "-# webapp/app.py\n+broken\n" in typed(project, "git", "diff", "webapp/app.py")
    typed(project, "sh", "-c", "cd webapp && git checkout app.py")
    assert (home.source / "webapp" / "app.py").read_text() == "# webapp/app.py\n"
    assert git(checkout, "ls-files", "--stage", "--debug") == index
    project.delete()
    assert [each.name for each in home.folder.iterdir()] == []


def test_what_the_checkout_gets_and_loses_is_linked_and_no_longer(checkout: Path) -> None:
    project = Project(Home(checkout / ".rehearsal"), checkout)
    project.prepare()
    folder = project.home.project
    (checkout / "mine").mkdir()
    (folder / "own").mkdir()
    project.link()
    assert (folder / "mine").samefile(checkout / "mine")
    (checkout / "mine").rmdir()
    project.link()
    assert not (folder / "mine").is_symlink()
    assert sorted(each.name for each in folder.iterdir()) == [
        ".venv", "Pulumi.poc.yaml", "__main__.py", "careapp", "own", "webapp"
    ]  # fmt: skip


def test_a_running_local_cloud_links_what_the_checkout_gets(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cloud:
        """A local cloud without its parts."""

        def __init__(self, *_: object) -> None:
            self.now = lambda: datetime.now(UTC)

        def start(self) -> dict[str, object]:
            return {}

        describe = start

        def stop(self) -> None:
            pass

    monkeypatch.setattr(cloud, "Cloud", Cloud)
    monkeypatch.setattr(cloud.gc, "freeze", lambda: None)
    project = Project(Home(checkout / ".rehearsal"), checkout)
    project.prepare()
    stop = threading.Event()
    options = Options(
        region="ap-northeast-1", speed=20, port=0, docker=False, namespaces=False, mounts=False
    )
    serving = threading.Thread(target=cloud.serve, args=(project.home, options, stop))
    serving.start()
    try:
        deadline = time.monotonic() + 60
        while not project.home.facts.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        (checkout / "mine").mkdir()
        while not (project.home.project / "mine").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert (project.home.project / "mine").samefile(checkout / "mine")
    finally:
        stop.set()
        serving.join()


def test_the_folder_is_linked_again_only_after_a_change(checkout, monkeypatch):
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
