"""`careapp new`: what it refuses, what it finds in an app, and what the folder has."""

import ast
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from careapp import ROOT
from careapp.cli import main
from careapp.project import new
from careapp.project.app import look
from careapp.project.lock import NotLocked

FLASK = "from flask import Flask\napp = Flask(__name__)\n"


@pytest.fixture
def locked(monkeypatch):
    """Locks without an index: what is asked of it is another test's."""
    monkeypatch.setattr(new, "lock", lambda folder: (folder / "requirements-dev.txt").touch())


def run(*words):
    return CliRunner().invoke(main, ["new", *map(str, words)])


def write(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_txt", ".txt")
        path = path if path.suffix or path.name == "Dockerfile" else path.with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_the_project_is_small(locked, tmp_path):
    done = run(tmp_path / "acme", "--yes", "--email", "ops@example.com", "--region", "eu-central-1")
    assert done.exit_code == 0, done.output
    assert done.output.endswith(f"  cd {tmp_path}/acme\n  ./careapp rehearse\n")
    files = [file for file in (tmp_path / "acme").rglob("*") if file.is_file()]
    own = [file for file in files if "app" not in file.relative_to(tmp_path / "acme").parts[:-1]]
    assert len(files) <= 30
    assert sum(len(file.read_text().splitlines()) for file in own) <= 400
    assert [file for file in files if "${PROJECT}" in file.read_text()] == []
    stack = (tmp_path / "acme" / "Pulumi.poc.yaml").read_text()
    assert "aws:region: eu-central-1\n" in stack
    assert stack.endswith("alarmEmail: ops@example.com\n")
    assert (tmp_path / "acme" / "Pulumi.yaml").read_text().startswith("name: acme\n")


def test_its_program_is_the_one_of_this_repository():
    def statements(file):
        for node in ast.parse(file.read_text()).body:
            text = ast.unparse(node).replace("careapp.infra", "infra")
            if not text.startswith(("sys.path", "import sys", "from pathlib")):
                yield text

    program = new.TEMPLATE / "__main__.py"
    assert sorted(statements(program)) == sorted(statements(ROOT / "__main__.py"))
    assert len(program.read_text().splitlines()) <= 90


def test_it_names_the_version_of_the_package():
    project = tomllib.loads((ROOT / "packages/careapp/pyproject.toml").read_text())["project"]
    for name in ("requirements.in", "requirements.txt"):
        last = (new.TEMPLATE / name).read_text().splitlines()[-1]
        assert last == f"careapp=={project['version']}"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Acme", "choose another name, as in Pulumi.yaml: 'Acme' begins the names of resources"),
        ("order", "choose another name, as in Pulumi.yaml: order is also the database's name"),
        ("a-name-that-is-much-too-long-for-elb", "ELB has room for 28"),
        ("shelf", "exists and is not empty"),
        ("file", "exists and is not empty"),
    ],
)
def test_a_name_that_cannot_be_used_writes_nothing(locked, tmp_path, name, said):
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / "mine").touch()
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    done = run(tmp_path / name, "--yes")
    assert said in done.output, done.output
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"main": "print('no app')\n"},
            "has no Dockerfile, and no file in it has `app = Flask(…)`",
        ),
        ({"main": FLASK}, "neither requirements.txt nor pyproject.toml names its packages"),
    ],
)
def test_an_app_that_cannot_be_run_writes_nothing(locked, tmp_path, files, said):
    app = write(tmp_path / "shop", **files)
    done = run(tmp_path / "acme", "--yes", "--app", app)
    assert said in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


@pytest.mark.parametrize("end", [KeyboardInterrupt, NotLocked("no network")])
def test_what_ends_in_the_middle_leaves_nothing(monkeypatch, tmp_path, end):
    def broken(folder):
        assert (folder / "Pulumi.yaml").exists()
        raise end

    monkeypatch.setattr(new, "lock", broken)
    assert run(tmp_path / "acme", "--yes").exception is not None
    assert [*tmp_path.iterdir()] == []


def test_a_region_that_is_none_is_refused(locked, tmp_path):
    done = run(tmp_path / "acme", "--yes", "--region", "tokyo")
    assert "tokyo is not a region" in done.output
    assert [*tmp_path.iterdir()] == []


def test_it_asks_for_what_is_not_given(locked, tmp_path):
    words = ["new", str(tmp_path / "acme")]
    done = CliRunner().invoke(main, words, input="\neu-west-1\nops@example.com\n")
    assert done.exit_code == 0, done.output
    stack = (tmp_path / "acme" / "Pulumi.poc.yaml").read_text()
    assert "eu-west-1" in stack
    assert "ops@example.com" in stack


@pytest.mark.parametrize(
    ("folder", "port", "health", "variables", "callable_"),
    [
        ("docs/examples/flaskr", 8080, "/up", {"GREETING", "SECRET_KEY"}, "flaskr:create_app()"),
        ("docs/examples/cookiecutter", 5000, "/up", set(), "autoapp:app"),
        ("webapp", 3000, "/health", set(), None),
    ],
)
def test_what_an_app_says_of_itself(folder, port, health, variables, callable_):
    found = look(ROOT / folder)
    assert (found.port, found.health, found.callable) == (port, health, callable_)
    assert variables <= found.variables


def test_a_flask_app_without_a_dockerfile_gets_one(locked, tmp_path):
    reads = FLASK + "import os\nos.environ['DATABASE_URL'], os.environ['STRIPE_KEY']\n"
    app = write(tmp_path / "shop", shop=reads, requirements_txt="flask\n")
    done = run(tmp_path / "acme", "--yes", "--app", app)
    assert done.exit_code == 0, done.exception
    assert "The app reads STRIPE_KEY: " in done.output
    assert "No route of the app is called like a health check" in done.output
    made = tmp_path / "acme"
    assert (made / "app" / "Dockerfile").read_text().endswith(" 'shop:app'\n")
    stack = (made / "Pulumi.poc.yaml").read_text()
    assert '    DATABASE_URL: "postgresql://${DB_USER}@${DB_HOST}:' in stack
    assert "healthPath: /\n" in stack
    assert "deployCommand" not in stack
    assert "from shop import app\n" in (made / "tests" / "test_app.py").read_text()
    assert Path(made / "app" / "shop.py").read_text() == reads
