"""Runs the tests by tier: `python -m tests [TIER…] [-- PYTEST ARGUMENTS]`."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

from ops.signals import terminations_raise
from ops.speaking import USAGE, asked_for, speak, tell
from ops.texts import LANGUAGES, said, shown, t
from rehearsal.engine import EngineError, find_or_get
from tests.results import Outcome, closing_line, exit_code, of_pytest, table
from tests.tiers import ROOT, Tier, commands, existing

TIDY_SECONDS = 60  # a rehearsal that is interrupted destroys what it made

WHAT = t(
    "Without a tier: all that this machine can run. With CI=true in the environment, and for a tier "
    "that is named, what cannot run is a failure."
)
EXIT_CODES = t("Exit code 0: all passed. 1: one failed, or none ran. 2: no such tier.")
LANGUAGE = t("English or Japanese; otherwise that of CAREAPP_LANG, LC_ALL, LC_MESSAGES or LANG.")


class Parser(argparse.ArgumentParser):
    """Tells what is wrong in one line, as the other commands do."""

    def error(self, message: str) -> NoReturn:
        tell(t("{words} {path} --help explains it.", words=message, path=self.prog))
        sys.exit(USAGE)


def main(arguments: list[str], tests: Path = ROOT / "tests") -> int:
    """Runs what the command line asks for and returns its exit code."""
    tiers = {tier.name: tier for tier in existing(tests)}
    if shell := os.environ.get("_CAREAPP_COMPLETE"):
        print("\n".join(_completed(shell, tiers)))
        return 0
    asked, extra = _read(arguments, tiers)
    if asked.list:
        for tier in tiers.values():
            print(f"{tier.name:<10} {shown(tier.what)}{_skipped_because(tier)}")
        return 0
    outcomes: list[Outcome] = []
    code = 0
    try:
        with terminations_raise():
            for name in asked.tiers or tiers:
                outcomes.append(_run(tiers[name], tests, extra, named=bool(asked.tiers)))
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    print(f"\n{table(outcomes)}\n")
    if code:
        print(shown(t("stopped by Ctrl-C: the tiers above are all that ran")))
    print(closing_line(outcomes), flush=True)
    return code or exit_code(outcomes)


def _completed(shell: str, tiers: dict[str, Tier]) -> list[str]:
    """The tiers, as click tells a shell's completion of the other commands' words."""
    begun = os.environ.get("COMP_WORDS", "").split()[-1]
    fitting = [tier for tier in tiers.values() if begun == "test" or tier.name.startswith(begun)]
    if shell == "zsh_complete":
        return [f"plain\n{tier.name}\n{shown(tier.what)}" for tier in fitting]
    return [f"plain,{tier.name}" for tier in fitting]


def _read(arguments: list[str], tiers: dict[str, Tier]) -> tuple[argparse.Namespace, list[str]]:
    parser = Parser(
        prog="./careapp test",
        usage=f"%(prog)s [TIER…] [--list] [-- {shown(t('PYTEST ARGUMENTS'))}]",
        description=f"{shown(WHAT)} {shown(EXIT_CODES)}",
    )
    parser.add_argument("tiers", nargs="*", metavar="TIER", help=", ".join(tiers))
    listing = shown(t("the tiers, and which cannot run here"))
    parser.add_argument("--list", action="store_true", help=listing)
    parser.add_argument("--lang", choices=LANGUAGES, help=shown(LANGUAGE))
    own, extra = arguments, []
    if "--" in arguments:
        cut = arguments.index("--")
        own, extra = arguments[:cut], arguments[cut + 1 :]
    asked = parser.parse_args(own)
    asked.tiers = list(dict.fromkeys(asked.tiers))
    for name in asked.tiers:
        if name not in tiers:
            known = ", ".join(tiers)
            parser.error(
                shown(
                    t('there is no tier "{name}"; the tiers are {known}.', name=name, known=known)
                )
            )
    return asked, extra


def _skipped_because(tier: Tier) -> str:
    reason = tier.missing()
    return f" ({shown(t('cannot run here: {why}', why=reason))})" if reason else ""


def _run(tier: Tier, tests: Path, extra: list[str], named: bool) -> Outcome:
    if reason := tier.missing():
        must = named or os.environ.get("CI", "").lower() in ("true", "1")
        note = t("cannot run: {why}", why=reason) if must else t("skipped: {why}", why=reason)
        print(f"\n== {tier.name}: {shown(note)}", flush=True)
        return Outcome(tier=tier.name, failed=int(must), skipped=int(not must), note=note)
    print(f"\n== {tier.name}: {shown(tier.what)}", flush=True)
    began = time.monotonic()
    if tier.engine:
        try:
            find_or_get()
        except EngineError as problem:
            print(shown(said(problem)), flush=True)
            return Outcome(tier=tier.name, failed=1, note=t("no pulumi engine"))
    if tier.checks:
        bad = [command[2:] for command in commands(tier, tests, Path(), []) if _child(command)]
        note = "; ".join(" ".join(command) for command in bad)
        good, spent = len(tier.checks) - len(bad), time.monotonic() - began
        return Outcome(tier=tier.name, passed=good, failed=len(bad), seconds=spent, note=note)
    with tempfile.TemporaryDirectory(prefix="careapp-tests-") as folder:
        report = Path(folder, "report.xml")
        (command,) = commands(tier, tests, report, extra)
        code = _child(command)
        return of_pytest(tier.name, code, report, time.monotonic() - began, bool(extra))


def _child(command: list[str]) -> int:
    """Runs the command to its end; when this process is to stop, the child first tidies up."""
    child = subprocess.Popen(command, cwd=ROOT)
    try:
        return child.wait()
    except BaseException as reason:
        # The terminal sends Ctrl-C to both; anything else has reached this process alone.
        if not isinstance(reason, KeyboardInterrupt):
            child.send_signal(signal.SIGINT)
        try:
            child.wait(TIDY_SECONDS)
        except subprocess.TimeoutExpired:
            child.terminate()
            child.wait()
        raise


if __name__ == "__main__":
    speak(asked_for(sys.argv[1:]))
    sys.exit(main(sys.argv[1:]))
