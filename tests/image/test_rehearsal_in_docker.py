"""A rehearsal with a Docker engine, in which tasks are containers of the built image."""

from __future__ import annotations

import json
import subprocess
import sys

from rehearsal.paths import ROOT


def test_a_rehearsal_runs_the_image_and_leaves_nothing_in_the_engine(engine, tmp_path):
    report = tmp_path / "report.json"
    words = ("rehearse", "--exit", "--tasks", "docker", "--port", "0", "--json", str(report))
    done = subprocess.run(
        [sys.executable, "-m", "cli", *words],
        cwd=ROOT,
        env=engine.environment({"CAREAPP_HOME": str(tmp_path / "home"), "DOCKER_BUILDKIT": "0"}),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Tasks run as containers" in done.stderr
    assert json.loads(report.read_text())["page"]["status"] == 200
    assert "careapp/hello-ecs" not in engine.run("image", "ls")
    assert "careapp/hello-ecs" not in engine.run("container", "ls", "--all")
