"""Images: what is built and pushed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePosixPath
from threading import Event, Thread

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2

from tools.local_cloud.building import docker_engine, venvs
from tools.local_cloud.building.app_programs import ProgramFailed
from tools.local_cloud.building.builder import Builder, BuildError, ImageNotFound, Wanted
from tools.local_cloud.providers.docker_provider import DockerServicer
from tools.tests.local_cloud.dataplane.conftest import own_mounts

REGISTRY = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com"
REPOSITORY = "held/app"


@pytest.fixture
def source(tmp_path):
    """The context of a small app."""
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(
        'FROM python:3.13-slim\nCOPY . /app/\nWORKDIR /app\nCMD ["true"]\n'
    )
    return context


def wanted(context, tag, **change):
    asked = {"dockerfile": None, "platform": "linux/amd64", "arguments": {}, **change}
    return Wanted(name=f"{REGISTRY}/{REPOSITORY}:{tag}", context=context, **asked)


@pytest.fixture
def built(calls, tmp_path, source):
    """A builder, and the references by tag and by digest of an image that it has pushed."""
    immutable = {"repositoryName": REPOSITORY, "imageTagMutability": "IMMUTABLE"}
    calls("ecr", "create_repository", immutable)
    builder = Builder(calls, tmp_path / "images", docker=False)
    first = wanted(source, "one")
    digest = builder.build(first)
    yield builder, first.name, f"{REGISTRY}/{REPOSITORY}@{digest}"
    calls("ecr", "delete_repository", {"repositoryName": REPOSITORY, "force": True})


def test_an_image_is_found_by_its_tag_and_by_its_digest(built):
    builder, tag, digest = built
    assert builder.find(tag) == builder.find(digest)
    assert builder.find(tag).command == ("true",)


def test_a_log_names_the_image_s_files_as_in_its_containers(built):
    builder, tag, _ = built
    image = builder.find(tag)
    line = f'  File "{image.folder}/webapp/pages.py", line 12'
    assert image.inside(line) == '  File "/app/webapp/pages.py", line 12'
    assert replace(image, docker=True, root=None).inside(line) == line
    package = f"{image.python.parent}/lib/python3/site-packages/flask"
    assert image.inside(package) == "/usr/local/lib/python3/site-packages/flask"


def test_an_image_that_was_deleted_from_ecr_is_found_no_more(built, calls):
    builder, tag, digest = built
    which = [{"imageTag": "one"}]
    calls("ecr", "batch_delete_image", {"repositoryName": REPOSITORY, "imageIds": which})
    for reference in (tag, digest):
        with pytest.raises(ImageNotFound):
            builder.find(reference)


def test_a_tag_that_exists_is_not_pushed_again_whether_the_content_changed_or_not(built, source):
    builder, tag, digest = built
    kept = builder.find(tag)
    immutable = (
        "error reading push output: tag invalid: The image tag 'one' already exists in the "
        f"'{REPOSITORY}' repository and cannot be overwritten because the repository is immutable."
    )
    with pytest.raises(BuildError) as same:
        builder.build(wanted(source, "one"))
    (source / "more.txt").write_text("more")
    with pytest.raises(BuildError) as other:
        builder.build(wanted(source, "one"))
    assert (str(same.value), str(other.value)) == (immutable, immutable)
    assert builder.find(tag) == builder.find(digest) == kept
    builder.build(wanted(source, "two"))


def test_a_tag_of_a_mutable_repository_is_moved(built, source, calls):
    builder, tag, first = built
    mutable = {"repositoryName": REPOSITORY, "imageTagMutability": "MUTABLE"}
    calls("ecr", "put_image_tag_mutability", mutable)
    assert first.endswith(builder.build(wanted(source, "one")))
    (source / "more.txt").write_text("more")
    digest = builder.build(wanted(source, "one"))
    assert builder.find(tag) == builder.find(f"{REGISTRY}/{REPOSITORY}@{digest}")
    assert not first.endswith(digest)


def test_the_files_of_a_running_image_are_never_away_while_its_content_is_built_again(
    built, source
):
    builder, _, _ = built
    (source / "certs").mkdir()
    (source / "certs" / "rds-ca.pem").write_text("roots\n" * 1000)
    builder.build(wanted(source, "first"))
    file = builder.find(f"{REGISTRY}/{REPOSITORY}:first").folder / "certs" / "rds-ca.pem"
    inode, over, read = file.stat().st_ino, Event(), Counter()

    def task():
        while not over.is_set():
            try:
                read[file.read_text().count("roots")] += 1
            except OSError as problem:
                read[str(problem)] += 1

    thread = Thread(target=task)
    thread.start()
    for number in range(20):
        builder.build(wanted(source, f"again-{number}"))
    over.set()
    thread.join()
    assert set(read) == {1000}, read
    assert file.stat().st_ino == inode


def test_builds_of_the_same_content_at_once_share_one_folder(built, source):
    builder, _, _ = built
    (source / "more.txt").write_text("more")
    with ThreadPoolExecutor() as pool:
        list(pool.map(builder.build, (wanted(source, f"at-once-{n}") for n in range(8))))
    folders = {builder.find(f"{REGISTRY}/{REPOSITORY}:at-once-{n}").folder for n in range(8)}
    assert len(folders) == 1
    assert {each.name for each in folders.pop().iterdir()} == {"Dockerfile", "more.txt"}


def test_a_dockerfile_outside_the_context_is_part_of_the_image(built, source, tmp_path):
    builder, _, _ = built
    other = tmp_path / "Dockerfile.other"
    other.write_text('FROM python:3.13-slim\nCOPY Dockerfile /srv/\nCMD ["true"]\n')
    builder.build(wanted(source, "other", dockerfile=other))
    root = builder.find(f"{REGISTRY}/{REPOSITORY}:other").root
    assert [str(each.relative_to(root)) for each in root.rglob("Dockerfile")] == ["srv/Dockerfile"]


DOCKER = """#!/bin/sh
echo "$*" >> "{log}"
case "$1 $2" in
  "image inspect") echo '{{"Entrypoint": ["node"], "Cmd": ["server.js"], "User": "node"}}' ;;
  *) echo sha256:0123 ;;
esac
"""


def test_an_engine_builds_any_dockerfile_and_the_image_says_what_it_runs(
    calls, tmp_path, monkeypatch
):
    docker, log = tmp_path / "bin" / "docker", tmp_path / "log"
    docker.parent.mkdir()
    docker.write_text(DOCKER.format(log=log))
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}:/usr/bin:/bin")
    (tmp_path / "Dockerfile").write_text("FROM node:22\nRUN npm ci\nADD https://a.b/c /\n")
    calls("ecr", "create_repository", {"repositoryName": "held/node"})
    name = f"{REGISTRY}/held/node:one"
    builder = Builder(calls, tmp_path / "images", docker=True)
    builder.build(
        Wanted(name=name, context=tmp_path, dockerfile=None, platform="linux/amd64", arguments={})
    )
    image = builder.find(name)
    assert (image.entry_point, image.command) == (("node",), ("server.js",))
    assert (image.user, image.docker, image.reference) == ("node", True, "sha256:0123")
    assert f"--platform linux/amd64 --tag {name}" in log.read_text()
    calls("ecr", "delete_repository", {"repositoryName": "held/node", "force": True})


WITHOUT_BASE = """#!/bin/sh
[ "$1" = version ] && echo linux && exit
exit 1
"""


def test_docker_that_is_asked_for_need_not_have_the_base_of_the_app_that_comes_along(
    tmp_path, monkeypatch
):
    docker = tmp_path / "docker"
    docker.write_text(WITHOUT_BASE)
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert docker_engine.decide("docker", "python:3.13-slim")[0]
    used, why = docker_engine.decide("auto", "python:3.13-slim")
    assert not used
    assert "cannot pull python:3.13-slim" in str(why)


APP = """
FROM python:3.13 AS build
RUN python -m venv /opt/venv
FROM python:3.13
WORKDIR /app
ENV NAME=image
COPY --from=build /opt/venv /opt/venv
COPY . .
RUN mkdir -p /data/made && chmod +x boot.sh
RUN WHAT=statics python collect.py
CMD ["./boot.sh"]
"""
COLLECT = """
import os
from pathlib import Path
Path("collected.txt").write_text(f"{os.environ['NAME']}'s {os.environ['WHAT']}, {os.getcwd()[-4:]}")
Path("/data/made/absolute.txt").write_text(Path("/app/collect.py").read_text()[:1])
try:
    Path("/usr/careapp-was-here").write_text("")
except OSError as problem:
    Path("refused.txt").write_text(problem.strerror)
"""


@pytest.fixture
def app(source):
    """The context of an app with a program of its own and a script."""
    (source / "Dockerfile").write_text(APP)
    (source / "collect.py").write_text(COLLECT)
    (source / "boot.sh").write_text("#!/bin/sh\nexec /opt/venv/bin/python collect.py\n")
    return source


@pytest.mark.skipif(not own_mounts(), reason="this machine refuses mount namespaces")
def test_a_program_of_the_app_runs_in_the_image_and_can_write_nowhere_else(built, app):
    builder, _, _ = built
    builder.build(wanted(app, "app"))
    root = builder.find(f"{REGISTRY}/{REPOSITORY}:app").root
    assert (root / "app/collected.txt").read_text() == "image's statics, /app"
    assert (root / "data/made/absolute.txt").read_text() == "\n"
    assert (root / "app/refused.txt").read_text() == "Read-only file system"


def test_the_image_has_its_venv_its_modes_and_its_programs_at_their_paths(built, app):
    builder, _, _ = built
    builder.build(wanted(app, "paths"))
    image = builder.find(f"{REGISTRY}/{REPOSITORY}:paths")
    assert os.access(image.root / "app/boot.sh", os.X_OK)
    assert image.outside("/opt/venv/bin/python") == str(image.root / "opt/venv/bin/python")
    for python in ("/opt/venv/bin/python", "/usr/local/bin/python"):
        asked = [image.outside(python), "-c", "import sys; print(sys.prefix)"]
        prefix = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
        assert Path(prefix).resolve() == image.python.parent
    shim = [image.outside("/usr/local/bin/uv"), "run", "--no-sync", "echo", "started"]
    assert subprocess.run(shim, capture_output=True, text=True, check=True).stdout == "started\n"


def test_a_script_can_wait_for_a_port_by_the_netcat_that_the_image_installs(built, app):
    builder, _, _ = built
    builder.build(wanted(app, "without"))
    assert not (builder.find(f"{REGISTRY}/{REPOSITORY}:without").root / "usr/local/bin/nc").exists()
    (app / "Dockerfile").write_text(f"{APP}RUN apt-get install -y netcat-openbsd\n")
    builder.build(wanted(app, "waiting"))
    image = builder.find(f"{REGISTRY}/{REPOSITORY}:waiting")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        asked = [image.outside("/usr/local/bin/nc"), "-z", "-w", "3", "127.0.0.1", port]
        assert subprocess.run(asked, check=False).returncode == 0
    refused = subprocess.run(asked, capture_output=True, check=False)
    assert (refused.returncode, refused.stderr) == (1, b"")
    asked[-2] = "db.nowhere.invalid"
    unknown = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert unknown.returncode == 1
    assert unknown.stderr.startswith(f'nc: getaddrinfo for host "db.nowhere.invalid" port {port}: ')


def test_a_script_can_ask_for_the_database_by_the_client_that_the_image_installs(built, app):
    builder, _, _ = built
    (app / "Dockerfile").write_text(f"{APP}RUN apt-get install -y postgresql-client\n")
    builder.build(wanted(app, "asking"))
    image = builder.find(f"{REGISTRY}/{REPOSITORY}:asking")
    for name, code in (("psql", 0), ("pg_isready", 0), ("pg_ctl", None)):
        program = image.root / "usr/local/bin" / name
        asked = subprocess.run([program, "--version"], check=False) if program.exists() else None
        assert (asked and asked.returncode) == code


CHANGES = """\
RUN cp boot.sh /etc/boot.d && sed -i -e 's/exec/echo/' -e 's/collect/x/' boot.sh
RUN ln -s /app/boot.sh /usr/local/bin/boot && cp -a /app/collect.py ../../../again.py && mv collect.py ..
COPY boot.sh /app/second.sh
RUN cp *.sh /srv/
"""


def test_files_of_the_image_are_copied_moved_linked_and_edited_between_its_copies(built, app):
    builder, _, _ = built
    text = (app / "boot.sh").read_text()
    (app / "Dockerfile").write_text(f"{APP}{CHANGES}")
    builder.build(wanted(app, "changed"))
    root = builder.find(f"{REGISTRY}/{REPOSITORY}:changed").root
    edited = text.replace("exec", "echo").replace("collect", "x")
    assert (root / "etc/boot.d").read_text() == text
    assert (root / "app/boot.sh").read_text() == (root / "srv/boot.sh").read_text() == edited
    assert (root / "srv/second.sh").read_text() == text
    assert not (root / "app/collect.py").exists()
    link = root / "usr/local/bin/boot"
    assert (link.readlink().is_absolute(), link.read_text()) == (False, edited)
    assert (root / "again.py").read_text() == (root / "collect.py").read_text()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("cp boot.sh /opt/venv/lib", "/opt/venv/lib is not one of the image's files"),
        ("mv boot.sh /opt/venv", "/opt/venv is not one of the image's files"),
        ("sed -i '1w /srv/x' boot.sh", "sed: -e expression #1, char 2: e/r/w commands disabled in sandbox mode"),
        ("cp boot.sh none/such", "cp: cannot create regular file '/app/none/such': No such file or directory"),
    ],
)  # fmt: skip
def test_a_change_that_would_leave_the_image_or_fails_fails_the_build(built, app, change, said):
    builder, _, _ = built
    (app / "Dockerfile").write_text(f"{APP}RUN {change}\n")
    with pytest.raises(ProgramFailed) as failed:
        builder.build(wanted(app, "leaving"))
    place, command = "context/Dockerfile:12: RUN", change.replace("'", "")
    assert str(failed.value) == f"{place} {command} ended with 1:\n{said}"


def test_a_program_that_fails_fails_the_build_with_its_line_and_last_words(built, app):
    builder, _, _ = built
    (app / "collect.py").write_text("raise SystemExit('no SECRET_KEY')\n")
    with pytest.raises(ProgramFailed) as failed:
        builder.build(wanted(app, "failing"))
    assert str(failed.value) == (
        "context/Dockerfile:10: RUN python collect.py ended with 1:\nno SECRET_KEY"
    )


def test_what_an_image_lacks_is_known_until_the_next_build(built, app):
    builder, _, _ = built
    (app / "Dockerfile").write_text(f"{APP}RUN apt-get update\n")
    builder.build(wanted(app, "lacking"))
    assert builder.left_out == [
        "context/Dockerfile:12: left out without Docker: RUN apt-get update"
    ]
    (app / "Dockerfile").write_text(APP)
    builder.build(wanted(app, "complete"))
    assert builder.left_out == []


class Engine(engine_pb2_grpc.EngineServicer):
    """An engine that remembers what it is told."""

    def __init__(self):
        self.said = []

    def Log(self, request, _context):
        self.said.append((request.severity, request.message))
        return empty_pb2.Empty()


@pytest.fixture
def engine():
    """An engine that listens, with its address."""
    server, made = grpc.server(ThreadPoolExecutor(1)), Engine()
    engine_pb2_grpc.add_EngineServicer_to_server(made, server)
    made.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield made
    server.stop(None)


def checked(builder, folder, engine):
    """What the provider answers to the engine's Check, which is part of each preview and update."""
    servicer = DockerServicer(builder, lambda: folder)
    servicer.Attach(plugin_pb2.PluginAttach(address=engine.address), None)
    build = {"context": "./context", "dockerfile": "./context/Dockerfile"}
    inputs = struct_pb2.Struct()
    inputs.update({"imageName": "name:1", "build": build})
    urn = "urn:pulumi:poc::careapp::docker:index/image:Image::app"
    return servicer.Check(provider_pb2.CheckRequest(urn=urn, news=inputs), None)


def test_a_preview_says_what_is_left_out_and_is_red_where_an_update_would_be(built, app, engine):
    builder, _, _ = built
    (app / "Dockerfile").write_text(f"{APP}RUN apt-get update\n")
    assert not checked(builder, app.parent, engine).failures
    assert engine.said == [
        (
            engine_pb2.WARNING,
            "Without a Docker engine the Dockerfile is read, not built. What is left out may be missing here only:\n"
            "  context/Dockerfile:12: left out without Docker: RUN apt-get update",
        )
    ]
    (app / "Dockerfile").write_text(f"{APP}COPPY x\nRUN pip instal y\n")
    [failure] = checked(builder, app.parent, engine).failures
    assert [line.partition(": ")[0] for line in failure.reason.splitlines()] == [
        "context/Dockerfile:12",
        "context/Dockerfile:13",
    ]
    assert len(engine.said) == 1


def test_sources_that_changed_under_the_same_name_are_built_again(built, app, engine):
    def inputs():
        return checked(built[0], app.parent, engine).inputs

    first, again = inputs(), inputs()
    (app / "more.py").write_text("")
    changed = inputs()
    provider = DockerServicer(built[0], lambda: app.parent)
    answers = [
        provider.Diff(provider_pb2.DiffRequest(old_inputs=first, news=news), None).diffs
        for news in (again, changed)
    ]
    assert answers == [[], ["build"]]


def test_the_folders_of_editable_projects_are_found_in_a_venv(tmp_path):
    packages, sources = tmp_path / "venv/lib/python3/site-packages", tmp_path / "sources"
    packages.mkdir(parents=True)
    (packages / "_one.pth").write_text(f"{sources}/0a/app/src\n")
    finder = f"MAPPING: dict[str, str] = {{'two': '{sources}/0a/srv/two'}}\n"
    (packages / "__editable___two_finder.py").write_text(finder)
    (packages / "distutils.pth").write_text("import os; print('a': '/b')\n/elsewhere\n")
    assert venvs.projects(tmp_path / "venv/bin", sources) == [
        PurePosixPath("/app/src"),
        PurePosixPath("/srv"),
    ]


OTHER_PYTHON = """ERROR: Ignored the following versions that require a different python version: 6.0.5
ERROR: No matching distribution found for django==6.0.5
"""
HASHES = """ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated
    certifi==2024.2.2 from https://packages.example/certifi-2024.2.2-py3-none-any.whl:
        Expected sha256 00
             Got        dc
"""
VERSION = """ERROR: Could not find a version that satisfies the requirement certifi==9999.1 (from versions: 1)
ERROR: No matching distribution found for certifi==9999.1
"""


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            HASHES,
            "certifi==2024.2.2 (requirements.txt:2): the package has another hash. Write the lock",
        ),
        (
            VERSION,
            "certifi==9999.1 (requirements.txt:2): the index has no such package or version.",
        ),
        (
            OTHER_PYTHON,
            f"django==6.0.5 needs another Python than this machine's 3.{sys.version_info[1]}, with which",
        ),
    ],
)
def test_the_package_that_pip_refuses_is_named_with_its_line(tmp_path, said, words):
    file = tmp_path / "requirements.txt"
    file.write_text("certifi-extra==1\ncertifi==2024.2.2 --hash=sha256:00\n")
    assert str(venvs.wrong_package(said, (file,))).startswith(words)
    assert venvs.wrong_package("ERROR: no network", (file,)) is None


def test_a_package_that_pip_refuses_comes_first_in_the_error(tmp_path):
    file = tmp_path / "requirements.txt"
    file.write_text("no-such-package @ file:///nowhere\ncertifi==9999.1\n")
    said = f"print({VERSION!r}); raise SystemExit(1)"
    with pytest.raises(venvs.InstallError, match=r"^certifi==9999\.1 \(requirements\.txt:2\)"):
        venvs._run(sys.executable, "-c", said, venvs.FILES["-r"], str(file))
