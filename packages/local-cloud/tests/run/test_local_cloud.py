"""The local cloud by itself: its words, and a program's own Python."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import language_pb2

from local_cloud import starter
from local_cloud.console import Phase
from local_cloud.engine.interpreter import NoInterpreter, activated, find, is_own
from local_cloud.paths import ROOT, Home, find_home
from local_cloud.run import client
from local_cloud.run.project import Project
from local_cloud.text import t

THE_PROGRAMS = re.compile(r"(?i)careapp|webapp|\bpoc\b|ecsEnabled|pageUrl|appFolder|delivery/")
"""Names of the program that rehearses in the local cloud: its own, its stack, its settings, its folders."""


def test_words_of_the_program_are_not_in_the_local_cloud_that_runs_it():
    product = ROOT / "local_cloud"
    texts = {
        file: file.read_text()
        for file in product.rglob("*")
        if file.suffix in (".py", ".mod", ".txt") and "tests" not in file.relative_to(product).parts
    }
    assert len(texts) > 100
    found = {
        str(file): words for file, text in texts.items() if (words := THE_PROGRAMS.findall(text))
    }
    assert found == {}, "local_cloud runs any program: these words are careapp's own"


def test_starter_that_was_not_chosen_is_an_error(monkeypatch):
    monkeypatch.setattr(starter, "_used", [])
    with pytest.raises(RuntimeError, match="no starter of the local cloud"):
        find_home()


def test_status_waits_for_the_facts_that_are_written_next(tmp_path, monkeypatch):
    found = [client.RunningCloud({"state": state}) for state in ("old", "old", "new")]
    monkeypatch.setattr(client, "find", lambda _: found.pop(0))
    assert client.refreshed(Home(tmp_path)).data["state"] == "new"


def test_start_is_waited_for_while_its_process_lives_and_names_its_log(tmp_path, monkeypatch):
    monkeypatch.setattr(client, "SLOW_START", 0.0)
    found = [None, None, client.RunningCloud({})]
    monkeypatch.setattr(client, "find", lambda _: found.pop(0))
    phase, child = Phase("starting"), SimpleNamespace(poll=lambda: None)
    assert client._wait_until_started(Home(tmp_path), child, phase).data == {}
    assert str(phase.detail) == f"see {tmp_path}/cloud.log"


def test_password_in_a_url_is_masked_whatever_it_contains():
    for url in ("https://me:p@w9@host/simple", "postgresql://me:p@one:1,me:w9@host/simple"):
        assert str(t("{words}", words=url)) == f"{url.partition(':')[0]}://me:***@host/simple"


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A program in a folder, in a shell with no Python on PATH, as the starter of its local cloud."""
    folder = tmp_path / "shop" / "infra"
    folder.mkdir(parents=True)
    monkeypatch.setattr(starter, "_used", [starter.own(folder)])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("LOCAL_CLOUD_HOME", raising=False)
    return folder


def info(folder: Path, **options: str) -> language_pb2.ProgramInfo:
    given = Struct()
    given.update(options)
    place = str(folder)
    return language_pb2.ProgramInfo(root_directory=place, program_directory=place, options=given)


def python_in(folder: Path) -> Path:
    """Make what `find` takes for the Python of a virtual environment."""
    (folder / "bin").mkdir(parents=True)
    (folder / "pyvenv.cfg").touch()
    (folder / "bin" / "python").touch()
    return folder / "bin" / "python"


def test_python_is_that_of_the_virtual_environment_of_pulumi_yaml(program):
    python = python_in(program / "venv")
    assert find(info(program, virtualenv="venv"), {}) == python
    assert find(info(program, virtualenv=str(program / "venv"), toolchain="pip"), {}) == python
    assert not is_own(python)
    (program / "ours").symlink_to(sys.prefix)
    assert is_own(find(info(program, virtualenv="ours"), {}))


def test_python_of_uv_is_beside_the_nearest_lock_file(program):
    (program.parent / "uv.lock").touch()
    (program / "pyproject.toml").touch()
    python = python_in(program.parent / ".venv")
    assert find(info(program, toolchain="uv"), {}) == python


def test_python_of_poetry_is_that_which_it_names(program, tmp_path):
    python = python_in(tmp_path / "cache" / "shop-py3.12")
    poetry = tmp_path / "poetry"
    poetry.write_text(f'#!/bin/sh\n[ "$*" = "env info --path" ] && echo {python.parents[1]}\n')
    poetry.chmod(0o755)
    assert find(info(program, toolchain="poetry"), {"PATH": str(tmp_path)}) == python


def test_python_without_a_virtual_environment_is_that_on_path(program, tmp_path):
    python = tmp_path / "bin" / "python3"
    python.parent.mkdir()
    python.touch(mode=0o755)
    assert find(info(program), {"PATH": str(python.parent)}) == python


MISSING = (
    "virtualenv: {venv} is no virtual environment. Make it in the program's folder: "
    "python3 -m venv {venv} && {venv}/bin/python -m pip install -r requirements.txt"
)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"virtualenv": "venv"}, MISSING),
        ({"toolchain": "uv"}, "uv sync"),
        ({"toolchain": "poetry"}, "poetry install"),
        ({"toolchain": "conda"}, "toolchain: conda is not supported"),
        ({}, "neither python3 nor python is on PATH"),
    ],
)
def test_python_that_is_missing_is_named_with_what_makes_it(program, options, words):
    with pytest.raises(NoInterpreter) as refused:
        find(info(program, **options), {"PATH": str(program)})
    assert words.format(venv=program / "venv") in str(refused.value)


def test_python_of_another_gets_nothing_of_the_local_cloud_s_own(program):
    python = python_in(program / "venv")
    given = {"PATH": "/usr/bin", "PYTHONPATH": "/cloud", "PYTHONHOME": "/x", "HOME": "/home/me"}
    assert activated(python, given) == {
        "PATH": f"{python.parent}:/usr/bin",
        "HOME": "/home/me",
        "VIRTUAL_ENV": str(program / "venv"),
    }


def test_program_runs_in_its_folder_and_its_files_stay_as_they_are(program, tmp_path):
    (program / "src").mkdir()
    yaml = "name: shop\nruntime:\n  name: python\n  options:\n    virtualenv: ../venv # ours\nmain: src/ # here\n"
    (program / "Pulumi.yaml").write_text(yaml)
    (program / "Pulumi.dev.yaml").write_text("config: {}\n")
    home = find_home()
    assert home.folder.parent == tmp_path / "cache" / "local-cloud" / "programs"
    Project(home).prepare()
    assert (home.project / "Pulumi.yaml").read_text() == (
        "name: shop\nruntime:\n  name: python\n  options:\n"
        f'    virtualenv: "{program.parent}/venv"\nmain: "{program}/src"\n'
    )
    assert not (home.project / "Pulumi.dev.yaml").is_symlink()
    assert (home.project / "src").samefile(program / "src")
    assert (program / "Pulumi.yaml").read_text() == yaml
    names = sorted(file.name for file in program.iterdir())
    assert names == ["Pulumi.dev.yaml", "Pulumi.yaml", "src"]


def test_shell_of_a_program_has_its_own_python_first(program, monkeypatch):
    monkeypatch.setenv("PATH", "/home/me/bin:/usr/bin")
    path = Project(Home(program)).path().split(":")
    assert path == [str(program / "programs"), "/home/me/bin", "/usr/bin", f"{sys.prefix}/bin"]
