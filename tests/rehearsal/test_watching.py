"""Where the rehearsal's page is: said by the commands that start a local cloud and by its status."""

from __future__ import annotations

import json
import re
import socket
import urllib.request


def watched(text):
    return re.search(r"watch it at (http://localhost:\d+)", text)[1]


def test_the_commands_say_where_it_is_and_it_is_there_before_anything_is_up(careapp):
    started = careapp.run("cloud", "start", "--tasks", "process", "--port", "0")
    assert started.returncode == 0, started.stderr
    url = watched(started.stdout)
    assert url != "http://localhost:8081", "--port 0 takes any port for both"
    assert watched(careapp.run("cloud", "status").stdout) == url == careapp.facts()["page"]
    with urllib.request.urlopen(f"{url}/state", timeout=10) as answer:
        assert json.load(answer)["verdict"]["headline"] == "Nothing is up"
    assert careapp.run("cloud", "stop").returncode == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) != 0


def test_a_port_that_is_taken_keeps_the_cloud_from_starting_and_says_why(careapp):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        started = careapp.run("cloud", "start", "--tasks", "process", "--watch-port", port)
    assert started.returncode == 1
    assert f"cannot listen on port {port}" in started.stderr
    assert "--watch-port" in started.stderr
