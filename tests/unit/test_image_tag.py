"""The app's image: its build, and the tag that begins with a hash of its sources."""

import os
import re
import shutil
from datetime import UTC, datetime

import pytest

from infra.image_tag import choose_tag, hash_sources
from infra.registry import AppImage
from tests.unit.conftest import NAME, of

IMAGE = "docker:index/image:Image"
URL = "123456789012.dkr.example/careapp/hello-ecs"


@pytest.fixture
def image(engine, checkout):
    """Declares the image of a stack whose last update pushed it under a tag."""

    def image(tag="", **changes):
        last = {"type": IMAGE, "outputs": {"imageName": f"{URL}:{tag}"}}
        urn = f"urn:pulumi:poc::careapp::careapp:infra:AppImage${IMAGE}::{NAME}-app"
        before = {urn: last} if tag else {}
        return engine.run(lambda: AppImage(NAME, of(**changes), before))

    return image


BUILD = {"context": "./webapp", "dockerfile": "./webapp/Dockerfile", "platform": "linux/amd64"}


def built(engine):
    """The name of the image without its tag, and the arguments of its build."""
    made = engine.inputs(IMAGE)["careapp-poc-app"]
    assert (made["buildOnPreview"], made["skipPush"]) == (False, False)
    return made["imageName"].rpartition(":")[0], made["build"]


def test_image_is_built_for_the_architecture_from_its_own_folder(engine, image, checkout):
    folder = checkout / "apps" / "mine"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM python:3.13-slim\n")
    made = image(appFolder="apps/mine", cpuArchitecture="ARM64")
    assert re.fullmatch("[0-9a-f]{16}-[0-9]{8}T[0-9]{6}", made.tag)
    assert engine.inputs(IMAGE)["careapp-poc-app"]["imageName"] == f"{URL}:{made.tag}"
    place = {"context": "./apps/mine", "dockerfile": "./apps/mine/Dockerfile"}
    assert built(engine) == (URL, {**place, "platform": "linux/arm64"})


@pytest.fixture
def docker(checkout):
    """A folder with a Dockerfile of another name, which the build context leaves out."""
    folder = checkout / "webapp" / "docker"
    folder.mkdir()
    (folder / "web").write_text("FROM python AS production\nVOLUME /tmp\nFROM python\n")
    with (checkout / "webapp" / ".dockerignore").open("a") as file:
        file.write("\ndocker\n")
    return folder


STAGE = {"appDockerfile": "docker/web", "appTarget": "production"}


@pytest.mark.usefixtures("docker")
def test_a_stage_and_a_dockerfile_of_another_name_are_built(engine, image):
    image(**STAGE)
    named = {"dockerfile": "./webapp/docker/web", "target": "production"}
    assert built(engine) == (URL, {**BUILD, **named})


def test_a_dockerfile_that_the_context_leaves_out_changes_the_tag(image, docker):
    before = image(**STAGE).tag
    (docker / "web").write_text((docker / "web").read_text() + "USER 10001\n")
    assert image(**STAGE, tag=before).tag != before


@pytest.mark.parametrize(
    ("line", "warned"),
    [("", 1), ("VOLUME /tmp", 0), ('VOLUME ["/srv", "/tmp"]', 0), ("VOLUME /tmp/x", 1)],
)
def test_an_image_in_which_the_app_could_write_nowhere_is_warned_of(
    image, checkout, monkeypatch, line, warned
):
    said = []
    monkeypatch.setattr("pulumi.log.warn", said.append)
    (checkout / "webapp" / "Dockerfile").write_text(f"FROM python\n{line}\n")
    tag = image().tag
    image(tag=tag)
    assert len(said) == warned
    assert all("webapp/Dockerfile has no VOLUME /tmp" in each for each in said)


OF_THE_BUILD = (
    {"imageRevision": "2"},
    {"cpuArchitecture": "ARM64"},
    {"appDockerfile": "Other"},
    {"appTarget": "production"},
    {"appFolder": "other"},
)


@pytest.mark.parametrize("setting", OF_THE_BUILD, ids=lambda setting: "".join(setting))
def test_each_setting_of_the_build_changes_the_tag(image, checkout, setting):
    """pulumi-docker builds and pushes again after each of them."""
    dockerfile = checkout / "webapp" / "Dockerfile"
    dockerfile.write_text("FROM python AS production\nVOLUME /tmp\n")
    shutil.copy(dockerfile, dockerfile.with_name("Other"))
    before = f"{image().tag.partition('-')[0]}-20250102T030405"
    shutil.copytree(checkout / "webapp", checkout / "other", symlinks=True)
    assert image(tag=before).tag == before
    assert image(**setting, tag=before).tag.partition("-")[0] != before.partition("-")[0]


def test_other_sources_get_a_tag_that_no_build_had():
    earlier, tags = "0123456789abcdef", {"fedcba9876543210-20260102T030405", ""}
    for last in tags:
        begun = datetime.now(UTC).replace(microsecond=0)
        sources, _, moment = choose_tag(earlier, last).partition("-")
        assert sources == earlier
        assert begun <= datetime.strptime(f"{moment}Z", "%Y%m%dT%H%M%S%z") <= datetime.now(UTC)


PARTS = {"platform": "linux/amd64"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY . /app\n")
    (tmp_path / "app.py").write_text("print('hello')\n")
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "style.css").write_text("body {}\n")
    (tmp_path / ".dockerignore").write_text("# rubbish\n\n**/__pycache__\n*.log\n!keep.log\n")
    (tmp_path / "linked").symlink_to("app.py")
    (tmp_path / "a").write_text("1b2")
    return tmp_path


@pytest.fixture
def before(folder):
    return hash_sources(folder, "Dockerfile", PARTS)


def link(folder, target):
    (folder / "linked").unlink()
    (folder / "linked").symlink_to(target)


def split(folder):
    (folder / "a").write_text("1")
    (folder / "b").write_text("2")


CHANGES = {
    "contents": lambda folder: (folder / "app.py").write_text("print('bye')\n"),
    "contents below": lambda folder: (folder / "static" / "style.css").write_text("p {}\n"),
    "a mode": lambda folder: (folder / "app.py").chmod(0o755),
    "a name": lambda folder: (folder / "app.py").rename(folder / "main.py"),
    "a new file": lambda folder: (folder / "more.py").write_text(""),
    "a file less": lambda folder: (folder / "app.py").unlink(),
    "the Dockerfile": lambda folder: (folder / "Dockerfile").write_text("FROM other\n"),
    "what is ignored": lambda folder: (folder / ".dockerignore").write_text("*.py\n"),
    "what is ignored for this Dockerfile": lambda folder: (
        folder / "Dockerfile.dockerignore"
    ).write_text("*.py\n"),
    "a file kept by exception": lambda folder: (folder / "keep.log").write_text("kept"),
    "a link": lambda folder: (folder / "link").symlink_to("app.py"),
    "where a link leads": lambda folder: link(folder, "static/style.css"),
    "a link that leads nowhere": lambda folder: link(folder, "nowhere"),
    "two files of one whose contents run together": split,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_it_changes_with(folder, before, change):
    change(folder)
    assert hash_sources(folder, "Dockerfile", PARTS) != before


def test_no_part_runs_into_the_next_one(folder, before):
    assert hash_sources(folder, "Dockerfile", {"platfor": "mlinux/amd64"}) != before


def test_it_is_the_same_wherever_the_folder_lies(folder, before, tmp_path_factory):
    """Whatever is ignored, empty, or of another time in it."""
    (folder / "static" / "__pycache__").mkdir()
    (folder / "static" / "__pycache__" / "x.pyc").write_bytes(b"\0")
    (folder / "debug.log").write_text("noise")
    (folder / "empty").mkdir()
    os.utime(folder / "app.py", (0, 0))
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "webapp"
    folder.rename(elsewhere)
    assert hash_sources(elsewhere, "Dockerfile", PARTS) == before
    (elsewhere.parent / "linked").symlink_to(elsewhere)
    assert hash_sources(elsewhere.parent / "linked", "Dockerfile", PARTS) == before
