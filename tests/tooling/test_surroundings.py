"""Machines that lack something: Git, a home folder, a user in the list, a umask that lets others read."""

import os
import pwd
from pathlib import Path

import pytest

from careapp.cli.git import git
from local_cloud.machine.processes import copy_for_all
from local_cloud.paths import cache
from local_cloud.text import Refused


def test_without_git_the_version_has_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert git(Path.cwd(), "rev-parse", "--short", "HEAD") is None


def test_without_home_the_cache_is_in_the_home_folder_of_the_list_of_users():
    home = Path(pwd.getpwuid(os.geteuid()).pw_dir)
    assert cache({}) == cache({"HOME": ""}) == home / ".cache" / "careapp"


def test_a_user_who_is_not_in_the_list_is_asked_for_a_folder(monkeypatch):
    def unlisted(_number):
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unlisted)
    with pytest.raises(Refused, match="set HOME, or XDG_CACHE_HOME, to a folder that is writable"):
        cache({})
    assert cache({"XDG_CACHE_HOME": "/cache"}) == Path("/cache/careapp")


def test_what_was_made_with_umask_077_is_copied_so_that_another_user_can_run_it(tmp_path):
    source, copy = tmp_path / "made", tmp_path / "copy"
    for name, mode in (("bin/initdb", 0o700), ("share/postgres.bki", 0o600)):
        (source / name).parent.mkdir(parents=True)
        (source / name).touch()
        (source / name).chmod(mode)
        (source / name).parent.chmod(0o700)
    (source / "lib").symlink_to("share")
    copy_for_all(source, copy)
    modes = {file.name: file.stat().st_mode & 0o777 for file in copy.rglob("*")}
    assert modes == {
        **dict.fromkeys(("bin", "share", "lib", "initdb"), 0o755),
        "postgres.bki": 0o644,
    }
