"""The version of a `pulumi` executable, and whether it can run the program."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from semver import Version

from local_cloud.text import t, verbatim

ANSWER_SECONDS = 30  # Allows for a cold disk and a virus scanner.


class EngineUnavailable(Exception):
    """One source of a usable engine failed. The text says why."""


class OtherVersion(EngineUnavailable):
    """The executable runs, and is of a version that the program was not made for."""


def parse(text: str) -> Version:
    """Read `v3.274.1` or `3.275.0-alpha.1`. Anything after the patch number is ignored. Raises ValueError."""
    return Version.parse(text.strip().removeprefix("v")).finalize_version()


# The minor version of the Python SDK that requirements.txt locks. Pulumi releases SDK and CLI
# together and tests each SDK with its own CLI. An older CLI may lack a call of the SDK.
MINIMUM = Version(3, 272, 0)
# The plugin protocol may change with the major version; the local providers implement that of
# version 3.
BELOW = Version(4, 0, 0)
REQUIRED = t("{minimum} or newer, below {below}", minimum=str(MINIMUM), below=str(BELOW))


def version_of(cli: Path, environ: Mapping[str, str] | None = None) -> Version:
    """Return the executable's version. Raises EngineUnavailable if it does not run or prints no version."""
    # `pulumi version` writes a log below PULUMI_HOME, which must not remain.
    with tempfile.TemporaryDirectory(prefix="pulumi-version-") as home:
        env = {**(os.environ if environ is None else environ), "PULUMI_HOME": home}
        env["PULUMI_SKIP_UPDATE_CHECK"] = "true"
        env["GOGC"] = "off"  # Without garbage collection it answers in two thirds of the time.
        try:
            answer = subprocess.run(
                [str(cli), "version"],
                env=env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=ANSWER_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired) as problem:
            raise EngineUnavailable(
                t("{program} does not run: {why}", program=str(cli), why=str(problem))
            ) from problem
    if answer.returncode:
        lines = answer.stderr.strip().splitlines()
        raise EngineUnavailable(
            t(
                "`{program} version` exited {code}: {words}",
                program=str(cli),
                code=answer.returncode,
                words=verbatim(lines[-1]) if lines else t("it printed nothing"),
            )
        )
    try:
        return parse(said := answer.stdout.strip())
    except ValueError as problem:
        raise EngineUnavailable(
            t("`{program} version` answered no version: {why}", program=str(cli), why=repr(said))
        ) from problem


def usable(cli: Path, environ: Mapping[str, str] | None = None) -> Path:
    """Return the executable if it can run the program. Raises EngineUnavailable otherwise."""
    version = version_of(cli, environ)
    if not MINIMUM <= version < BELOW:
        raise OtherVersion(
            t(
                "{program} is version {version}; {wanted} is required",
                program=str(cli),
                version=str(version),
                wanted=REQUIRED,
            )
        )
    return cli
