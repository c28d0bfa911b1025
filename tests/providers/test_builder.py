"""Images of the local cloud: built, pushed, found, and gone when ECR no longer has them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rehearsal.building import docker_engine
from rehearsal.building.builder import Builder, ImageNotFound, Wanted

REGISTRY = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com"
REPOSITORY = "held/app"


@pytest.fixture
def built(calls, tmp_path):
    """A builder, and the references by tag and by digest of an image that it has pushed."""
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(
        'FROM python:3.13-slim\nCOPY . /app/\nWORKDIR /app\nCMD ["true"]\n'
    )
    calls("ecr", "create_repository", {"repositoryName": REPOSITORY})
    builder = Builder(calls, tmp_path / "images", docker=False)
    name = f"{REGISTRY}/{REPOSITORY}:one"
    digest = builder.build(
        Wanted(name=name, context=context, dockerfile=None, platform="linux/amd64", arguments={})
    )
    yield builder, name, f"{REGISTRY}/{REPOSITORY}@{digest}"
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


def test_an_image_that_was_deleted_from_ecr_is_found_no_more(built, calls):
    builder, tag, digest = built
    which = [{"imageTag": "one"}]
    calls("ecr", "batch_delete_image", {"repositoryName": REPOSITORY, "imageIds": which})
    for reference in (tag, digest):
        with pytest.raises(ImageNotFound):
            builder.find(reference)


DOCKER = """#!/bin/sh
echo "$*" >> "{log}"
case "$1 $2" in
  "image inspect") echo '{{"Cmd": ["node", "server.js"], "User": "node"}}' ;;
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
    assert (image.command, image.user, image.docker) == (("node", "server.js"), "node", True)
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
    assert docker_engine.decide("docker")[0]
    used, why = docker_engine.decide("auto")
    assert not used
    assert "cannot pull python:3.13-slim" in str(why)
