"""Containers: their health checks, their certificate files, and the arguments for the Docker engine."""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import botocore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from local_cloud.aws import hooks
from local_cloud.aws.ecs.containers import DockerContainer, ProcessGroup
from local_cloud.aws.ecs.plans import add_authority, plan, trust_mounts
from local_cloud.aws.ecs.runner import as_on_aws, command_of
from local_cloud.machine import guardian
from local_cloud.machine.authority import Authority
from local_cloud.machine.guardian import Guardian
from tests.dataplane.conftest import RDS_BUNDLE, make_image
from tests.memory import EATEN, EATER

FAKE = """#!/bin/sh
[ "$1" = run ] || exec echo "$@" >> "${0%/*}/later"
printf '%s\\n' "$@" > "$DOCKER_SEEN/argv"
env > "$DOCKER_SEEN/env"
echo from the container
exit 7
"""


def test_health_check_command_has_three_forms():
    for declared, argv in (
        (["CMD", "python", "-m", "check"], ["python", "-m", "check"]),
        (["CMD-SHELL", "test -f x || exit 1"], ["/bin/sh", "-c", "test -f x || exit 1"]),
        (["NONE"], None),
    ):
        assert command_of({"command": declared}) == argv


def test_health_check_of_a_container_makes_its_task_healthy_or_stops_it(cloud):
    """Its failure stops a task whose target is healthy."""
    cloud.everything()
    every = {"interval": 10, "retries": 2}
    check = {"command": ["CMD-SHELL", 'test -n "$PORT"'], **every}
    cloud.service(cloud.task_definition(healthCheck=check), healthCheckGracePeriodSeconds=0)
    cloud.rolled_out()
    (task,) = cloud.tasks()
    assert (task["healthStatus"], task["containers"][0]["healthStatus"]) == ("HEALTHY", "HEALTHY")

    definition = cloud.task_definition(healthCheck={"command": ["CMD", "false"], **every})
    cloud.update(taskDefinition=definition)
    over = cloud.until(lambda: [t for t in cloud.stopped() if t["lastStatus"] == "STOPPED"])[0]
    assert (over["stopCode"], over["healthStatus"]) == ("ServiceSchedulerInitiated", "UNHEALTHY")
    assert over["stoppedReason"] == "Task failed container health checks"
    name = over["taskArn"].rsplit("/", 1)[1]
    assert f"(service web) (task {name}) failed container health checks." in cloud.messages()


def test_docker_gets_limits_as_arguments_and_values_by_its_environment(tmp_path, docker, image):
    docker(FAKE)
    definition = {
        **{"name": "app", "environment": [{"name": "DOCKER_SEEN", "value": str(tmp_path)}]},
        **{"readonlyRootFilesystem": True, "user": "10001", "command": ["serve", "now"]},
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


def test_engine_that_does_not_answer_is_not_waited_for(docker, monkeypatch):
    docker("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(guardian, "ENGINE_SECONDS", 0.1)
    begun = time.monotonic()
    assert guardian.docker("inspect", "careapp-rehearsal-1") == ""
    guardian.remove_container("careapp-rehearsal-1")
    assert time.monotonic() - begun < 30


ALL = "0.0.0.0"  # noqa: S104 - only a text


@pytest.mark.parametrize(("passed", "told"), [("127.0.1.1", ALL), ("127.0.0.1", "127.0.1.1")])
def test_log_names_the_image_s_files_and_all_addresses(image, passed, told):
    """Instead of this machine's files and the address that the app was passed."""
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
def test_command_replaces_cmd_only_and_an_entry_point_both(image, docker, declared, argv):
    image = replace(
        image, entry_point=("./entry", "-v"), command=("serve", "now"), docker=docker, root=None
    )
    definition = {"name": "app", "environment": [], **declared}
    assert list(plan(definition, image, {}, {}, None).argv) == argv


WEB = Path(botocore.__file__).with_name("cacert.pem")


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is read on Linux")
@pytest.mark.parametrize(("who", "code", "reason"), EATEN)
def test_memory_beyond_the_limit_kills_the_process_that_uses_most(image, who, code, reason):
    """The container ends only with its first process."""
    definition = {"name": "app", "environment": [], "command": [sys.executable, "-c", EATER, who]}
    running = ProcessGroup(plan(definition, image, {}, {}, None), Guardian(), 100, None)
    with running.output:
        assert running.wait() == code
        assert running.output.read() == b"child -9\n"
    assert running.reason == reason


def test_start_script_with_cr_lf_ends_as_by_runc(image, tmp_path):
    script = tmp_path / "start.sh"
    script.write_bytes(b"#!/bin/sh\r\nexec sleep 9\r\n")
    script.chmod(0o755)
    definition = {"name": "app", "environment": [], "command": [str(script)]}
    running = ProcessGroup(plan(definition, image, {}, {}, None), Guardian(), None, None)
    with running.output:
        assert running.wait() == 255
        assert running.output.read() == f"exec {script}: no such file or directory\n".encode()


def certificates(file: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(file.read_bytes())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def rds(kind: str) -> bytes:
    """Return RDS's root certificates of the rehearsal's region, of one kind."""
    wanted = f"Amazon RDS {hooks.registry.region} Root CA {kind}"
    found = [each for each in certificates(RDS_BUNDLE) if wanted in each.subject.rfc4514_string()]
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in found)


BUNDLE_ENGINE = """#!/bin/sh
case "$1" in
  image) echo /app ;;
  create) echo container ;;
  cp) tar -C "$BUNDLES" -cf - app ;;
esac
"""


def test_certificate_file_of_a_container_is_not_written_again(
    monkeypatch, docker, image, authority
):
    docker(BUNDLE_ENGINE)
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


@pytest.mark.parametrize(
    ("name", "content", "trusts"),
    [
        ("rds-ca.pem", RDS_BUNDLE.read_bytes, True),
        ("rds-ca.pem", lambda: rds("RSA2048 G1"), True),
        ("rds-ca.pem", lambda: rds("ECC384 G1"), False),
        ("rds-ca.pem", WEB.read_bytes, False),
        ("key.pem", lambda: b"no certificate", False),
    ],
    ids=["RDS's", "one root", "a root by which RDS does not sign", "the web's", "no certificate"],
)
def test_authority_is_added_where_the_database_s_root_is(image, authority, name, content, trusts):
    file, before = image.folder / "webapp" / name, content()
    file.write_bytes(before)
    for _ in range(2):
        add_authority(image, authority.path)
    if trusts:
        own = x509.load_pem_x509_certificates(before)
        assert certificates(file) == [*own, *certificates(authority.path)]
    else:
        assert file.read_bytes() == before


def test_path_in_the_image_is_found_outside(tmp_path):
    image = make_image(tmp_path / "root")
    file = str(image.folder / "webapp" / "rds-ca.pem")
    inside = "/app/webapp/rds-ca.pem"
    assert image.outside(inside) == file
    assert image.outside(f"--cert={inside}:x") == f"--cert={file}:x"
    for same in ("/etc/ssl/other.pem", "webapp/rds-ca.pem", "http://app/webapp"):
        assert image.outside(same) == same
