"""The processes that programs run in."""

import os
import signal
import subprocess
import time

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

from local_cloud.engine.language import Hosts, Language


def test_an_engine_that_is_cancelled_ends_its_own_program_only(monkeypatch):
    monkeypatch.setattr(Language, "_start", lambda *_: subprocess.Popen(["sleep", "2"]))
    hosts = Hosts(Language(os.environ, {}), {})
    hosts.start()
    port = hosts.environment["PULUMI_DEBUG_LANGUAGES"].removeprefix("python:")
    own_connection = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.insecure_channel(f"127.0.0.1:{port}", own_connection) for _ in range(2)]
    one, other = (language_pb2_grpc.LanguageRuntimeStub(channel) for channel in channels)
    request = language_pb2.RunRequest(args=["127.0.0.1:1"])
    runs = [engine.Run.future(request) for engine in (one, other)]
    while len(hosts.language._running) < len(runs):
        time.sleep(0.01)
    other.Cancel(empty_pb2.Empty())
    ended = [run.result().error for run in runs]
    hosts.stop()
    assert ended == ["", "the program ended with exit code -2"]


def test_a_program_whose_call_has_ended_already_is_killed():
    """The engine was killed while the program was starting: gRPC calls back no more."""

    class Ended:
        peer = staticmethod(lambda: "ipv4:127.0.0.1:1")
        add_callback = staticmethod(lambda _: False)

    with (
        subprocess.Popen(["sleep", "60"]) as child,
        Language({}, {})._killable(child, Ended(), child.kill),
    ):
        assert child.wait(10) == -signal.SIGKILL
