"""The app's image: where it is kept, how it is built and what it is called."""

import json

import pytest

from infra.registry import AppImage, AppImageArgs, lifecycle
from stack.context import content_tag
from tests.unit.parts import NAME, TAGS

IMAGE = "docker:index/image:Image"
REPOSITORY = "aws:ecr/repository:Repository"
URL = "123456789012.dkr.example/careapp/hello-ecs"


@pytest.fixture
def build(engine, configured, checkout):
    assert (checkout / "webapp").is_dir()

    def image(**changes):
        args = AppImageArgs(settings=configured(**changes))
        return engine.run(lambda: AppImage(NAME, args))

    return image


def test_tags_are_immutable_images_are_scanned_and_go_with_an_unprotected_stack(engine, build):
    build(protect="false")
    assert engine.inputs(REPOSITORY) == {
        "careapp-poc-app": {
            "name": "careapp/hello-ecs",
            "imageTagMutability": "IMMUTABLE",
            "imageScanningConfiguration": {"scanOnPush": True},
            "forceDelete": True,
            "tags": TAGS,
        }
    }


def test_a_protected_stack_keeps_its_images(engine, build):
    build(protect="true")
    assert engine.only(REPOSITORY)["forceDelete"] is False


def test_enough_images_are_kept_to_roll_back(engine, build):
    build(imagesKept="12")
    made = engine.only("aws:ecr/lifecyclePolicy:LifecyclePolicy")
    assert made["repository"] == "careapp/hello-ecs"
    assert json.loads(made["policy"]) == lifecycle(12)


def test_the_lifecycle_drops_untagged_images_after_a_week_and_tagged_ones_beyond_the_count():
    assert lifecycle(12) == {
        "rules": [
            {
                "rulePriority": 1,
                "selection": {
                    "tagStatus": "untagged",
                    "countType": "sinceImagePushed",
                    "countUnit": "days",
                    "countNumber": 7,
                },
                "action": {"type": "expire"},
            },
            {
                "rulePriority": 2,
                "selection": {
                    "tagStatus": "tagged",
                    "tagPatternList": ["*"],
                    "countType": "imageCountMoreThan",
                    "countNumber": 12,
                },
                "action": {"type": "expire"},
            },
        ]
    }


@pytest.mark.parametrize(
    ("architecture", "platform"), [("X86_64", "linux/amd64"), ("ARM64", "linux/arm64")]
)
def test_the_image_is_built_for_the_architecture_and_pushed_under_its_content_s_tag(
    engine, build, checkout, architecture, platform
):
    tag = content_tag(checkout / "webapp", {"platform": platform, "revision": "1"})
    assert build(cpuArchitecture=architecture).tag == tag
    made = engine.only(IMAGE)
    assert made == {
        "imageName": f"{URL}:{tag}",
        "build": {
            "context": "./webapp",
            "dockerfile": "./webapp/Dockerfile",
            "platform": platform,
        },
        "buildOnPreview": False,
        "skipPush": False,
    }


def test_another_folder_is_built_from_its_own_dockerfile(engine, build, checkout):
    folder = checkout / "apps" / "mine"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM python:3.13-slim\n")
    tag = content_tag(folder, {"platform": "linux/amd64", "revision": "1"})
    assert build(appFolder="apps/mine").tag == tag
    assert engine.only(IMAGE)["build"] == {
        "context": "./apps/mine",
        "dockerfile": "./apps/mine/Dockerfile",
        "platform": "linux/amd64",
    }


@pytest.mark.parametrize(
    ("line", "warned"),
    [("", 1), ("VOLUME /tmp", 0), ('VOLUME ["/srv", "/tmp"]', 0), ("VOLUME /tmp/x", 1)],
)
def test_an_image_in_which_the_app_could_write_nowhere_is_warned_of(
    build, checkout, monkeypatch, line, warned
):
    said = []
    monkeypatch.setattr("pulumi.log.warn", said.append)
    (checkout / "webapp" / "Dockerfile").write_text(f"FROM python\n{line}\n")
    build()
    assert len(said) == warned
    assert all("webapp/Dockerfile has no VOLUME /tmp" in each for each in said)


def test_another_revision_is_another_tag_for_the_same_sources(build):
    assert build(imageRevision="1").tag != build(imageRevision="2").tag


def test_it_tells_the_digest_that_a_task_runs(engine, build):
    image = build()
    assert engine.known(image.digest) == f"{URL}@sha256:0123"
    assert engine.known(image.repository_url) == URL
    assert engine.known(image.repository_arn) == "arn:Repository/careapp-poc-app"


def test_nothing_is_orphaned_and_the_component_finishes(engine, build):
    build()
    assert engine.orphans() == []
    assert engine.unfinished() == set()
