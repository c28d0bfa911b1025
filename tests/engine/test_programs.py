"""The processes that programs run in."""

import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

from local_cloud.engine.language import Hosts, Language
from local_cloud.engine.program import exit_code, fork

AT_ONCE, EACH = 6, 6


def test_each_of_many_programs_at_once_has_its_own_exit_code():
    def run(_number: int) -> list[int]:
        return [exit_code(fork(time.sleep, 0.01 * (number % 3))) for number in range(EACH)]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        codes = [code for found in pool.map(run, range(AT_ONCE)) for code in found]
    assert codes == [0] * AT_ONCE * EACH


def test_an_engine_that_is_cancelled_ends_its_own_program_only(monkeypatch):
    monkeypatch.setattr(Language, "_start", lambda *_: subprocess.Popen(["sleep", "1"]))
    hosts = Hosts(Language(os.environ, {}), {})
    hosts.start()
    port = hosts.environment["PULUMI_DEBUG_LANGUAGES"].removeprefix("python:")
    own_connection = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.insecure_channel(f"127.0.0.1:{port}", own_connection) for _ in range(2)]
    one, other = (language_pb2_grpc.LanguageRuntimeStub(each) for each in channels)
    request = language_pb2.RunRequest(args=["127.0.0.1:1"])
    runs = [each.Run.future(request) for each in (one, other)]
    while len(hosts.language._running) < len(runs):
        time.sleep(0.01)
    other.Cancel(empty_pb2.Empty())
    ended = [each.result().error for each in runs]
    hosts.stop()
    assert ended == ["", "the program ended with exit code -9"]


def test_a_program_whose_call_has_ended_already_is_killed():
    """The engine was killed while the program was starting: gRPC calls back no more."""

    class Ended:
        peer = staticmethod(lambda: "ipv4:127.0.0.1:1")
        add_callback = staticmethod(lambda _: False)

    with subprocess.Popen(["sleep", "60"]) as child, Language({}, {})._killable(child, Ended()):
        assert child.wait(10) == -signal.SIGKILL
