"""Reads what a RUN instruction installs and runs: Python packages, programs of the app, modes of files.

What else it does is left out, and a notice says so.
"""

from __future__ import annotations

import getopt
import json
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePosixPath

from tools.i18n import Text, t
from tools.local_cloud.building import lock_files, pip_arguments, shell
from tools.local_cloud.building.files import Copy
from tools.local_cloud.building.instructions import Instruction, meant, nearest, shortened
from tools.local_cloud.building.shell import Command, UnclosedQuote

NOT_NEEDED = (
    *("addgroup", "adduser", "groupadd", "groupmod", "useradd", "usermod", "passwd", "chown"),
    *("set", "export", "unset", "true", ":", "echo", "printf", "exit", "[", "[[", "test", "umask"),
    *("rm", "rmdir", "find", "which", "command", "type", "sync", "ldconfig", "ls", "cat", "pwd"),
    *(".", "source", "trap", "sleep", "virtualenv", "shopt", "env", "local", "hash"),
)
"""Commands that a local process does not need: it runs as a user of this machine and writes to no image."""
FILE_TOOLS = ("chmod", "mkdir", "touch")
"""Programs that are run on the image's files, as far as there are any."""
FILE_CHANGES = {"cp": "rRafpvu", "mv": "fvnu", "ln": "sfvn", "sed": "inrEsze:"}
"""Programs that are run on the image's files if these are all that they read, and their options."""
WRAPPERS = ("exec", "sudo", "env", "time", "nice", "nohup", "command")
OTHER_INSTALLERS = ("pdm", "conda", "mamba", "micromamba", "easy_install", "rye", "pixi", "hatch")
COMMON = (
    *("pip", "pip3", "pipx", "pipenv", "python", "python3", "apt", "apt-get", "apk", "apt-key"),
    *(
        "curl",
        "wget",
        "npm",
        "npx",
        "yarn",
        "pnpm",
        "node",
        "make",
        "git",
        "tar",
        "unzip",
        "gunzip",
    ),
    *(
        "flask",
        "poetry",
        "django-admin",
        "gunicorn",
        "ln",
        "cp",
        "mv",
        "sed",
        "cd",
        "uv",
        "bash",
        "sh",
    ),
    *(
        "yum",
        "dnf",
        "microdnf",
        "dpkg",
        "gpg",
        "install",
        "tee",
        "grep",
        "awk",
        "xargs",
        "yes",
        "bun",
    ),
)
"""Programs that Dockerfiles often name, for the spelling that was meant."""
SHELLS = ("sh", "bash", "ash", "dash", "su")
PYTHON = re.compile(r"python[\d.]*")
SYSTEM_PROGRAMS = (
    (re.compile(r"netcat(-\w+)*"), ("nc", "netcat")),
    # Debian's and Alpine's: the client, or the server with it.
    (re.compile(r"postgresql(-?\d+)?(-client(-\d+)?)?"), ("psql", "pg_isready", "pg_dump")),
)
"""Packages of the system whose programs an image can have here, too: scripts wait for the database by them."""
REMOVAL = {"remove", "purge", "autoremove", "del"}
"""Commands of apt and apk that take packages away."""
PIP = re.compile(r"pip[\d.]*")
SILENT_PIP = ("uninstall", "cache", "check", "list", "freeze", "show", "--version", "-V", "debug")
SILENT_MODULES = ("venv", "compileall", "ensurepip", "virtualenv")


@dataclass(frozen=True, kw_only=True)
class Install:
    """One installation of packages, and the files that were copied before it.

    ``tool`` is pip, or the tool that wrote the lock file. Paths in ``arguments`` are those in the image.
    """

    tool: str = "pip"
    arguments: tuple[str, ...]
    workdir: PurePosixPath
    copies: tuple[Copy, ...] = ()
    place: str


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program that is run in the image's files: one of the app, or one that changes files."""

    words: tuple[str, ...]
    workdir: PurePosixPath
    environment: Mapping[str, str]
    place: str
    after: int = 0
    """The number of the stage's copies before it."""

    @property
    def notice(self) -> Text:
        """Return the notice that what it does is left out, for a stage of which only files are copied."""
        text = shortened(f"RUN {' '.join(self.words)}")
        return t("{place}: left out without Docker: {text}", place=self.place, text=text)


@dataclass(frozen=True)
class FileChange:
    """What cp, mv, `ln -s` or `sed -i` is told: options with the script of sed, sources, and the others' target."""

    options: list[str]
    sources: list[str]
    target: list[str]


def file_change(words: Sequence[str]) -> FileChange | None:
    """Return the words by their meaning; None where they are of another program, or another use of these."""
    name, *rest = words
    if name not in FILE_CHANGES:
        return None
    try:
        pairs, named = getopt.gnu_getopt(rest, FILE_CHANGES[name])
    except getopt.GetoptError:
        return None
    given, options = dict(pairs), [each for pair in pairs for each in pair if each]
    if name == "sed":
        script = [] if "-e" in given else named[:1]
        found = FileChange([*options, *script], named[len(script) :], [])
    else:
        found = FileChange(options, named[:-1], named[-1:])
    needed = {"sed": "-i", "ln": "-s"}.get(name)
    return found if found.sources and (needed is None or needed in given) else None


@dataclass
class Found:
    """What one RUN does. ``system`` are the system's programs after it."""

    system: frozenset[str]
    installs: list[Install] = field(default_factory=list)
    programs: list[Program] = field(default_factory=list)
    venvs: list[PurePosixPath] = field(default_factory=list)
    exports: dict[PurePosixPath, Install] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    warnings: list[Text] = field(default_factory=list)
    problems: list[Text] = field(default_factory=list)


class RunReader:
    """Reads one RUN in a stage whose files, folder and variables are given.

    ``text_of`` returns a copied file of the image, or None; ``has`` is whether there is one. ``exports`` are the
    requirements files that an earlier command wrote from a lock file.
    """

    def __init__(
        self,
        line: Instruction,
        *,
        workdir: PurePosixPath,
        environment: Mapping[str, str],
        copies: tuple[Copy, ...],
        text_of: Callable[[PurePosixPath], str | None],
        has: Callable[[PurePosixPath], bool],
        exports: Mapping[PurePosixPath, Install],
        system: frozenset[str],
    ) -> None:
        self.line, self.workdir, self.copies = line, workdir, copies
        self.text_of, self.has = text_of, has
        self.environment, self.exports = dict(environment), dict(exports)
        self.found = Found(system=system)

    def read(self, script: str) -> Found:
        """Read the script and the scripts of the image that it runs."""
        try:
            for command in shell.commands(script):
                self._command(command)
        except UnclosedQuote as mark:
            rule = t("the shell command has a {mark} without its partner", mark=str(mark))
            self.found.problems.append(self.line.problem(rule))
        return self.found

    def _command(self, command: Command) -> None:
        words = list(command.words)
        while words and PurePosixPath(words[0]).name in WRAPPERS and len(words) > 1:
            words = words[1:]
            while words and (words[0].startswith("-") or "=" in words[0]):
                words = words[1:]
        words = lock_files.without_runner(words)
        if not words:
            self.environment |= command.variables
            return
        name = PurePosixPath(words[0]).name
        rest = words[1:]
        if PYTHON.fullmatch(name) and _module(rest) in ("pip", *lock_files.TOOLS):
            name, rest = rest[1], rest[2:]
        before = len(self.found.installs) + len(self.found.programs)
        self._by_name(name, rest, words, command)
        if command.conditional and len(self.found.installs) + len(self.found.programs) > before:
            text = t(
                "{place}: run here although its condition is not known: {text}",
                place=self.line.place,
                text=shortened(" ".join(words)),
            )
            self.found.warnings.append(text)

    def _by_name(self, name: str, rest: list[str], words: list[str], command: Command) -> None:
        """Read a command by the first of the kinds that it is of; leave out any other."""
        if self._is_installer(name, rest, words) or self._is_of_shell(name, rest):
            return
        if name in FILE_TOOLS or self._changes_image([name, *rest]):
            self._program([name, *rest], {})
        elif self._is_of_app(name, rest, words):
            self._program(words, command.variables)
        elif text := self._own_script(name, rest, words):
            self._script(text, words)
        elif name not in NOT_NEEDED and not _is_silent(name, rest):
            self._leave_out(name, words)

    def _is_installer(self, name: str, rest: list[str], words: list[str]) -> bool:
        """Read a command that installs packages or makes a venv; return False for any other."""
        if PIP.fullmatch(name):
            self._pip(rest, words)
        elif name in lock_files.TOOLS:
            self._tool(name, rest, words)
        elif name in OTHER_INSTALLERS:
            self._refuse(t("packages that {tool} installs are not known without Docker", tool=name))
        elif PYTHON.fullmatch(name) and _module(rest) in SILENT_MODULES:
            self._venv(rest)
        elif name == "virtualenv":
            self._venv([name, name, *rest])
        elif PYTHON.fullmatch(name) and rest[:2] in (
            ["setup.py", "install"],
            ["setup.py", "develop"],
        ):
            self._install(["."] if rest[1] == "install" else ["-e", "."])
        else:
            return False
        return True

    def _is_of_shell(self, name: str, rest: list[str]) -> bool:
        """Read a command that changes the shell, or a script in an argument; return False for any other."""
        if name == "cd":
            self.workdir = PurePosixPath(posixpath.normpath(self.workdir / "".join(rest[:1])))
        elif name == "export":
            self.environment |= dict(each.partition("=")[::2] for each in rest)
        elif name in SHELLS and (script := _dash_c(rest)):
            self.read(script)
        else:
            return False
        return True

    def _script(self, text: str, words: list[str]) -> None:
        """Read a script of the image for what it installs. It is left out where it installs nothing."""
        known, left_out = len(self.found.installs), list(self.found.left_out)
        self.read(text)
        installed = len(self.found.installs) > known
        self.found.left_out = left_out + ([] if installed else [" ".join(words)])

    def _venv(self, rest: list[str]) -> None:
        places = [each for each in rest[2:] if not each.startswith("-")]
        if rest[1] in ("venv", "virtualenv") and places:
            self.found.venvs.append(PurePosixPath(posixpath.normpath(self.workdir / places[-1])))

    def _pip(self, rest: list[str], words: list[str]) -> None:
        while rest[:1] and rest[0].startswith("-") and rest[0] not in SILENT_PIP:
            rest = rest[2:] if rest[0] in ("--python", "--timeout", "--retries") else rest[1:]
        verb = rest[0] if rest else ""
        if verb in ("install", "wheel"):
            self._install(rest[1:])
        elif verb and verb not in (*SILENT_PIP, "config", "download"):
            near = nearest(verb, ("install", "wheel", "uninstall", "config", "download"))
            self._refuse(meant(t("pip has no command {word}", word=verb), near))
        elif verb in ("config", "download"):
            self.found.left_out.append(" ".join(words))

    def _install(self, words: list[str]) -> None:
        try:
            arguments = pip_arguments.supported(words, self.workdir)
        except pip_arguments.Unsupported as problem:
            word = str(problem)
            rule = t("{word}: this option or package of pip is not understood", word=word)
            near = nearest(word.partition("=")[0], pip_arguments.OPTIONS)
            self._refuse(meant(rule, near if word.startswith("-") else None))
            return
        for path in [each for each in arguments if PurePosixPath(each) in self.exports]:
            self.found.installs.append(self.exports[PurePosixPath(path)])
            at = arguments.index(path)
            arguments = arguments[: at - 1] + arguments[at + 1 :]
        if arguments and arguments != ("--no-deps",):
            self._add("pip", arguments)
        if "--user" in words:
            text = t(
                "{place}: pip install --user: the packages are in a home folder, and on AWS a task with another user "
                "does not find them; leave --user out",
                place=self.line.place,
            )
            self.found.warnings.append(text)

    def _tool(self, name: str, rest: list[str], words: list[str]) -> None:
        if name == "uv" and rest[:1] == ["pip"]:
            if rest[1:2] == ["install"]:
                self._install(rest[2:])
            elif rest[1:2] == ["sync"]:
                self._install(lock_files.as_requirements(rest[2:]))
            return
        if name == "uv" and rest[:1] == ["venv"]:
            self._venv([name, "venv", *(rest[1:] or [".venv"])])
        elif lock_files.installs(name, rest):
            if lock_files.packages(name, rest):
                self._refuse(t("packages that are added to a lock file here are not known"))
            self.found.venvs += lock_files.venv_of(name, self.workdir, self.environment)
            self._add(name, tuple(rest))
        elif output := lock_files.export_of(name, rest):
            path = PurePosixPath(posixpath.normpath(self.workdir / output))
            self.exports[path] = self._made(name, tuple(rest))
            self.found.exports[path] = self.exports[path]
        elif not lock_files.is_silent(name, rest):
            self.found.left_out.append(" ".join(words))

    def _made(self, tool: str, arguments: tuple[str, ...]) -> Install:
        return Install(
            tool=tool,
            arguments=arguments,
            workdir=self.workdir,
            copies=self.copies,
            place=self.line.place,
        )

    def _add(self, tool: str, arguments: tuple[str, ...]) -> None:
        self.found.installs.append(self._made(tool, arguments))

    def _is_of_app(self, name: str, rest: list[str], words: list[str]) -> bool:
        """Return whether a program is one of the app: a file or a module of the image, or a framework's command."""
        if name in ("flask", "django-admin"):
            return True
        if PYTHON.fullmatch(name):
            while rest and rest[0].startswith("-") and rest[0] not in ("-m", "-c"):
                rest = rest[2:] if rest[0] in ("-W", "-X") else rest[1:]
            if rest[:1] == ["-m"] and rest[1:]:
                module = self.workdir.joinpath(*rest[1].split("."))
                files = (module.with_suffix(".py"), module / "__main__.py")
                return rest[1] in ("flask", "django") or any(self.text_of(each) for each in files)
            return bool(rest) and self.text_of(self.workdir / rest[0]) is not None
        text = self.text_of(self.workdir / words[0]) if "/" in words[0] else None
        return text is not None and "python" in text.partition("\n")[0]

    def _own_script(self, name: str, rest: list[str], words: list[str]) -> str | None:
        """Return the text of a shell script of the image that a command runs."""
        called = [each for each in rest if not each.startswith("-")][:1]
        path = words[0] if "/" in words[0] else "".join(called) if name in ("sh", "bash") else ""
        text = self.text_of(self.workdir / path) if path else None
        return text if (text and re.match(r"#!.*sh\b", text)) or name in ("sh", "bash") else None

    def _changes_image(self, words: list[str]) -> bool:
        """Return whether all that cp, mv, `ln -s` or `sed -i` reads are files of the image."""
        change = file_change(words)
        return change is not None and all(self.has(self.workdir / each) for each in change.sources)

    def _program(self, words: list[str], variables: Mapping[str, str]) -> None:
        made = Program(
            words=tuple(words),
            workdir=self.workdir,
            environment={**self.environment, **variables},
            place=self.line.place,
        )
        self.found.programs.append(made)

    def _leave_out(self, name: str, words: list[str]) -> None:
        if name in ("apt-get", "apt", "apk"):
            for package, programs in SYSTEM_PROGRAMS:
                if any(package.fullmatch(each.partition("=")[0]) for each in words):
                    changed = self.found.system - {*programs}
                    stays = REMOVAL.isdisjoint(words)
                    self.found.system = changed | {*programs} if stays else changed
        near = nearest(name, COMMON) if "/" not in words[0] else None
        if near and _is_typo(name, near):
            self._refuse(meant(t("there is no command {word}", word=name), near))
        else:
            self.found.left_out.append(" ".join(words))

    def _refuse(self, rule: Text) -> None:
        self.found.problems.append(self.line.problem(rule))


def _is_typo(name: str, near: str) -> bool:
    """Return whether letters of a known program were swapped, or one is missing, doubled or added."""
    if name in COMMON or len(name) < 4 or name[0] != near[0]:
        return False
    return abs(len(name) - len(near)) < 2 and len(set(name) ^ set(near)) < 2


def _module(rest: list[str]) -> str:
    """Return the module of `python -m`; "" for another call."""
    return "".join(rest[1:2]) if rest[:1] == ["-m"] else ""


def _dash_c(rest: list[str]) -> str | None:
    """Return the script of `sh -c`."""
    for option, word in pairwise(rest):
        if re.fullmatch(r"-[a-z]*c", option):
            return word
    return None


def _is_silent(name: str, rest: list[str]) -> bool:
    """Return whether a command only tidies up or prints."""
    return (
        name in ("apt-get", "apt") and rest[:1] in (["clean"], ["autoremove"], ["autoclean"])
    ) or (bool(PYTHON.fullmatch(name)) and rest[:1] in (["--version"], ["-V"]))


def words_of(text: str) -> Iterator[str]:
    """Yield the words of a RUN in exec form as shell words."""
    for each in json.loads(text):
        yield "'" + str(each).replace("'", "'\\''") + "'"


def note(line: Instruction, text: str) -> Text:
    """Return the notice of what is not done here."""
    return t("{place}: left out without Docker: {text}", place=line.place, text=shortened(text))


def read_text(file: Path | None) -> str | None:
    """Return a text file's content; None for no file and for one that is not text."""
    try:
        return file.read_text() if file else None
    except (OSError, UnicodeDecodeError):
        return None
