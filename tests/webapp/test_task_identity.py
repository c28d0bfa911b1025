"""The task's id comes from ECS, in the background."""

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest

from tests.webapp.waiting import eventually
from webapp.task import Task

ARN = "arn:aws:ecs:ap-northeast-1:123456789012:task/careapp-poc-cluster/0123abcd"


class Metadata(BaseHTTPRequestHandler):
    """Fails first, as the endpoint may while the task starts; then tells the task."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200 if len(self.asked) > 1 else 500)
        self.end_headers()
        self.wfile.write(json.dumps({"TaskARN": ARN}).encode() if len(self.asked) > 1 else b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def metadata() -> Iterator[str]:
    Metadata.asked = []
    server = HTTPServer(("127.0.0.1", 0), Metadata)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v4/abc"
    server.shutdown()
    server.server_close()
    thread.join()


def test_it_is_the_last_part_of_the_arn_and_asked_for_again_after_a_failure(metadata: str) -> None:
    task = Task(metadata)
    assert task.id == os.uname().nodename
    task.start()
    eventually(lambda: task.id == "0123abcd", 3, "the task's id")
    assert Metadata.asked == ["/v4/abc/task", "/v4/abc/task"]


def test_without_ecs_it_is_the_host_s_name() -> None:
    task = Task(None)
    task.start()
    assert task.id == os.uname().nodename
