"""Images that are built without Docker: their RUN lines are run, in a root that is theirs."""

import fcntl
import os
import pwd
import socket
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import pytest

from local_cloud.building import base, dockerfile, index, layers
from local_cloud.building.files import Context
from local_cloud.building.layers import Built, Layers, RunFailed
from local_cloud.machine.roots import Bind
from tests.dataplane.conftest import own_mounts
from tests.dataplane.stack import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not own_mounts(), reason="this machine refuses mount namespaces"),
]

APP = "FROM python:3.13-slim\nWORKDIR /app\n"
CMD = 'CMD ["true"]\n'
METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: 1\n"
WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def write_wheel(folder: Path, name: str) -> None:
    """Write a package with a header of C, as greenlet has, and a program of its name, which prints where it runs."""
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", f"import sys\ndef main():\n    print('{name}', sys.prefix)\n")
        wheel.writestr(f"{name}-1.data/headers/{name}.h", "")
        info = f"{name}-1.dist-info"
        wheel.writestr(f"{info}/METADATA", METADATA.format(name=name))
        wheel.writestr(f"{info}/WHEEL", WHEEL)
        wheel.writestr(f"{info}/entry_points.txt", f"[console_scripts]\n{name} = {name}:main\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The folder of the images, below /tmp, which have one base."""
    folder = tmp_path_factory.mktemp("home")
    folder.chmod(0o755)
    return folder


@pytest.fixture(autouse=True)
def cached(home, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))


@pytest.fixture
def context(tmp_path):
    """The files of an app with two packages that need no index."""
    folder = tmp_path / "site"
    write_wheel(folder, "one")
    write_wheel(folder, "two")
    (folder / "requirements.txt").write_text("/wheels/one-1-py3-none-any.whl\n")
    with tarfile.open(folder / "packed", "w:gz") as packed:
        packed.add(folder / "requirements.txt", "unpacked")
    return folder


def sent(context: Path) -> Context:
    return Context(context, context / "Dockerfile")


def built(context: Path, text: str, maker: Layers | None = None) -> Built:
    (context / "Dockerfile").write_text(text)
    stage = dockerfile.read(context / "Dockerfile", {})
    return (maker or Layers()).build(stage, sent(context))


def said(image: Built, command: str) -> str:
    """What a shell prints in the image's root, as a task sees it."""
    binds = [Bind(image.root, Path("/"), writable=False), *base.binds(image.root)]
    code, output = Layers().run(["/bin/sh", "-c", command], "/", {"PATH": dockerfile.PATH}, binds)
    return output.strip() if code == 0 else f"{code}: {output}"


WHEELS = APP + "COPY *.whl /wheels/\n"
ROWS = {
    "requirements in a folder of the base image": (
        f"{WHEELS}COPY requirements.txt /tmp\nRUN pip install -r /tmp/requirements.txt\n",
        "one",
        "one /usr/local",
    ),
    "wheels of a stage that are mounted": (
        f"FROM python AS builder\nCOPY *.whl /wheels/\n{APP}"
        "RUN --mount=type=bind,from=builder,source=/wheels,target=/wheels pip install /wheels/*\n",
        "one; two; ls /wheels",
        "one /usr/local\ntwo /usr/local",
    ),
    "a venv of another stage": (
        "FROM python:3.13 AS own\nRUN python -m venv /opt/venv\nCOPY one*.whl /\nRUN /opt/venv/bin/pip install /*.whl\n"
        f"{APP}COPY --from=own /opt/venv /opt/venv\n",
        "/opt/venv/bin/one",
        "one /opt/venv",
    ),
    "packages of a stage, by the folder of the image's Python": (
        f"{WHEELS.replace(chr(10), ' AS build' + chr(10), 1)}RUN pip install /wheels/one*\n{APP}"
        "COPY --from=build /usr/local/lib/python3.13/site-packages /usr/local/lib/python3.13/site-packages\n",
        "python3.13 -m one; python -c 'import one; print(one.__file__)'",
        "/usr/local/lib/{name}/site-packages/one.py",
    ),
    "files that are copied, edited, linked and moved": (
        f"{APP}RUN echo first >a && sed -i s/first/second/ a && ln -s /app/a /usr/bin/b\n"
        "RUN mkdir -p /usr/src/x && mv a /usr/src/x/ && ln -sf /usr/src/x/a /app/a\n",
        "cat /usr/bin/b",
        "second",
    ),
    "heredocs": (
        f"{APP}RUN <<EOF\nset -e\necho one >>log\nEOF\nRUN cat <<one >>log && cat <<two >>log\n$HOME\none\nlast\ntwo\n"
        "RUN <<EOF\n#!/usr/bin/env python3\nopen('log', 'a').write('python')\nEOF\nCOPY <<EOF /made\ncopied\nEOF\n",
        "cat /app/log /made",
        "one\n/root\nlast\npythoncopied",
    ),
    "arguments, variables and a user with a home folder": (
        f"{APP}ARG WHO=world\nENV GREETING=hello\nRUN useradd -m app && chown app /app\nUSER app\n"
        'RUN echo "$GREETING $WHO from $HOME" >~/said\n',
        "cat /home/app/said",
        "hello world from /home/app",
    ),
    "files of the context that are mounted": (
        f"{APP}RUN --mount=type=cache,target=/c --mount=type=bind,source=requirements.txt,target=a "
        "--mount=target=all --mount=type=bind,source=Dockerfile,target=b cp a b all/one*.whl /root/\n",
        "cat /root/a; head -1 /root/b; ls /root/*.whl",
        "/wheels/one-1-py3-none-any.whl\nFROM python:3.13-slim\n/root/one-1-py3-none-any.whl",
    ),
    "mounted folders that are written to": (
        f"FROM python AS build\nRUN mkdir /b && echo kept >/b/k\n{APP}"
        "RUN --mount=target=/all,rw echo x >/all/k && cp /all/k one\n"
        "RUN --mount=from=build,source=/b,target=/b,rw echo lost >>/b/k && cp /b/k two\n"
        "RUN --mount=from=build,source=/b,target=/b cp /b/k three\n",
        "cd /app; cat one two three",
        "x\nkept\nlost\nkept",
    ),
    "the exec form and another shell": (
        f'{APP}RUN ["bash", "-c", "echo exec >e"]\nSHELL ["bash", "-c"]\nRUN [[ 1 == 1 ]] && echo shell >>e\n',
        "cat /app/e",
        "exec\nshell",
    ),
    "heredocs with variables and a mode": (
        f'{APP}ENV W=who\nCOPY --chmod=755 <<EOF h\n#!/bin/sh\necho "$W"\nEOF\nCOPY <<"EOF" k\n$W\nEOF\n',
        "/app/h; cat /app/k",
        "who\n$W",
    ),
    "modes of files of the context and of a stage": (
        f"FROM python AS s\nRUN mkdir -p /d/e && echo >/d/e/f\n{APP}COPY --chmod=u=rwx,go= one*.whl m/\n"
        "COPY --from=s --chmod=a+x /d d\nCOPY --from=s --chmod=750 /d c\nCOPY --from=s /d b\n",
        "cd /app; stat -c %a m/* d/e d/e/f c/e/f b/e/f",
        "700\n755\n755\n750\n644",
    ),
    "an archive, whatever its name, and what is none": (
        f"{APP}ADD packed requirements.txt d/\n",
        "cat /app/d/*",
        "/wheels/one-1-py3-none-any.whl\n/wheels/one-1-py3-none-any.whl",
    ),
    "a line without a network": (
        f"{APP}RUN --network=none grep lo: /proc/net/dev | sed 's/  */ /g' | cut -d' ' -f3 >n\n",
        "cat /app/n",
        "0",
    ),
    "users of the base image and those that are added": (
        f"{APP}RUN groupadd web && useradd web -u 1234 -m -d /srv/web -s /bin/false -g web\n"
        "USER www-data\nRUN true\nUSER 1234\nRUN echo ~ >/srv/web/h\nUSER web:web\n",
        "cat /srv/web/h",
        "/srv/web",
    ),
    "a folder that is installed for a user": (
        f"{APP}RUN useradd app && install -d -o app --group=app -m 750 /data && stat -c %a /data >m\n",
        "cat /app/m",
        "750",
    ),
    "a cache that is mounted": (
        f"{APP}RUN --mount=type=cache,target=/var/cache/own echo kept >/var/cache/own/x\n",
        "ls /var/cache/own",
        "",
    ),
}


@pytest.mark.parametrize(("text", "command", "expected"), ROWS.values(), ids=list(ROWS))
def test_a_dockerfile_is_run_by_its_shell(context, text, command, expected):
    image = built(context, text + CMD)
    assert said(image, command) == expected.format(name=base.find_python("3.13").name)


LEFT_OUT = {
    "the system's packages": (
        "RUN apt-get update && apt-get install -y libpq-dev && rm -rf /var/lib/apt/lists/* && apt-get clean\n",
        ["RUN apt-get update; apt-get install -y libpq-dev"],
    ),
    "a script that no line runs": ("COPY reset.sh /\n", [""]),
    "a script": ("COPY reset.sh /\nRUN sh /reset.sh\n", ["", "RUN npm run reset"]),
    "a program of such a package": (
        "RUN apt-get install -y gettext\nRUN msgfmt-of-it x && echo done >/app/done\n",
        ["RUN apt-get install -y gettext", "RUN msgfmt-of-it x"],
    ),
    "a file": (
        "RUN curl -o /bin/wait https://host.invalid/wait && chmod +x /bin/wait\n",
        ["RUN curl -o /bin/wait https://host.invalid/wait; chmod +x /bin/wait"],
    ),
    "an archive that is deleted": (
        "RUN curl -o x.tgz https://host.invalid/x && tar xf x.tgz && rm x.tgz\n",
        ["RUN curl -o x.tgz https://host.invalid/x; tar xf x.tgz; rm x.tgz"],
    ),
    "a file by ADD": (
        "ADD https://host.invalid/tini /tini\nRUN chmod +x /tini\n",
        ["ADD https://host.invalid/tini", "RUN chmod +x /tini"],
    ),
    "an installer": (
        "ADD https://host.invalid/install.sh /i.sh\nRUN sh -e /i.sh && rm /i.sh\n",
        ["ADD https://host.invalid/install.sh", "RUN sh -e /i.sh; rm /i.sh"],
    ),
    "a file of a package that is deleted": (
        "RUN apt-get install -y nginx && rm /etc/nginx/sites-enabled/default\n",
        ["RUN apt-get install -y nginx; rm /etc/nginx/sites-enabled/default"],
    ),
    "a program that is not there, in exec form": (
        'RUN apt-get install -y gettext\nRUN ["msgfmt-of-it", "x"]\n',
        ["RUN apt-get install -y gettext", "RUN msgfmt-of-it x"],
    ),
    "the processor": (
        "RUN case $(dpkg --print-architecture) in amd64 | arm64) ;; *) exit 1 ;; esac\n",
        [""],
    ),
}
"""Lines from the third one on, and what is said of each; nothing where it is run."""


@pytest.mark.parametrize(("text", "left_out"), LEFT_OUT.values(), ids=list(LEFT_OUT))
def test_what_cannot_be_installed_here_is_said_with_its_line(context, text, left_out):
    (context / "reset.sh").write_text("npm run reset\n")
    app, roots = APP.replace("3.13", base.OWN.version), set()
    for first, before in ((3, ""), (4, "# a comment\n")):
        image = built(context, app + before + text + CMD)
        assert list(map(str, image.notices)) == [
            f"site/Dockerfile:{line}: left out without Docker: {words}"
            for line, words in enumerate(left_out, first)
            if words
        ]
        roots.add(image.root)
    assert len(roots) == 1


def test_a_context_that_is_a_link_is_its_folder(context, tmp_path):
    (tmp_path / "link").symlink_to(context)
    image = built(tmp_path / "link", f"{APP}COPY . .\n{CMD}")
    assert said(image, "cat /app/requirements.txt") == "/wheels/one-1-py3-none-any.whl"


def test_a_program_that_is_installed_on_this_machine_is_in_the_next_image(tmp_path, monkeypatch):
    monkeypatch.setattr(base, "USR", tmp_path)
    (tmp_path / "bin").mkdir()
    before = base.made_of(base.OWN)
    assert base.made_of(base.OWN) == before
    (tmp_path / "bin/python3.2").touch()
    assert base.made_of(base.OWN) != before
    other = base.Python(tmp_path, "python3.2")
    before = base.made_of(other)
    os.utime(tmp_path / "bin/python3.2", (0, 0))  # as an upgrade in its place does
    assert base.made_of(other) != before


@pytest.mark.parametrize(
    ("image", "wanted", "way"),
    [
        ("python:3.2", "3.2", "Install that one with pyenv or uv"),
        ("python:slim", "", "Name the version in FROM, as python:3.12-slim"),
    ],
)
def test_another_python_than_the_image_s_is_said(context, image, wanted, way):
    version = base.find_python(wanted).version
    assert [str(notice) for notice in built(context, f"FROM {image}\n{CMD}").notices] == [
        f"site/Dockerfile:1: {image} is run by this machine's Python {version}. {way}, or use a "
        "Docker engine (--tasks docker), if it needs its own"
    ]


def test_a_python_of_the_image_s_version_runs_it_where_there_is_one(context, tmp_path, monkeypatch):
    for version in ("3.10", "3.12", "3.14"):
        if base.find_python(version) != base.OWN:
            image = built(
                context,
                f"FROM python:{version}-alpine\nCOPY *.whl /w/\nRUN pip install /w/*\n{CMD}",
            )
            assert said(image, "one && python -V").startswith(f"one /usr/local\nPython {version}.")
            assert image.notices == []
            break


def test_python_is_the_nearest_one_of_pyenv_uv_and_path(tmp_path, monkeypatch):
    monkeypatch.setattr(base.shutil, "which", {}.get)
    for name in ("PYENV_ROOT", "UV_PYTHON_INSTALL_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert base.find_python("3.72") == base.OWN
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".pyenv").symlink_to(tmp_path / "elsewhere")
    for version in ("70.11rc1", "70.9", "70.10"):
        made = install(tmp_path / f"elsewhere/versions/3.{version}")
        assert base.find_python("3.70") == base.find_python("3.72") == (made, "python3.70")
    other = install(tmp_path / "root/versions/3.71.1")
    assert base.find_python("3.72").name == "python3.70"
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "root"))
    assert base.find_python("3.72") == base.find_python("") == (other, "python3.71")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    assert base.find_python(base.OWN.version) == base.OWN


def install(folder: Path) -> Path:
    """Make what looks like a Python whose version is the folder's."""
    name = f"python3.{folder.name.split('.')[1]}"
    for place in (f"bin/{name}", f"lib/{name}/ensurepip"):
        (folder / place).mkdir(parents=True)
    return folder


LEAVES_OUT = "left out without Docker: "
NO_FILE = "the stage that it is copied from has no such file"


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("RUN echo begun && false", 3, "RUN echo begun && false ended with 1:\nbegun"),
        ("RUN pyhton -m pip install one", 0, "/bin/sh: 1: pyhton: not found"),
        ("RUN apt-get update\nRUN pyhton -m pip install one", 0, "/bin/sh: 1: pyhton: not found"),
        ("RUN pip install -r none.txt", 0, "No such file or directory: 'none.txt'"),
        (
            "FROM python:3.99\nRUN echo 'resolved to Python 3.1, which is incompatible'; false",
            0,
            ". Install that one with pyenv or uv, or use a Docker engine (--tasks docker), if it needs",
        ),
        (
            "RUN apt-get install -y libmysql\nRUN echo 'no mysql_config'; exit 1",
            3,
            f"{LEAVES_OUT}RUN apt-get install -y libmysql",
        ),
        (
            "RUN apt-get install -y libmysql && echo 'no mysql_config' && exit 1",
            3,
            f"{LEAVES_OUT}RUN apt-get install -y libmysql",
        ),
        ("ADD https://host.invalid/x /x\nRUN cat /x", 3, f"{LEAVES_OUT}ADD https://host.invalid/x"),
        (
            "FROM node AS n\nRUN npm run build\nFROM python\nCOPY --from=n /dist /d\nRUN ls /d/none",
            4,
            f"{LEAVES_OUT}RUN npm run build\n",
        ),
        ("USER web\nRUN true", 4, "unable to find user web: no matching entries in passwd file"),
        ("USER web", 1, "unable to find user web: no matching entries in passwd"),
        ("COPY --chmod=u+q . /x", 3, "--chmod=u+q is no mode"),
        ("RUN chown root /none", 0, "/none ended with 1:\nfind: "),
        ('RUN ["pyhton", "-V"]', 0, "ended with 127:\npyhton: not found"),
        ("RUN pip instal one", 0, 'unknown command "instal" - maybe you meant "install"'),
        ("FROM python\nCOPY --from=0 /none /none", 4, f"COPY /none: {NO_FILE}"),
        (
            "FROM python\nRUN --mount=type=bind,from=0,source=/none,target=/none true",
            4,
            f"RUN --mount /none: {NO_FILE}",
        ),
    ],
)
def test_a_line_that_fails_fails_the_build_with_its_last_words(context, text, place, words):
    with pytest.raises((RunFailed, dockerfile.DockerfileError)) as failed:
        built(context, f"{APP}{text}\n{CMD}")
    assert (f"site/Dockerfile:{place}: {words}" if place else words) in str(failed.value)
    assert not list(layers.cache().glob("images/.part-*"))


def test_a_second_build_runs_nothing_and_a_change_runs_what_comes_after_it(context, monkeypatch):
    built(context, APP + CMD)
    monkeypatch.setattr(layers, "LONG", 0.0)
    ran, run = [], Layers.run

    def noted(self, words, *arguments, **options):
        ran.append(words[-1])
        return run(self, words, *arguments, **options)

    monkeypatch.setattr(Layers, "run", noted)
    text = APP + "RUN echo 1 >one\nCOPY requirements.txt .\nRUN echo 2 >two\n" + CMD
    first = built(context, text)
    assert ran == ["echo 1 >one", "echo 2 >two"]
    assert built(context, text) == first
    (context / "requirements.txt").write_text("changed")
    other = built(context, text)
    assert ran == ["echo 1 >one", "echo 2 >two", "echo 2 >two"]
    assert said(other, "cat /app/one /app/requirements.txt") == "1\nchanged"
    assert said(first, "cat /app/requirements.txt") == "/wheels/one-1-py3-none-any.whl"


TWO = """COPY *.whl /wheels/
RUN pip install /wheels/one*
RUN python -m venv /opt/venv && /opt/venv/bin/pip install /wheels/two*
"""


def test_an_image_can_be_moved(context, home, tmp_path, monkeypatch):
    origin, image = built(context, APP.partition("\n")[0]), built(context, APP + TWO + CMD)
    (tmp_path / "moved").mkdir()
    roots = [made.root.relative_to(home) for made in (origin, image)]
    subprocess.run(["cp", "-a", "--parents", *roots, tmp_path / "moved"], cwd=home, check=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "moved"))
    moved = built(context, APP + TWO + CMD)
    assert moved.root == tmp_path / "moved" / image.root.relative_to(home)
    assert said(moved, "one; /opt/venv/bin/two") == "one /usr/local\ntwo /opt/venv"
    assert naming(str(home), moved) == ""


def test_an_image_that_was_copied_without_its_modes_is_built_again(
    context, home, tmp_path, monkeypatch
):
    origin = built(context, APP.partition("\n")[0]).root.relative_to(home)
    (tmp_path / "copied").mkdir()
    subprocess.run(["cp", "-r", "--parents", origin, tmp_path / "copied"], cwd=home, check=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "copied"))
    text = "RUN cd / && python -c 'import tempfile; tempfile.mkstemp()' && echo x >/app/x\n"
    assert said(built(context, APP + text + CMD), "cat /app/x") == "x"


OWNERS = """RUN useradd web && useradd app && mkdir -m 700 /root/x /tmp/x
COPY --chown=web --chmod=600 requirements.txt secret
COPY --chown=root:app --chmod=640 requirements.txt shared
RUN mkdir -p own/below closed/below && chown -R app own && chmod 700 own own/below closed closed/below
USER app
RUN mkdir own/made && chmod 700 own/made
"""


def test_a_file_that_the_user_cannot_read_on_aws_is_said(context):
    warnings: list[str] = []
    for text in (OWNERS, f"{OWNERS}USER root\n"):
        (context / "Dockerfile").write_text(APP + text + CMD)
        stage = dockerfile.read(context / "Dockerfile", {})
        Layers().build(stage, sent(context), say=lambda text: warnings.append(str(text)))
    assert sorted(warnings) == [
        f"{file} belongs to {owner}: on AWS app cannot read it, here it can"
        for file, owner in (("/app/closed", "root"), ("/app/secret", "web"))
    ]


def naming(text: str, image: Built) -> str:
    """The files of an image that have a text."""
    search = ["grep", "-rlI", text, str(image.root)]
    return subprocess.run(search, capture_output=True, text=True, check=False).stdout


def test_the_oldest_images_are_deleted(context, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(layers.base, "make", lambda root, *_: (root / "usr").mkdir())
    monkeypatch.setattr(layers, "KEPT", 2)
    texts = [
        f"FROM python\nCOPY {name} /\n{CMD}" for name in ("one*.whl", "two*.whl", ".", "*.whl")
    ]
    first, second, *_ = [built(context, text) for text in texts]
    assert (first.root.exists(), second.root.exists()) == (False, False)


HARD = """
rm -rf /usr/bin/python3 /root/.bashrc /etc/passwd /.machine/usr/bin/env {home}/kept
touch /.machine/usr/x {home}/x {python}/x
echo changed >/.machine/usr/bin/env
mount -o remount,rw /.machine/usr; umount -l /.machine/usr; umount -l /; mknod /disk b 8 0
unshare -Urm sh -c 'mount -o remount,rw,bind /.machine/usr; touch /.machine/usr/x'
cat /proc/1/environ /proc/1/root/etc/shadow; ls /proc/1/root{home}
ln -s {home} /away; ln -s {home} /app/away; mkdir -p /away/made; echo x >/away/written
rm -rf /.machine/left-out /.machine/late
ln -s {home} /.machine/late; ln -s {home}/noted /.machine/left-out
apt-get update
kill -9 -1
"""


OTHER = "FROM python AS other\nRUN mkdir /d && echo other >/d/kept\n"
LINKS = """COPY hard.sh /
RUN ln -s OWN/kept /app/kept && ln -s OWN/kept /app/hard.sh
COPY --from=other /d /app
COPY hard.sh /app
RUN sh /hard.sh || true
RUN apt-get update; not-there-at-all
RUN ln -sfn /OWN /away && ln -sfn OWN /app/away
COPY requirements.txt /away/
COPY requirements.txt away/
WORKDIR /away/deep
"""


def test_no_line_changes_this_machine_or_sees_its_user(context, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    own.chmod(0o777)
    (own / "kept").write_text("kept")
    (context / "hard.sh").write_text(HARD.format(home=own, python=sys.base_prefix))
    watched = [*map(Path, ("/usr", "/usr/bin/env", "/etc", "/etc/passwd", sys.base_prefix)), own]
    before = [(path.stat().st_mtime, path.stat().st_mode) for path in watched]
    user = "nobody" if os.geteuid() == 0 else None
    with subprocess.Popen(["/usr/bin/sleep", "60"], user=user) as other:
        image = built(context, OTHER + APP + LINKS.replace("OWN", str(own)) + CMD)
        assert other.poll() is None
        other.kill()
    assert [(path.stat().st_mtime, path.stat().st_mode) for path in watched] == before
    assert [(file.name, file.read_text()) for file in own.iterdir()] == [("kept", "kept")]
    assert {"deep", "not-there-at-all", "requirements.txt"} < {*said(image, f"ls {own}").split()}
    away = said(image, f"ls {Path(__file__).parents[2]} {Path.home() / '.bashrc'} 2>&1 || true")
    assert away.count("No such file") == 2


def test_a_build_that_waits_says_for_whom(context):
    maker, said, script = Layers(), [], APP + "RUN touch /app/waited\n" + CMD
    (context / "Dockerfile").write_text(script)
    stage = dockerfile.read(context / "Dockerfile", {})
    folder = layers.cache() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        print("17 /their/app", end="", file=held, flush=True)
        told = {"say": lambda text: said.append(str(text))}
        thread = threading.Thread(target=maker.build, args=(stage, sent(context)), kwargs=told)
        thread.start()
        until(lambda: said, 20)
        assert (said, thread.is_alive()) == (
            ["waiting for the build of /their/app, process 17"],
            True,
        )
    thread.join(60)
    assert (folder / "lock").read_text() == f"{os.getpid()} {context}"
    maker.build(stage, sent(context), **told)
    assert len(said) == 1


@pytest.mark.parametrize("end", ["stop", "interrupt"])
def test_a_build_that_is_stopped_ends_with_its_processes(context, end):
    maker, failed = Layers(), []

    def build() -> None:
        with pytest.raises(RunFailed) as stopped:
            built(
                context,
                APP + "RUN (setsid sleep 4711 &) ; touch /app/begun; sleep 4711\n" + CMD,
                maker,
            )
        failed.append(str(stopped.value))

    thread = threading.Thread(target=build)
    thread.start()
    while not list(layers.cache().glob("images/.part-*/app/begun")):
        time.sleep(0.05)
    getattr(maker, end)()
    thread.join(10)
    assert failed == ["the build was stopped"]
    if end == "interrupt":
        assert built(context, APP + CMD, maker), "the next build begins"
    assert subprocess.run(["pgrep", "-f", "sleep 4711"], check=False).returncode == 1
    assert not list(layers.cache().glob("images/.part-*"))


def test_packages_come_from_this_machine_s_index_of_which_nothing_is_in_the_image(
    context, tmp_path, monkeypatch
):
    write_wheel(tmp_path / "found", "three")
    home = tmp_path / "user"
    (home / ".config/pip").mkdir(parents=True)
    configured = f"[global]\nno-index = true\nfind-links = {tmp_path}/found\ntarget = /x\n"
    (home / ".config/pip/pip.conf").write_text(configured)
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_", "XDG_CONFIG"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    assert {"PIP_FIND_LINKS", "UV_FIND_LINKS"} < index.variables(tmp_path)[0].keys()
    assert "PIP_TARGET" not in index.variables(tmp_path)[0]
    image = built(context, APP + "RUN pip install --no-cache-dir three\n" + CMD)
    assert said(image, "three") == "three /usr/local"
    assert naming(str(tmp_path), image) == ""


def test_uv_is_there_if_an_image_of_it_is_copied(context):
    text = (
        APP
        + "COPY --from=ghcr.io/astral-sh/uv:latest /uv /bin/\nCOPY *.whl requirements.txt /wheels/\n"
    )
    text += "RUN python3 -m venv /opt/venv && uv pip sync --python /opt/venv/bin/python /wheels/requirements.txt\n"
    text += "RUN uv pip install --system /wheels/two-1-py3-none-any.whl\n"
    image = built(context, text + CMD)
    assert said(image, "/opt/venv/bin/one; two") == "one /opt/venv\ntwo /usr/local"
    assert not [notice for notice in image.notices if str(notice).startswith(": ")], "of no line"


def test_an_image_that_installs_netcat_or_the_database_s_client_has_them(context):
    text = APP + "RUN apt-get install -y netcat-openbsd postgresql-client-17\n"
    image = built(context, text + CMD)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for words in (f"-z -w 3 127.0.0.1 {port}", f"127.0.0.1 {port} -zw 3"):
            assert said(image, f"/usr/local/bin/nc {words}") == ""
    assert said(image, f"/usr/local/bin/nc -z 127.0.0.1 {port} -w 3") == "1: "
    unknown = 'nc: getaddrinfo for host "db.nowhere.invalid" port 1: '
    assert said(image, "/usr/local/bin/nc -z db.nowhere.invalid 1").startswith(f"1: {unknown}")
    for name in ("psql", "pg_isready", "pg_dump"):
        assert "PostgreSQL" in said(image, f"/usr/local/bin/{name} --version")
    purged = built(context, APP + "RUN apt-get purge -y netcat-openbsd\n" + CMD)
    assert said(purged, "ls /usr/local/bin/nc").startswith("2: ")
    alpine = built(context, "FROM python:alpine\n" + CMD)
    assert (
        said(alpine, "ls /usr/local/bin/nc && source /etc/os-release && [[ 1 == 1 ]]")
        == "/usr/local/bin/nc"
    )


def test_file_of_a_variable_has_not_the_place_of_a_folder(tmp_path, monkeypatch):
    """A root that is kept has the places of the variables of another day."""
    folder, file = tmp_path / "wheels", tmp_path / "page.html"
    folder.mkdir(), file.touch()
    places = []
    for value in (folder, file):
        monkeypatch.setenv("PIP_FIND_LINKS", str(value))
        places.append(
            {bind.target for bind in index.variables(tmp_path)[1] if bind.source == value}
        )
    assert all(places)
    assert places[0].isdisjoint(places[1])
