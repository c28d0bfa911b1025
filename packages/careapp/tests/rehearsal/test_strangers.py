"""The page of a rehearsal: a client of --from that allowedCidrs does not name must get no answer."""

import socket
import subprocess
import sys
from types import SimpleNamespace

import click
import pytest

from careapp import ROOT
from careapp.rehearsal import stages
from careapp.rehearsal.stages import Rehearsal, RehearsalFailed
from local_cloud.run import shell
from local_cloud.run.client import CloudError
from local_cloud.run.options import Address

ALLOWED = "198.51.100.0/24,pl-01234567"


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def rehearsal(folder, listener, client, said):
    (folder / "Pulumi.yaml").write_text("name: careapp\n")
    config = f"config:\n  aws:region: ap-northeast-1\n  allowedCidrs: {ALLOWED}\n"
    (folder / "Pulumi.poc.yaml").write_text(config)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    facts = SimpleNamespace(
        options=SimpleNamespace(client=client), state={"listeners": [{"arn": "arn", "url": url}]}
    )
    pulumi = SimpleNamespace(folder=folder)
    made = Rehearsal(pulumi, "poc", lambda: facts, lambda text: said.append(str(text)))
    made.calls = lambda _, operation, __: {
        "describe_load_balancers": {"LoadBalancers": [{"LoadBalancerArn": "arn"}]},
        "describe_listeners": {"Listeners": [{"ListenerArn": "arn"}]},
    }[operation]
    return made


def test_a_stranger_without_an_answer_is_as_it_must_be(tmp_path, listener, monkeypatch):
    monkeypatch.setattr(stages, "STRANGER_SECONDS", 0.1)
    said = []
    assert rehearsal(tmp_path, listener, "203.0.113.9", said)._keeps_stranger_out()
    [line] = said
    assert line.endswith(
        "does not answer 203.0.113.9, which is not in allowedCidrs (198.51.100.0/24, pl-01234567)"
    )


@pytest.mark.parametrize("client", ["", "198.51.100.7", "192.0.2.9"])
def test_who_is_allowed_is_asked_as_ever(tmp_path, listener, client):
    """The last one is in the made-up content of the prefix list."""
    assert not rehearsal(tmp_path, listener, client, [])._keeps_stranger_out()


def test_a_stranger_with_an_answer_is_a_failure(tmp_path, listener, monkeypatch):
    monkeypatch.setattr(stages.Page, "get", lambda *_, **__: (200, "hello", ""))
    with pytest.raises(RehearsalFailed, match=r"answers 200 to 203\.0\.113\.9, which is not in"):
        rehearsal(tmp_path, listener, "203.0.113.9", [])._keeps_stranger_out()


def test_a_local_cloud_that_runs_keeps_its_clients_address(monkeypatch):
    options = SimpleNamespace(region="x", client="198.51.100.7")
    monkeypatch.setattr(shell.client, "find", lambda _: SimpleNamespace(options=options))
    flags = shell.CloudFlags(tasks="process", speed=1, port=0, client="203.0.113.9")
    with pytest.raises(CloudError, match=r"runs without --from 203\.0\.113\.9; end it"):
        shell.shell(["true"], flags, shell.RegionChoice(None, str))


@pytest.mark.parametrize("text", ["home", "2001:db8::1", "198.51.100.0/24"])
def test_an_address_that_is_none_is_refused(text):
    with pytest.raises(click.BadParameter, match="is not an IPv4 address like"):
        Address().convert(text, None, None)
    assert Address().convert("198.51.100.7", None, None) == "198.51.100.7"


def test_what_is_wrong_with_an_option_is_said_in_japanese():
    for option, said in (
        ("--from", "IPv4 アドレスではありません"),
        ("--port", "範囲 0<=x<=65535 の外です"),
    ):
        words = [sys.executable, "-m", "careapp.cli", "shell", option, "x", "--lang", "ja"]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_a_listener_that_is_created_and_not_told_yet_is_waited_for(tmp_path, listener):
    made = rehearsal(tmp_path, listener, "", [])
    told = made.facts()
    other = {"listeners": [{"arn": "of another stack", "url": "http://127.0.0.1:1"}]}
    states = [{}, {"listeners": []}, other, told.state]
    made.facts = lambda: SimpleNamespace(state=states.pop(0))
    assert made._page().url == told.state["listeners"][0]["url"]
