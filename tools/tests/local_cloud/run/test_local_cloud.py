"""The local cloud by itself: its words, facts of AWS that the program has, too, and a program's own Python."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import language_pb2

from infra import image_tag
from stack import image, sizes
from tools.local_cloud import starter
from tools.local_cloud.aws.ecs import launch_rate, start_checks
from tools.local_cloud.building.files import sent_files
from tools.local_cloud.engine.interpreter import NoInterpreter, activated, find, is_own
from tools.local_cloud.paths import ROOT, Home, find_home
from tools.local_cloud.run.project import Project
from tools.rehearsal.careapp import CAREAPP

THE_PROGRAMS = re.compile(r"(?i)careapp|webapp|\bpoc\b|ecsEnabled|pageUrl|appFolder|delivery/")
"""Names of the program that rehearses in the local cloud: its own, its stack, its settings, its folders."""


def test_the_local_cloud_has_no_word_of_the_program_that_runs_in_it():
    files = (ROOT / "tools" / "local_cloud").rglob("*")
    texts = {file: file.read_text() for file in files if file.suffix in (".py", ".mod", ".txt")}
    assert len(texts) > 100
    found = {
        str(file): words for file, text in texts.items() if (words := THE_PROGRAMS.findall(text))
    }
    assert found == {}, "tools/local_cloud runs any program: these words are careapp's own"


def test_a_process_in_which_nobody_chose_the_starter_says_so(monkeypatch):
    monkeypatch.setattr(starter, "_used", [])
    with pytest.raises(RuntimeError, match="no starter of the local cloud"):
        find_home()


def test_facts_of_aws_that_the_program_has_too_are_the_same():
    assert start_checks.PLATFORMS == image.PLATFORMS
    assert launch_rate.LAUNCHES_A_MINUTE == sizes.LAUNCHES_A_MINUTE
    assert launch_rate.LAUNCHED_AT_ONCE == sizes.LAUNCHED_AT_ONCE


def test_docker_sends_the_files_that_the_tag_of_the_program_s_image_covers(tmp_path):
    (tmp_path / ".dockerignore").write_text("# a comment\n\n*.log\n!kept.log\nbuild\n")
    for name in (
        "app.py",
        "some.log",
        "kept.log",
        "build/made",
        "deep/er/some.log",
        "deep/er/app.py",
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (tmp_path / "link").symlink_to("nowhere")
    sent = sorted(sent_files(tmp_path))
    assert sent == [
        *(".dockerignore", "app.py", "deep/er/app.py", "deep/er/some.log", "kept.log", "link"),
    ]
    assert sent == sorted(image_tag.sent_files(tmp_path))


def test_docker_is_tried_with_the_base_image_of_the_program_s_app():
    [named] = re.findall(
        r"^ARG BASE_IMAGE=(\S+)", (ROOT / "webapp" / "Dockerfile").read_text(), re.M
    )
    assert named == CAREAPP.base_image


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


def test_a_program_runs_with_the_python_of_the_virtual_environment_that_its_pulumi_yaml_names(
    program,
):
    python = python_in(program / "venv")
    assert find(info(program, virtualenv="venv"), {}) == python
    assert find(info(program, virtualenv=str(program / "venv"), toolchain="pip"), {}) == python
    assert not is_own(python)
    (program / "ours").symlink_to(sys.prefix)
    assert is_own(find(info(program, virtualenv="ours"), {}))


def test_the_virtual_environment_of_uv_is_beside_the_nearest_lock_file(program):
    (program.parent / "uv.lock").touch()
    (program / "pyproject.toml").touch()
    python = python_in(program.parent / ".venv")
    assert find(info(program, toolchain="uv"), {}) == python


def test_without_a_virtual_environment_a_program_runs_with_the_python_on_path(program, tmp_path):
    python = tmp_path / "bin" / "python3"
    python.parent.mkdir()
    python.touch(mode=0o755)
    assert find(info(program), {"PATH": str(python.parent)}) == python
    with pytest.raises(NoInterpreter, match="neither python3 nor python is on PATH"):
        find(info(program), {"PATH": str(program)})


def test_a_virtual_environment_that_is_missing_is_named_with_the_command_that_makes_it(program):
    with pytest.raises(NoInterpreter) as refused:
        find(info(program, virtualenv="venv"), {})
    venv = program / "venv"
    assert str(refused.value.text) == (
        f"virtualenv: {venv} is no virtual environment. Make it in the program's folder: "
        f"python3 -m venv {venv} && {venv}/bin/python -m pip install -r requirements.txt"
    )
    with pytest.raises(NoInterpreter, match="uv sync"):
        find(info(program, toolchain="uv"), {})
    with pytest.raises(NoInterpreter, match="toolchain: poetry is not supported"):
        find(info(program, toolchain="poetry"), {})


def test_another_python_gets_nothing_of_the_local_cloud_s_own(program):
    python = python_in(program / "venv")
    given = {"PATH": "/usr/bin", "PYTHONPATH": "/cloud", "PYTHONHOME": "/x", "HOME": "/home/me"}
    assert activated(python, given) == {
        "PATH": f"{python.parent}:/usr/bin",
        "HOME": "/home/me",
        "VIRTUAL_ENV": str(program / "venv"),
    }


def test_a_program_runs_in_its_own_folder_and_its_files_stay_as_they_are(program, tmp_path):
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
    assert sorted(each.name for each in program.iterdir()) == [
        "Pulumi.dev.yaml",
        "Pulumi.yaml",
        "src",
    ]


def test_the_program_s_own_python_comes_first_in_its_shell(program, monkeypatch):
    monkeypatch.setenv("PATH", "/home/me/bin:/usr/bin")
    path = Project(Home(program)).path().split(":")
    assert path == [str(program / "programs"), "/home/me/bin", "/usr/bin", f"{sys.prefix}/bin"]
