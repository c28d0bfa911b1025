"""A project of one's own from the wheels: a home folder that is empty, and no checkout on the path."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import uv

from careapp import ROOT
from careapp.project.new import TEMPLATE
from local_cloud.paths import cache
from tests.distributions import DISTRIBUTIONS, build
from tests.rehearsal.conftest import new_project

FLASKR = ("-c", "appVariables.GREETING=hello", "-c", "appVariables.SECRET_KEY=of-a-rehearsal")
NOT_THERE = re.compile(r"\b(?:infra|webapp|docs|packages)/[\w/.-]+")
"""Files of careapp's own repository."""


class Person:
    """Somebody with a machine on which nothing of careapp is, and an index that has its wheels."""

    def __init__(self, home: Path) -> None:
        self.home, wheels = home, home / "index"
        (home / "bin").mkdir()
        (home / "bin" / "uv").symlink_to(uv.find_uv_bin())
        for name in DISTRIBUTIONS:
            build(name, wheels, "--wheel")
        kept = {name: os.environ[name] for name in os.environ if name.startswith(("PIP_", "SSL_"))}
        self.environment = {
            **kept,
            "HOME": str(home),
            "PATH": f"{home}/bin:{Path(sys.executable).resolve().parent}:/usr/bin:/bin:/usr/sbin:/sbin",
            # The engine is not built again for this test.
            "XDG_CACHE_HOME": str(cache().parent),
            "UV_CACHE_DIR": str(home / "uv"),
            "UV_FIND_LINKS": str(wheels),
            "PIP_FIND_LINKS": str(wheels),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.type(home, "uv", "venv", "-q", "--python", sys.executable, "tool")
        self.type(home, "uv", "pip", "install", "-q", "--python", "tool/bin/python", "careapp")

    def type(self, folder: Path, *words: str, expected: int = 0) -> str:
        """Run a command, which must end with this code, and return what it says."""
        done = subprocess.run(
            words,
            cwd=folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == expected, done.stdout[-8000:]
        return done.stdout

    def new(self, name: str, *words: str) -> tuple[Path, str]:
        said = self.type(self.home, "tool/bin/careapp", "new", name, "--yes", *words)
        return self.home / name, said

    def rehearse(self, project: Path, *words: str, expected: int = 0) -> tuple[dict, str]:
        """Rehearse by the `careapp` that was typed first, which hands over to the project's own."""
        file = project / "report.json"
        options = ("rehearse", "--exit", "--port", "0", "--json", str(file), *words)
        said = self.type(project, "../tool/bin/careapp", *options, expected=expected)
        return json.loads(file.read_text()), said


@pytest.fixture(scope="module")
def person(tmp_path_factory):
    return Person(tmp_path_factory.mktemp("person"))


@pytest.fixture(scope="module")
def acme(person):
    return person.new("acme")[0]


def assert_deployed(report):
    stages = {stage["name"]: stage for stage in report["stages"]}
    assert stages["stage2"]["created"] > 0
    assert stages["stage2"]["unchanged"] == stages["stage1"]["created"] > 0
    assert (report["page"]["status"], report["destroy"]["left"]) == (200, 0)


def test_two_commands_make_a_project_and_rehearse_it(person, acme):
    report, _ = person.rehearse(acme)
    assert_deployed(report)
    assert "3 passed" in person.type(acme, "./careapp", "test")
    assert (acme / ".venv" / "bin" / "careapp").exists()


@pytest.mark.parametrize("fault", ["health-path", "target-group-deleted"])
def test_a_mistake_is_mended_by_what_is_said_and_names_no_file_that_is_not_there(
    person, acme, fault
):
    report, said = person.rehearse(acme, "--break", fault, "--mend")
    assert report["mend"]["green"] is True
    assert {name for name in NOT_THERE.findall(said) if not (acme / name).exists()} == set()


def test_a_mistake_in_a_file_that_is_not_there_is_refused(person, acme):
    said = person.type(acme, "./careapp", "rehearse", "--break", "listener-moves", expected=2)
    assert "is an edit of infra/listeners.py, which this project has not" in said
    assert "health-path" in said


QUEUE = """
import pulumi_aws as aws

from careapp.infra.app_resource import AppResource
from careapp.settings.statements import allow


class Queue(AppResource):
    variable, output = "QUEUE_URL", "queueUrl"

    def __init__(self, name, settings, network):
        super().__init__(name, settings, network)
        queue = aws.sqs.Queue(f"{name}-greetings", sqs_managed_sse_enabled=True, opts=self.child)
        self.value, self.arn = queue.url, queue.arn
        self.register_outputs({})

    @staticmethod
    def statements(arn):
        return [allow(arn, "sqs:SendMessage")]
"""
SENDS = """        boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE_URL"], MessageBody="hello")
"""


def replace(file, old, new):
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def test_an_app_that_exists_with_a_queue_of_its_own_in_another_region(person):
    example = str(ROOT / "docs" / "examples" / "flaskr")
    shop, said = person.new("shop", "--app", example, "--region", "eu-central-1")
    assert "The app reads GREETING, SECRET_KEY: " in said
    (shop / "resources").mkdir()
    (shop / "resources" / "queue.py").write_text(QUEUE)
    replace(shop / "__main__.py", "(Uploads,)", "(Uploads, Queue)")
    replace(shop / "__main__.py", "\nAPP_", "\nfrom resources.queue import Queue\n\nAPP_")
    visit = '        session["visits"] = '
    replace(shop / "app" / "flaskr" / "__init__.py", visit, SENDS + visit)
    report, said = person.rehearse(shop, *FLASKR)
    assert_deployed(report)
    assert "aws:sqs:Queue shop-poc-greetings created" in said
    assert "queueUrl" in said


def test_ejected_components_are_the_project_s_own(person):
    book, _ = person.new("book")
    person.type(book, "../tool/bin/careapp", "eject", "infra")
    assert "careapp.infra" not in (book / "__main__.py").read_text()
    report, said = person.rehearse(book, "--break", "listener-moves", "--mend")
    assert report["mend"]["green"] is True
    assert "infra/listeners.py" in said


def test_pulumi_new_makes_the_same_project(person):
    project = person.home / "shelf"
    new_project(TEMPLATE, project, person.home)
    own = {"requirements-dev.txt", "requirements.txt", "Pulumi.yaml", "Pulumi.poc.yaml"}
    made = {str(f.relative_to(project)): f for f in project.rglob("*") if f.is_file()}
    other, _ = person.new("shelf2")
    twin = {str(f.relative_to(other)): f for f in other.rglob("*") if f.is_file()}
    assert made.keys() | own == twin.keys() | own
    report, _ = person.rehearse(project)
    assert_deployed(report)
    assert "--hash=sha256:" in (project / "requirements.txt").read_text()
