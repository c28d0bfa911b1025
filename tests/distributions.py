"""Builds what a release publishes, and checks it: `python -m tests.distributions FOLDER [TAG]`."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from careapp import ROOT

DISTRIBUTIONS = {
    "careapp": "careapp",
    "ecs-gate": "ecs_gate",
    "local-cloud": "local_cloud",
}
"""Folders of `packages/` with the package that each of them distributes."""


def outside(name: str) -> tuple[dict[str, str], list[str]]:
    """What the package has from elsewhere in the repository, by the origin, and what is left out of it."""
    file = ROOT / "packages" / name / "pyproject.toml"
    built = tomllib.loads(file.read_text())["tool"]["hatch"]["build"]
    return built["hooks"]["custom"].get("outside", {}), built.get("exclude", [])


def date() -> str:
    """The time of the last commit in seconds, which archives of it have for all files (reproducible-builds.org)."""
    show = ("git", "log", "-1", "--format=%ct")
    return subprocess.check_output(show, cwd=ROOT, text=True).strip()


def build(name: str, out: Path, *options: str) -> None:
    """Build a source distribution, and of that a wheel, by the packages of `.venv`: nothing is downloaded.

    With ``--wheel`` the wheel is built of the folder, as pip does.
    """
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), *options]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": date()}
    subprocess.run([*command, ROOT / "packages" / name], env=environment, check=True)


def check(files: list[Path]) -> None:
    """Check what PyPI shows and what a wheel has. Raises CalledProcessError."""
    wheels = [file for file in files if file.suffix == ".whl"]
    for command in (("twine", "check", "--strict", *files), ("check_wheel_contents", *wheels)):
        subprocess.run([sys.executable, "-m", *command], check=True)


def version(name: str) -> str:
    file = ROOT / "packages" / name / "pyproject.toml"
    return str(tomllib.loads(file.read_text())["project"]["version"])


def main(out: Path, tag: str = "") -> str | None:
    """Return what forbids a release by this tag; None where everything is built and checked."""
    for name in DISTRIBUTIONS:
        if tag and tag != f"v{version(name)}":
            return (
                f"{tag} is not the version of {name}, {version(name)}: a release has one version. Correct it in "
                f"packages/{name}/pyproject.toml, or tag the commit that has it."
            )
        build(name, out)
    check(sorted(out.iterdir()))
    return None


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
