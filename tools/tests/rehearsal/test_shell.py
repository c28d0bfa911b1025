"""``./careapp shell`` and ``cloud``: plain `pulumi` in the local cloud, and where its page is."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from local_cloud.paths import ROOT
from local_cloud.run.client import CloudError, find
from local_cloud.tests.dataplane.stack import until
from stack.file import StackError
from tools.rehearsal.careapp import choose_region
from tools.tests.rehearsal.test_rehearse import assert_no_process_left

BOTO3 = """
import boto3, json
ecs, elb, logs, rds = map(boto3.client, ("ecs", "elbv2", "logs", "rds"))
service = ecs.describe_services(cluster="careapp-poc-cluster", services=["careapp-poc-service"])["services"][0]
group = elb.describe_target_groups(Names=["careapp-poc-tg"])["TargetGroups"][0]["TargetGroupArn"]
health = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
events = logs.filter_log_events(logGroupName="/ecs/careapp-poc")["events"]
[database] = rds.describe_db_instances(DBInstanceIdentifier="careapp-poc")["DBInstances"]
tasks = ecs.list_tasks(cluster="careapp-poc-cluster", serviceName="careapp-poc-service")["taskArns"]
described = ecs.describe_tasks(cluster="careapp-poc-cluster", tasks=tasks)["tasks"]
print(json.dumps({
    "service": [service["status"], service["runningCount"], service["desiredCount"]],
    "rollout": service["deployments"][0]["rolloutState"],
    "events": [event["message"] for event in service["events"]],
    "health": [item["TargetHealth"]["State"] for item in health],
    "log": [event["message"] for event in events],
    "database": [database["DBInstanceStatus"], database["EngineVersion"].split(".")[0]],
    "tasks": [[task["lastStatus"], task["containers"][0]["lastStatus"]] for task in described],
}))
"""


def running_tasks(running):
    """The tasks of a service at rest: a roll-out is over, and the tasks before it have left."""

    def at_rest():
        tasks = running.facts()["state"]["tasks"]
        return all(task["state"] == "RUNNING" for task in tasks) and tasks

    return until(at_rest, 60)


def test_boto3_sees_what_the_note_looks_at(running):
    seen = json.loads(running.python(BOTO3).splitlines()[-1])
    assert seen["service"] == ["ACTIVE", 1, 1]
    assert seen["rollout"] == "COMPLETED"
    assert seen["health"] == ["healthy"]
    assert seen["database"] == ["available", "17"]
    assert seen["tasks"] == [["RUNNING", "RUNNING"]]
    assert any("has reached a steady state" in event for event in seen["events"])
    assert any('"port": 3000' in line or '"port":3000' in line for line in seen["log"])


def test_the_page_shows_rows_of_the_database_and_who_answered(running):
    tasks = running_tasks(running)
    status, text = running.page()
    assert status == 200
    assert any(task["id"] in text for task in tasks)
    for path, said in (("/health", {}), ("/health/db", {"db": "connected"})):
        status, text = running.page(path)
        assert (status, json.loads(text)) == (200, {"status": "healthy", **said})


def test_the_page_s_url_leads_curl_and_python_to_the_page(running):
    url = '"$(pulumi stack output pageUrl -s poc)/health"'
    python = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode())"
    done = running.shell("sh", "-c", f"curl -s {url}; python -c '{python}' {url}")
    assert done.stdout.count('{"status":"healthy"}') == 2, done.stdout + done.stderr


@pytest.mark.usefixtures("running")
def test_the_users_own_stack_file_is_not_written():
    assert not re.search('ecsEnabled: "?true', (ROOT / "Pulumi.poc.yaml").read_text())


def test_a_local_cloud_has_the_region_of_the_stack_s_file_or_the_one_that_is_named(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("tools.rehearsal.careapp.ROOT", tmp_path)
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


def test_a_shell_for_another_region_than_the_local_clouds_is_refused(running):
    done = running.run("shell", "--region", "eu-central-1", "--", "true")
    assert done.returncode == 1
    assert "CAREAPP_HOME=FOLDER ./careapp shell --region eu-central-1" in done.stderr


def test_an_exit_code_comes_through(running):
    assert running.shell_command("sh", "-c", "exit 7").returncode == 7


def test_a_program_that_is_not_there_starts_no_local_cloud(careapp):
    for program in ("no-such-program", "./no-such-program"):
        done = careapp.shell_command(program)
        assert done.returncode == 127
        assert f"{program}: no such program" in done.stderr
    assert careapp.run("cloud", "status").returncode == 1


def without_aws(folder):
    """A PATH with the system's programs, but for the AWS CLI."""
    folder.mkdir()
    found = {each.name: each for place in ("/bin", "/usr/bin") for each in Path(place).iterdir()}
    for name in found.keys() - {"aws"}:
        (folder / name).symlink_to(found[name])
    return str(folder)


def test_one_command_says_that_the_local_cloud_stays_and_its_python_has_boto3(careapp, tmp_path):
    careapp.environment["PATH"] = without_aws(tmp_path / "bin")
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


def test_the_status_is_a_line_for_each_thing_that_runs(running):
    tasks = running_tasks(running)
    [listener] = running.facts()["state"]["listeners"]
    told = json.loads(running.run("cloud", "status", "--json").stdout)
    assert told["state"]["listeners"] == [listener]
    assert told.keys() == running.facts().keys()
    lines = running.run("cloud", "status").stdout.splitlines()
    assert f"listener HTTP:80 of careapp-poc-alb: {listener['url']}" in lines
    [database] = [each for each in lines if each.startswith("database ")]
    assert database.startswith("database careapp-poc: available, 127.0.0.1:")
    shown = [each.partition(" of careapp-poc-service: ")[2] for each in lines]
    assert {f"RUNNING at {task['address']}" for task in tasks} <= set(shown)
    assert any(re.fullmatch(r"metrics of \d+ minutes \(AWS's time\)", each) for each in lines)
    assert "nothing runs in it yet" not in lines
    assert "{" not in "".join(lines)


def test_a_command_s_own_options_need_no_dashes_before_it(running):
    done = running.run("shell", "--tasks", "process", "--port", "0", "echo", "-s", "poc", "--help")
    assert done.stdout == "-s poc --help\n"


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
