"""Containers: their health checks, their certificate files, and the arguments for the Docker engine."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import botocore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.memory import EATEN, EATER
from tools.local_cloud.aws import hooks
from tools.local_cloud.aws.ecs.containers import DockerContainer, Process
from tools.local_cloud.aws.ecs.plans import add_authority, plan, trust_mounts
from tools.local_cloud.aws.ecs.runner import as_on_aws, command_of
from tools.local_cloud.building.builder import LocalImage
from tools.local_cloud.machine.authority import Authority
from tools.local_cloud.machine.guardian import Guardian
from tools.tests.local_cloud.dataplane.conftest import make_image
from webapp.settings import RDS_BUNDLE

FAKE = """#!/bin/sh
[ "$1" = run ] || exec echo "$@" >> "${0%/*}/later"
printf '%s\\n' "$@" > "$DOCKER_SEEN/argv"
env > "$DOCKER_SEEN/env"
echo from the container
exit 7
"""


@pytest.mark.parametrize(
    ("declared", "argv"),
    [
        (["CMD", "python", "-m", "webapp.healthcheck"], ["python", "-m", "webapp.healthcheck"]),
        (["CMD-SHELL", "test -f x || exit 1"], ["/bin/sh", "-c", "test -f x || exit 1"]),
        (["NONE"], None),
    ],
)
def test_each_form_of_a_health_check_command(declared, argv):
    assert command_of({"command": declared}) == argv


def test_a_container_check_makes_the_task_healthy_and_its_failure_stops_it_though_its_target_is_healthy(
    cloud,
):
    cloud.everything()
    check = {"command": ["CMD-SHELL", 'test -n "$PORT"'], "interval": 10, "retries": 2}
    cloud.service(cloud.task_definition(healthCheck=check), healthCheckGracePeriodSeconds=0)
    cloud.rolled_out()
    (task,) = cloud.tasks()
    assert (task["healthStatus"], task["containers"][0]["healthStatus"]) == ("HEALTHY", "HEALTHY")

    check = {"command": ["CMD", "false"], "interval": 10, "retries": 2}
    definition = cloud.task_definition(healthCheck=check)
    cloud.ecs.update_service(cluster="main", service="web", taskDefinition=definition)
    over = cloud.until(lambda: [t for t in cloud.stopped() if t["lastStatus"] == "STOPPED"])
    assert (over[0]["stopCode"], over[0]["stoppedReason"], over[0]["healthStatus"]) == (
        "ServiceSchedulerInitiated",
        "Task failed container health checks",
        "UNHEALTHY",
    )
    said = f"(service web) (task {over[0]['taskArn'].rsplit('/', 1)[1]}) failed container health checks."
    assert said in cloud.messages()


def test_docker_gets_the_limits_as_arguments_and_the_values_by_its_environment_only(
    tmp_path, monkeypatch, image
):
    program = tmp_path / "docker"
    program.write_text(FAKE)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    definition = {
        "name": "app",
        "environment": [{"name": "DOCKER_SEEN", "value": str(tmp_path)}],
        "readonlyRootFilesystem": True,
        "user": "10001",
        "command": ["serve", "now"],
    }
    made = plan(definition, replace(image, docker=True), {"DB_PASSWORD": "hush"}, {}, None)

    running = DockerContainer(made, Guardian(), "careapp-rehearsal-1", ["--read-only"])

    with running.output:
        assert running.output.read() == b"from the container\n"
    assert running.wait() == 7
    argv = (tmp_path / "argv").read_text().splitlines()
    assert argv == [
        *("run", "--no-healthcheck", "--name", "careapp-rehearsal-1", "--network", "host"),
        "--read-only",
        *("--env", "PYTHONUNBUFFERED", "--env", "DOCKER_SEEN", "--env", "DB_PASSWORD"),
        *("--entrypoint=serve", image.reference, "now"),
    ]
    assert "DB_PASSWORD=hush" in (tmp_path / "env").read_text().splitlines()
    removed = "rm --force --volumes careapp-rehearsal-1\n"
    assert (tmp_path / "later").read_text() == removed


ALL = "0.0.0.0"  # noqa: S104 - only a text


@pytest.mark.parametrize(("passed", "told"), [("127.0.1.1", ALL), ("127.0.0.1", "127.0.1.1")])
def test_a_log_names_the_image_s_files_and_all_addresses_for_that_which_the_app_was_passed(
    image, passed, told
):
    definition = {"name": "app", "environment": [{"name": "BIND_HOST", "value": passed}]}
    edit = as_on_aws(SimpleNamespace(address="127.0.1.1"), plan(definition, image, {}, {}, None))
    said = f'File "{image.root}/app/front.py" listens on http://127.0.1.1:3000, not on 127.0.1.12'
    assert edit(said) == f'File "/app/front.py" listens on http://{told}:3000, not on 127.0.1.12'


@pytest.mark.parametrize("docker", [False, True], ids=["process", "Docker"])
@pytest.mark.parametrize(
    ("declared", "argv"),
    [
        ({}, ["./entry", "-v", "serve", "now"]),
        ({"command": ["report", "all"]}, ["./entry", "-v", "report", "all"]),
        ({"entryPoint": ["sh", "-c"], "command": ["report"]}, ["sh", "-c", "report"]),
        ({"entryPoint": ["other"]}, ["other"]),
        ({"entryPoint": [], "command": []}, ["./entry", "-v", "serve", "now"]),
    ],
)
def test_a_command_replaces_cmd_alone_and_an_entry_point_both(image, docker, declared, argv):
    image = replace(
        image, entry_point=("./entry", "-v"), command=("serve", "now"), docker=docker, root=None
    )
    definition = {"name": "app", "environment": [], **declared}
    assert list(plan(definition, image, {}, {}, None).argv) == argv


WEB = Path(botocore.__file__).with_name("cacert.pem")


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is read on Linux")
@pytest.mark.parametrize(("who", "code", "reason"), EATEN)
def test_the_process_that_uses_most_memory_is_killed_and_the_container_only_with_its_first_one(
    image, who, code, reason
):
    definition = {"name": "app", "environment": [], "command": [sys.executable, "-c", EATER, who]}
    running = Process(plan(definition, image, {}, {}, None), Guardian(), 100, None)
    with running.output:
        assert running.wait() == code
        assert running.output.read() == b"child -9\n"
    assert running.reason == reason


def certificates(file: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(file.read_bytes())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def rds(kind: str) -> str:
    """Return RDS's root certificates of the rehearsal's region, of one kind."""
    wanted = f"Amazon RDS {hooks.registry.region} Root CA {kind}"
    found = [each for each in certificates(RDS_BUNDLE) if wanted in each.subject.rfc4514_string()]
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in found)


def vouched(image: LocalImage, authority: Authority, file: Path) -> bool:
    add_authority(image, authority.path)
    return certificates(authority.path)[0] in certificates(file)


def test_the_rehearsal_s_authority_is_added_where_the_database_s_root_is(image, authority):
    file = image.folder / "webapp" / "rds-ca.pem"
    before = certificates(file)
    assert vouched(image, authority, file)
    assert vouched(image, authority, file)
    assert certificates(file) == [*before, *certificates(authority.path)]


BUNDLE_ENGINE = """#!/bin/sh
case "$1" in
  image) echo /app ;;
  create) echo container ;;
  cp) tar -C "$BUNDLES" -cf - app ;;
esac
"""


def test_a_container_s_certificate_file_is_not_written_again_while_it_runs(
    tmp_path, monkeypatch, image, authority
):
    program = tmp_path / "docker"
    program.write_text(BUNDLE_ENGINE)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("BUNDLES", str(image.root))
    container = replace(image, docker=True, digest="sha256:bundle", reference="held/bundle")
    (mount,) = trust_mounts(container, authority.path)
    path, inside, _ = mount.split(":")
    assert inside == "/app/webapp/rds-ca.pem"
    with Path(path).open() as opened:  # As a bind mount, it stays the file that was mounted.
        assert trust_mounts(container, authority.path) == [mount]
        held = x509.load_pem_x509_certificates(opened.read().encode())
        assert os.fstat(opened.fileno()).st_ino != Path(path).stat().st_ino
    assert held == [*certificates(RDS_BUNDLE), *certificates(authority.path)]


@pytest.mark.parametrize(("held", "trusted"), [("RSA2048 G1", True), ("ECC384 G1", False)])
def test_a_root_by_which_rds_does_not_sign_is_not_enough(image, authority, held, trusted):
    file = image.folder / "webapp" / "rds-ca.pem"
    file.write_text(rds(held))
    assert vouched(image, authority, file) is trusted


@pytest.mark.parametrize(
    ("name", "content"),
    [("rds-ca.pem", WEB.read_bytes()), ("key.pem", b"no certificate")],
    ids=["the web's authorities", "no certificate"],
)
def test_a_file_without_the_database_s_root_is_not_changed(image, authority, name, content):
    file = image.folder / "webapp" / name
    file.write_bytes(content)
    add_authority(image, authority.path)
    assert file.read_bytes() == content


def test_a_bundle_that_the_task_definition_names_by_its_path_in_the_image_is_found(tmp_path):
    image = make_image(tmp_path / "root")
    file = image.folder / "webapp" / "rds-ca.pem"
    assert image.outside("/app/webapp/rds-ca.pem") == str(file)
    assert image.outside("/etc/ssl/other.pem") == "/etc/ssl/other.pem"
    assert image.outside("webapp/rds-ca.pem") == "webapp/rds-ca.pem"
    assert image.outside("--cert=/app/webapp/rds-ca.pem:x") == f"--cert={file}:x"
    assert image.outside("http://app/webapp") == "http://app/webapp"
