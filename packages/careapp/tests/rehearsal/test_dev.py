"""``./careapp dev``: the app by itself, for those who work on it."""

import os
import shutil
import signal
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from careapp import ROOT
from careapp.rehearsal import dev
from tests.rehearsal.conftest import background

SERVE = """
import sys
from pathlib import Path
from careapp.rehearsal import careapp
from careapp.rehearsal.dev import serve
careapp.use()
sys.exit(serve(int(sys.argv[1]), "info", Path(sys.argv[2])))
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def page(port, path="/", patience=40.0):
    """The page's text once it answers 200."""
    deadline = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@pytest.fixture
def app(tmp_path):
    """The app of a copy of webapp/, which a test may change; yields the copy, the port and the process."""
    copy = tmp_path / "project"
    shutil.copytree(ROOT / "webapp", copy / "webapp", ignore=shutil.ignore_patterns("__pycache__"))
    port = free_port()
    # PostgreSQL does not run as root, and pytest's folders are closed to all others.
    temporary = Path(tempfile.mkdtemp())
    temporary.chmod(0o755)
    words = [sys.executable, "-c", SERVE, str(port), str(copy)]
    child = background(words, cwd=ROOT, env={**os.environ, "TMPDIR": str(temporary)})
    yield copy, port, child, temporary
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=40)
    shutil.rmtree(temporary)


def test_the_app_of_the_stack_poc_is_the_one(tmp_path):
    (tmp_path / "Pulumi.yaml").write_text("name: careapp\n")
    for stack, folder in (("poc", "shop"), ("prod", "webapp")):
        (tmp_path / f"Pulumi.{stack}.yaml").write_text(f"config:\n  careapp:appFolder: {folder}\n")
    shutil.copytree(ROOT / "docs" / "examples" / "flaskr", tmp_path / "shop")
    app = dev.app_of(tmp_path)
    assert app.working_folder == tmp_path / "shop"
    assert app.packages == ["-r", str(tmp_path / "shop" / "requirements.txt")]
    assert app.command[-1].startswith("exec gunicorn --bind ")
    (tmp_path / "shop" / "requirements.txt").unlink()
    with pytest.raises(dev.DevFailed, match=r"needs .*requirements\.txt, the app's packages"):
        _ = app.packages


def test_the_working_folder_is_the_one_that_the_image_has():
    assert dev.app_of(ROOT).working_folder == ROOT


@pytest.mark.slow
def test_an_app_that_does_not_start_ends_it_with_1(app):
    copy, _, child, _ = app
    (copy / "webapp" / "pages.py").write_text("raise RuntimeError('at import')\n")
    said = child.communicate(timeout=60)[0]
    assert (child.returncode, "at import" in said) == (1, True), said


def test_it_serves_the_page_shows_a_change_at_once_and_leaves_no_server_and_no_file(app):
    copy, port, child, temporary = app
    assert page(port, "/health/db") == '{"status":"healthy","db":"connected"}'
    assert "Hello ECS" in page(port)
    template = copy / "webapp" / "templates" / "home.html"
    template.write_text(template.read_text().replace("<dl", "<p>changed</p><dl", 1))
    deadline = time.monotonic() + 20
    while "changed" not in page(port) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert "changed" in page(port)
    os.killpg(child.pid, signal.SIGTERM)
    said = child.communicate(timeout=40)[0]
    assert child.returncode == 143, said
    assert list(temporary.iterdir()) == []
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)
