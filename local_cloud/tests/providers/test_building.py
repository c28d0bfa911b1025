"""Images: what is built and pushed."""

import shutil
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2

from local_cloud.building import base, docker_engine
from local_cloud.building.builder import Builder, BuildError, ImageNotFound, Wanted
from local_cloud.building.dockerfile import RunFailed
from local_cloud.building.files import Context
from local_cloud.providers.docker_provider import DockerServicer
from local_cloud.tests.building.test_images import write_wheel
from local_cloud.tests.dataplane.conftest import own_mounts
from local_cloud.tests.dataplane.stack import until

REGISTRY = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com"
REPOSITORY = "held/app"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The folder of the images that are built here."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def source(tmp_path, home, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(
        'FROM python:3.13-slim\nCOPY . /app/\nWORKDIR /app\nCMD ["true"]\n'
    )
    return context


URN = "urn:pulumi:poc::careapp::docker:index/image:Image::app"
needs_mounts = pytest.mark.skipif(not own_mounts(), reason="this machine refuses mount namespaces")


def wanted(folder, tag, dockerfile=None, **change):
    asked = {"platform": "linux/amd64", "arguments": {}, **change}
    context = Context(folder, dockerfile or folder / "Dockerfile")
    return Wanted(name=f"{REGISTRY}/{REPOSITORY}:{tag}", context=context, **asked)


@pytest.fixture
def built(calls, tmp_path, source):
    """A builder, and the references by tag and by digest of an image that it has pushed."""
    immutable = {"repositoryName": REPOSITORY, "imageTagMutability": "IMMUTABLE"}
    calls("ecr", "create_repository", immutable)
    builder = Builder(calls, tmp_path / "images", docker=False, mounts=own_mounts())
    first = wanted(source, "one")
    digest = builder.build(first)
    yield builder, first.name, f"{REGISTRY}/{REPOSITORY}@{digest}"
    calls("ecr", "delete_repository", {"repositoryName": REPOSITORY, "force": True})


def test_an_image_is_found_by_its_tag_and_by_its_digest(built):
    builder, tag, digest = built
    assert builder.find(tag) == builder.find(digest)
    assert builder.find(tag).command == ("true",)


def test_an_image_without_a_tag_is_the_latest(built, source):
    builder, *_ = built
    plain = replace(wanted(source, ""), name=f"{REGISTRY}/{REPOSITORY}")
    digest = builder.build(plain)
    for end in ("", ":latest", f"@{digest}"):
        assert builder.find(plain.name + end).command == ("true",)


def test_a_log_names_the_image_s_files_as_in_its_containers(built):
    builder, tag, _ = built
    image = builder.find(tag)
    line = f'  File "{image.folder}/webapp/pages.py", line 12'
    assert image.inside(line) == '  File "/app/webapp/pages.py", line 12'
    assert replace(image, docker=True, root=None).inside(line) == line
    package = "/venvs/1/lib/python3/site-packages/flask"
    inside = replace(image, python=Path("/venvs/1/bin")).inside(package)
    assert inside == "/usr/local/lib/python3/site-packages/flask"


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
    context = Context(tmp_path, tmp_path / "Dockerfile")
    builder.build(Wanted(name=name, context=context, platform="linux/amd64", arguments={}))
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


APP = f"""FROM python:{base.OWN.version}
WORKDIR /app
COPY . .
RUN WHAT=statics python collect.py
CMD ["./boot.sh"]
"""
COLLECT = """
import os
from pathlib import Path
Path("collected.txt").write_text(f"{os.environ['WHAT']}, {os.getcwd()[-4:]}")
"""


@pytest.fixture
def app(source):
    """The context of an app with a program of its own and a script."""
    (source / "Dockerfile").write_text(APP)
    (source / "collect.py").write_text(COLLECT)
    (source / "boot.sh").write_text("#!/bin/sh\nexec python collect.py\n")
    return source


PLAIN = f"""FROM python:{base.OWN.version} AS build
COPY requirements.txt boot.sh /made/
RUN --mount=source=requirements.txt,target=/mounted.txt \\
    apt-get update && pip install --no-cache-dir 'two; python_version < "3"' -r /mounted.txt
FROM python:{base.OWN.version}
WORKDIR /app
COPY . .
RUN npm ci
COPY --from=build /made /none /srv/
CMD ["./boot.sh"]
"""


@pytest.mark.slow
def test_without_namespaces_an_image_has_files_and_packages(calls, app, tmp_path):
    write_wheel(tmp_path, "one")
    (app / "requirements.txt").write_text(f"{tmp_path}/one-1-py3-none-any.whl\n")
    (app / "Dockerfile").write_text(PLAIN)
    calls("ecr", "create_repository", {"repositoryName": "held/plain"})
    builder = Builder(calls, tmp_path / "plain", docker=False, mounts=False)
    plain_image = replace(wanted(app, "one"), name=f"{REGISTRY}/held/plain:one")
    builder.build(plain_image)
    assert builder.left_out == [
        "context/Dockerfile:8: left out without Docker: RUN npm ci",
        "context/Dockerfile:9: left out without Docker: COPY --from /none",
    ]
    image = builder.find(plain_image.name)
    assert (image.root / "srv/boot.sh").exists()
    assert image.outside("/app/boot.sh") == str(image.folder / "boot.sh")
    assert subprocess.run([image.python / "one"], check=False).returncode == 0
    (app / "requirements.txt").write_text("./none-1-py3-none-any.whl\n")
    with pytest.raises(RunFailed, match="-m pip install ended with 1:\n"):
        builder.build(plain_image)
    calls("ecr", "delete_repository", {"repositoryName": "held/plain", "force": True})


def test_a_builder_that_is_closed_makes_no_folder(built, source, tmp_path):
    builder, _, _ = built
    builder.close()
    shutil.rmtree(tmp_path / "images")
    with pytest.raises(RunFailed, match="the build was stopped"):
        builder.build(wanted(source, "late"))
    assert not (tmp_path / "images").exists()


@pytest.mark.slow
@needs_mounts
def test_what_an_image_lacks_is_known_until_the_next_build(built, app):
    builder, _, _ = built
    (app / "Dockerfile").write_text(f"{APP}RUN apt-get update\n")
    builder.build(wanted(app, "lacking"))
    assert builder.left_out == ["context/Dockerfile:6: left out without Docker: RUN apt-get update"]
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
    return servicer.Check(provider_pb2.CheckRequest(urn=URN, news=inputs), None)


@needs_mounts
def test_an_update_says_what_is_left_out_and_a_preview_is_red_where_it_would_be(built, app, engine):
    builder, _, _ = built
    (app / "Dockerfile").write_text(f"{APP}RUN apt-get update\n")
    answer = checked(builder, app.parent, engine)
    assert not answer.failures
    servicer = DockerServicer(builder, lambda: app.parent)
    servicer.Attach(plugin_pb2.PluginAttach(address=engine.address), None)
    answer.inputs["imageName"] = f"{REGISTRY}/{REPOSITORY}:said"
    servicer.Create(provider_pb2.CreateRequest(urn=URN, properties=answer.inputs), None)
    assert engine.said == [
        (
            engine_pb2.WARNING,
            "The image is built without a Docker engine. What is left out may be missing here only:\n"
            "  context/Dockerfile:6: left out without Docker: RUN apt-get update",
        )
    ]
    (app / "Dockerfile").write_text(f"{APP}COPPY x\n")
    [failure] = checked(builder, app.parent, engine).failures
    assert failure.reason.startswith("context/Dockerfile:6: COPPY x: ")
    assert len(engine.said) == 1


@needs_mounts
def test_ctrl_c_ends_a_build_with_its_run(built, app, engine):
    """The engine passes it on by Cancel, and waits for the answer to Create."""
    builder, aborted = built[0], []
    (app / "Dockerfile").write_text(f"{APP}RUN sleep 4712\n")
    answer = checked(builder, app.parent, engine)
    answer.inputs["imageName"] = f"{REGISTRY}/{REPOSITORY}:late"
    asked = provider_pb2.CreateRequest(urn=URN, properties=answer.inputs)

    def abort(_, words):
        aborted.append(words)
        raise grpc.RpcError

    context = SimpleNamespace(peer=lambda: "engine", abort=abort)
    servicer = DockerServicer(builder, lambda: app.parent)
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(servicer.Create, asked, context)
        try:
            until(
                lambda: subprocess.run(["pgrep", "-f", "sleep 4712"], check=False).returncode == 0
            )
            servicer.Cancel(None, context)
            assert isinstance(made.exception(timeout=10), grpc.RpcError)
        finally:
            builder.close()
    assert "the build was stopped" in aborted[0]


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
