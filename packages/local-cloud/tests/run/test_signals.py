"""A signal that comes while a process is started: what was started is ended, and the signal not lost."""

import os
import signal
import subprocess
import threading
from dataclasses import replace

import pytest

from local_cloud import starter
from local_cloud.engine import build
from local_cloud.engine.pulumi import Pulumi
from local_cloud.machine.signals import interrupts_wait, terminations_raise
from local_cloud.paths import Home
from local_cloud.run import client
from local_cloud.run.client import Options


def start_engine_build(folder):
    build.run(["sleep", "60"], folder, {})


def start_short_command(folder):
    Pulumi(folder, os.environ).run("stack", "ls")


def start_update(folder):
    Pulumi(folder, os.environ).update("up", "test")


def start_local_cloud(folder):
    starter.use(replace(starter.current(), process=("sleep", "60")))
    without = {"docker": False, "namespaces": False, "mounts": False}
    client.start(Home(folder), Options(region="eu-west-1", speed=20, port=0, **without))


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM])
def started(request, monkeypatch, tmp_path):
    """Each process that was started; the signal comes before the starter knows of it."""
    every = []

    class Start(subprocess.Popen):
        def __init__(self, *arguments, **how):
            super().__init__(*arguments, **how)
            every.append(self)
            signal.raise_signal(request.param)

    (tmp_path / "pulumi").write_text("#!/bin/sh\nexec sleep 0.2\n")
    (tmp_path / "pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(subprocess, "Popen", Start)
    yield every
    for process in every:
        process.kill()


@pytest.mark.parametrize(
    "start", [start_engine_build, start_short_command, start_update, start_local_cloud]
)
def test_signal_during_a_start_ends_what_was_started(start, started, tmp_path):
    with pytest.raises((KeyboardInterrupt, SystemExit)), terminations_raise():
        start(tmp_path)
    (child,) = started
    assert child.returncode is not None
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_held_signals_are_those_that_python_handles_in_the_main_thread():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupts_wait():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    entered = []

    def enter():
        with interrupts_wait() as deliver:
            deliver()
            entered.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert entered == [signal.default_int_handler]


def test_interrupt_between_two_handlers_leaves_none_that_holds(monkeypatch):
    before, change = signal.getsignal(signal.SIGTERM), signal.signal

    def interrupted(kind, handler):
        change(kind, handler)
        if handler is signal.default_int_handler:
            monkeypatch.undo()
            signal.raise_signal(kind)

    with terminations_raise():
        raising = signal.getsignal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt), interrupts_wait():
            monkeypatch.setattr(signal, "signal", interrupted)
        assert signal.getsignal(signal.SIGTERM) is raising
    assert signal.getsignal(signal.SIGTERM) is before
