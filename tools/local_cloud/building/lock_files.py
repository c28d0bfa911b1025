"""What uv, poetry and pipenv install by their lock files.

Each tool itself, a package of PyPI, writes the packages of its lock file as requirements with hashes for pip (uv:
`uv export`; poetry: poetry-plugin-export; pipenv: `pipenv requirements`). So one installer makes all venvs.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from tools.i18n import t
from tools.local_cloud.building import venvs
from tools.local_cloud.building.venvs import InstallError, Step

TOOLS = {
    "uv": ("uv>=0.8,<1",),
    "poetry": ("poetry>=2,<3", "poetry-plugin-export>=1.9,<2"),
    "pipenv": ("pipenv>=2025",),
}
"""The packages that are installed to read a tool's lock file."""
INSTALLING = {"uv": ("sync",), "poetry": ("install", "sync"), "pipenv": ("install", "sync")}
SILENT = {
    "uv": ("cache", "python", "self", "tool", "version", "--version", "-V"),
    "poetry": ("config", "cache", "self", "check", "env", "about", "--version", "-V"),
    "pipenv": ("check", "verify", "--version", "--clear", "--rm", "clean"),
}
WITH_VALUE = {
    "uv": (
        *("--group", "--no-group", "--only-group", "--extra", "--no-extra", "--package", "-p"),
        *("--python", "--link-mode", "--env-file", "--with", "--index-strategy", "--project"),
    ),
    "poetry": (
        "--only",
        "--without",
        "--with",
        "-E",
        "--extras",
        "-P",
        "--project",
        "-f",
        "--format",
    ),
    "pipenv": ("--python", "-r", "--requirements", "--categories", "--extra-pip-args", "-i"),
}
OUTPUT = ("-o", "--output", "--output-file")
UV_SELECTS = re.compile(
    r"--(frozen|locked|(no-|only-)?dev|(no-|only-|all-)?groups?|no-default-groups|(no-)?extra|all-extras)"
)
SECONDS = 300.0


def without_runner(words: Sequence[str]) -> list[str]:
    """Return the command that `uv run`, `poetry run` or `pipenv run` starts; other words as they are."""
    words = list(words)
    tool = PurePosixPath(words[0]).name if words else ""
    if tool not in TOOLS or "run" not in words[1:]:
        return words
    rest = words[words.index("run") + 1 :]
    while rest and rest[0].startswith("-"):
        taken = 2 if rest[0] in WITH_VALUE[tool] else 1
        rest = rest[taken:]
    return rest


def installs(tool: str, rest: Sequence[str]) -> bool:
    """Return whether a command installs the packages of a lock file."""
    return next((each for each in rest if not each.startswith("-")), "") in INSTALLING[tool]


def packages(tool: str, rest: Sequence[str]) -> list[str]:
    """Return the packages that are named besides those of the lock file."""
    return (
        [word for option, word in _options(tool, rest) if not option][1:]
        if tool == "pipenv"
        else []
    )


def is_silent(tool: str, rest: Sequence[str]) -> bool:
    """Return whether a command neither installs nor writes anything that the app needs."""
    return not rest or rest[0] in SILENT[tool]


def as_requirements(words: Sequence[str]) -> list[str]:
    """Return the arguments of `uv pip sync FILE…` as those of `uv pip install`."""
    return [part for word in words for part in ([word] if word.startswith("-") else ["-r", word])]


def export_of(tool: str, rest: Sequence[str]) -> str | None:
    """Return the requirements file that `poetry export` or `uv export` writes."""
    if rest[:1] != ["export"]:
        return None
    return next((word for option, word in _options(tool, rest, OUTPUT) if option in OUTPUT), None)


def venv_of(
    tool: str, workdir: PurePosixPath, environment: Mapping[str, str]
) -> list[PurePosixPath]:
    """Return the path of the venv that a tool makes; none where it installs for the image's Python."""
    within = {
        "uv": environment.get("UV_PROJECT_ENVIRONMENT", ".venv"),
        "poetry": ".venv"
        if environment.get("POETRY_VIRTUALENVS_IN_PROJECT") in ("1", "true")
        else "",
        "pipenv": ".venv" if environment.get("PIPENV_VENV_IN_PROJECT") else "",
    }[tool]
    return [workdir / within] if within and within != "/usr/local" else []


def _options(tool: str, rest: Sequence[str], more: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """Yield each option with its value, and ("", word) for each other word."""
    words = iter(rest)
    for word in words:
        option, equals, value = word.partition("=")
        if not word.startswith("-"):
            yield "", word
        elif equals or option not in (*WITH_VALUE[tool], *more):
            yield option, value
        else:
            yield option, next(words, "")


def steps(tool: str, rest: Sequence[str], project: Path) -> list[Step]:
    """Return what pip installs for a tool's command in the folder ``project``. Raises InstallError."""
    call, whole = {"uv": _uv, "poetry": _poetry, "pipenv": _pipenv}[tool](rest, project)
    key = hashlib.sha256(repr(call).encode()).hexdigest()[:12]
    file = project.parent / f"{project.name}-{tool}-{key}.txt"
    if not file.exists():
        text = _run(tool, call, project)
        half = file.with_suffix(".part")
        half.write_text(text)
        half.replace(file)
    made = [Step(("--no-deps", "--requirement", str(file)))]
    if whole:
        made.append(Step(("--no-deps", *whole), project))
    return made


def _uv(rest: Sequence[str], project: Path) -> tuple[list[str], list[str]]:
    chosen = [
        part
        for option, value in _options("uv", rest)
        if UV_SELECTS.fullmatch(option)
        for part in ([option, value] if value else [option])
    ]
    flags = {option for option, _ in _options("uv", rest)}
    held = _pyproject(project)
    is_package = held.get("tool", {}).get("uv", {}).get("package", "build-system" in held)
    wanted = is_package and not flags & {"--no-install-project", "--no-emit-project"}
    whole = (
        ([str(project)] if "--no-editable" in flags else ["--editable", str(project)])
        if wanted
        else []
    )
    call = ["export", "--quiet", "--no-header", "--format=requirements-txt", "--no-emit-project"]
    return [*call, *chosen], whole if rest[:1] != ["export"] else []


def _poetry(rest: Sequence[str], project: Path) -> tuple[list[str], list[str]]:
    options = list(_options("poetry", rest))
    flags = {option for option, _ in options}
    held = _pyproject(project).get("tool", {}).get("poetry", {})
    groups = {name for name, each in held.get("group", {}).items() if not each.get("optional")}
    groups |= set(_pyproject(project).get("dependency-groups", {})) | ({"dev"} & held.keys())
    if rest[:1] == ["export"] or flags & {"--no-dev", "--only-root"}:
        groups = set()
    for option, value in options:
        names = {each.strip() for each in value.split(",")}
        groups = groups - names if option == "--without" else groups
        groups = groups | names if option == "--with" else groups
    call = ["export", "--format=requirements.txt"]
    call += [f"--only={value}" for option, value in options if option == "--only"]
    if "--only" not in flags:
        call += [f"--with={each}" for each in sorted(groups)]
    call += [f"--extras={value}" for option, value in options if option in ("-E", "--extras")]
    call += ["--all-extras"] if "--all-extras" in flags else []
    whole = rest[:1] != ["export"] and "--no-root" not in flags and held.get("package-mode", True)
    return call, ["--editable", str(project)] if whole else []


def _pipenv(rest: Sequence[str], _project: Path) -> tuple[list[str], list[str]]:
    dev = {"--dev", "-d"} & set(rest)
    return ["requirements", "--hash", *(["--dev"] if dev else [])], []


LOCKS = {"uv": "uv.lock", "poetry": "poetry.lock", "pipenv": "Pipfile.lock"}


def _run(tool: str, call: Sequence[str], project: Path) -> str:
    """Return the requirements that the tool writes. Without a lock file it makes one first, as in Docker."""
    program = str(venvs.venv([Step(TOOLS[tool])]) / tool)
    if tool != "uv" and not (project / LOCKS[tool]).exists():
        _call([program, "lock"], project)
    return _call([program, *call], project)


def _call(command: Sequence[str], project: Path) -> str:
    python = str(Path(command[0]).with_name("python"))
    done = subprocess.run(
        command,
        cwd=project,
        env={**venvs.clean_environment(), "UV_PYTHON": python, "PIPENV_PYTHON": python},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        raise InstallError(
            t(
                "{called} ended with {status}:\n{last}",
                called=" ".join([Path(command[0]).name, *command[1:]]),
                status=done.returncode,
                last="\n".join((done.stdout + done.stderr).splitlines()[-15:]),
            )
        )
    return done.stdout


def _pyproject(project: Path) -> dict[str, Any]:
    file = project / "pyproject.toml"
    return tomllib.loads(file.read_text()) if file.exists() else {}
