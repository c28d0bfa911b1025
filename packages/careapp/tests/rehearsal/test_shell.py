"""``./careapp shell`` and ``cloud``: plain `pulumi` in the local cloud, and where its page is."""

import os
import re
import signal
import subprocess

import pytest

from careapp.rehearsal.careapp import choose_region
from careapp.settings.file import StackError
from local_cloud.run.client import CloudError, find
from tests.dataplane.stack import until
from tests.rehearsal.surroundings import path_without
from tests.rehearsal.test_rehearse import assert_no_process_left


def test_local_cloud_has_the_stack_file_s_region_or_a_named_one(tmp_path, monkeypatch):
    monkeypatch.setattr("careapp.rehearsal.careapp.ROOT", tmp_path)
    (tmp_path / "Pulumi.yaml").write_text("name: careapp")
    for stack, region in (("poc", "eu-west-1"), ("prod", "us-west-2")):
        (tmp_path / f"Pulumi.{stack}.yaml").write_text(f"config: {{aws:region: {region}}}")
    (tmp_path / "Pulumi.new.yaml").write_text("config: {}")
    assert choose_region(None, None).read() == "eu-west-1"
    assert choose_region("prod", None).read() == "us-west-2"
    assert choose_region("prod", "sa-east-1").read() == "sa-east-1"
    with pytest.raises(StackError, match=r"aws:region: is not set"):
        choose_region("new", None).read()
    with pytest.raises(CloudError, match=r"runs in eu-west-1, not in us-west-2\. Start a second"):
        choose_region("prod", None).check("eu-west-1")
    choose_region(None, None).check("sa-east-1")


def test_a_program_that_is_not_there_starts_no_local_cloud(careapp):
    for program in ("no-such-program", "./no-such-program"):
        done = careapp.shell_command(program)
        assert done.returncode == 127
        assert f"{program}: no such program" in done.stderr
    assert careapp.run("cloud", "status").returncode == 1


def test_one_command_says_that_the_local_cloud_stays_and_its_python_has_boto3(careapp, tmp_path):
    careapp.environment["PATH"] = path_without("aws", tmp_path / "bin")
    done = careapp.shell_command(
        "python", "-c", "import boto3; print(boto3.client('sts').meta.endpoint_url)"
    )
    assert done.stdout == f"{careapp.facts()['endpoint']}\n"
    told = "the local cloud stays up; ./careapp cloud stop ends it"
    assert told in done.stderr
    assert "nothing runs in it yet" in careapp.run("cloud", "status").stdout.splitlines()
    again = careapp.shell_command("./careapp", "--version")
    assert (again.returncode, told in again.stderr) == (0, False)
    careapp.environment["SHELL"] = "/bin/sh"
    shell = careapp.run("shell", stdin=subprocess.DEVNULL)
    assert f"In {careapp.home.project}: pulumi, python (boto3) and ./careapp doctor" in shell.stdout
    assert "aws is not on PATH; some fixes need it" in shell.stdout
    assert "a browser finds it at the address that ./careapp cloud status prints" in shell.stdout


def test_after_a_kill_a_new_cloud_says_that_the_stacks_are_gone_and_keeps_their_settings(careapp):
    for words in (
        ("stack", "init", "poc"),
        ("config", "set", "desiredCount", "3"),
        ("config", "set", "--secret", "thing", "hidden"),
    ):
        careapp.expect(0, "pulumi", *words)
    os.kill(careapp.facts()["pid"], signal.SIGKILL)
    until(lambda: not find(careapp.home), 20)
    assert_no_process_left(careapp)
    told = careapp.run("shell", "--tasks", "process", "--port", "0", stdin=subprocess.DEVNULL)
    assert told.returncode == 0, told.stderr
    assert "its stacks (poc) no longer exist, and their state is deleted" in told.stderr
    init, up = re.findall(r"\./careapp (shell pulumi [^,]*?)(?:,|$)", told.stderr, re.MULTILINE)
    assert (init, up) == ("shell pulumi stack init poc", "shell pulumi up -s poc")
    again = careapp.run(*init.split())
    assert again.returncode == 0, again.stderr
    assert "no longer exist" not in again.stderr
    assert careapp.shell("pulumi", "config", "get", "desiredCount").stdout == "3\n"
    assert careapp.shell("pulumi", "config", "get", "thing").stdout == "hidden\n"
