"""Images: what is built and pushed."""

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
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
from tests.building.test_images import write_wheel
from tests.dataplane.conftest import own_mounts
from tests.dataplane.stack import until
from tests.providers.conftest import unique

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


def test_builds_of_the_same_content_share_one_folder_whose_files_are_never_away(built, source):
    """At once, and again while a task writes there."""
    builder, _, _ = built
    (source / "more.txt").write_text("more")
    for round_ in ("at-once", "again"):
        tags = [f"{round_}-{number}" for number in range(8)]
        with ThreadPoolExecutor() as pool:
            list(pool.map(builder.build, (wanted(source, tag) for tag in tags)))
        folders = {builder.find(f"{REGISTRY}/{REPOSITORY}:{tag}").folder for tag in tags}
        [folder] = folders
        (folder / round_).touch()
    names = {"Dockerfile", "more.txt", "at-once", "again"}
    assert {each.name for each in folder.iterdir()} == names


def test_a_dockerfile_outside_the_context_is_part_of_the_image(built, source, tmp_path):
    builder, _, _ = built
    other = tmp_path / "Dockerfile.other"
    other.write_text('FROM python:3.13-slim\nCOPY Dockerfile /srv/\nCMD ["true"]\n')
    builder.build(wanted(source, "other", dockerfile=other))
    root = builder.find(f"{REGISTRY}/{REPOSITORY}:other").root
    assert [str(file.relative_to(root)) for file in root.rglob("Dockerfile")] == ["srv/Dockerfile"]


DOCKER = """#!/bin/sh
echo "$*" >> "{log}"
case "$1 $2" in
  "image inspect") echo '{{"Entrypoint": ["node"], "Cmd": ["server.js"], "User": "node"}}' ;;
  *) echo sha256:0123 ;;
esac
"""


def test_an_engine_builds_any_dockerfile_and_the_image_says_what_it_runs(calls, tmp_path, docker):
    log = tmp_path / "log"
    docker(DOCKER.format(log=log))
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


def test_docker_that_is_asked_for_need_not_have_the_base_of_the_app_that_comes_along(docker):
    docker(WITHOUT_BASE)
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


class Update:
    """What the engine calls of the provider for an image: Check in each preview and update, Create in an update."""

    def __init__(self, builder, app, engine):
        self.servicer = DockerServicer(builder, lambda: app.parent)
        self.servicer.Attach(plugin_pb2.PluginAttach(address=engine.address), None)

    def check(self):
        build = {"context": "./context", "dockerfile": "./context/Dockerfile"}
        inputs = struct_pb2.Struct()
        inputs.update({"imageName": f"{REGISTRY}/{REPOSITORY}:{unique('said')}", "build": build})
        return self.servicer.Check(provider_pb2.CheckRequest(urn=URN, news=inputs), None)

    def create(self, context=None):
        """Create what passes the check."""
        answer = self.check()
        assert not answer.failures
        asked = provider_pb2.CreateRequest(urn=URN, properties=answer.inputs)
        return self.servicer.Create(asked, context)


@pytest.fixture
def update(built, app, engine):
    return Update(built[0], app, engine)


@needs_mounts
@pytest.mark.slow
def test_an_update_says_what_is_left_out_and_a_preview_is_red_where_it_would_be(
    update, built, app, engine
):
    (app / "Dockerfile").write_text(f"{APP}RUN apt-get update\n")
    update.create()
    left_out = "context/Dockerfile:6: left out without Docker: RUN apt-get update"
    assert built[0].left_out == [left_out]
    assert engine.said == [
        (
            engine_pb2.WARNING,
            "The image is built without a Docker engine. What is left out may be missing here only:\n"
            f"  {left_out}",
        )
    ]
    (app / "Dockerfile").write_text(f"{APP}COPPY x\n")
    [failure] = update.check().failures
    assert failure.reason.startswith("context/Dockerfile:6: COPPY x: ")
    (app / "Dockerfile").write_text(APP)
    update.create()
    assert (built[0].left_out, len(engine.said)) == ([], 1)


@needs_mounts
@pytest.mark.slow
def test_ctrl_c_ends_a_build_with_its_run(update, built, app):
    """The engine passes it on by Cancel, and waits for the answer to Create."""
    aborted = []
    (app / "Dockerfile").write_text(f"{APP}RUN sleep 4712\n")

    def abort(_, words):
        aborted.append(words)
        raise grpc.RpcError

    def runs():
        return subprocess.run(["pgrep", "-f", "sleep 4712"], check=False).returncode == 0

    context = SimpleNamespace(peer=lambda: "engine", abort=abort)
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(update.create, context)
        try:
            until(runs)
            update.servicer.Cancel(None, context)
            assert isinstance(made.exception(timeout=120), grpc.RpcError)
        finally:
            built[0].close()
    assert "the build was stopped" in aborted[0]


def test_sources_that_changed_under_the_same_name_are_built_again(update, app):
    def differs(old, new):
        new["imageName"] = old["imageName"]
        asked = provider_pb2.DiffRequest(old_inputs=old, news=new)
        return list(update.servicer.Diff(asked, None).diffs)

    first, again = update.check().inputs, update.check().inputs
    (app / "more.py").write_text("")
    assert (differs(first, again), differs(first, update.check().inputs)) == ([], ["build"])
