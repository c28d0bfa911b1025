"""The worker of examples/flaskr, against a real PostgreSQL."""

import os
import signal
import subprocess
import sys

from local_cloud.paths import ROOT


def test_it_gets_work_from_the_database_and_ends_by_itself_after_sigterm(postgres, variables):
    given = {**os.environ, **variables, "PGSSLMODE": "verify-full"}
    given["PGSSLROOTCERT"] = variables["DB_SSLROOTCERT"]
    with subprocess.Popen(
        [sys.executable, "-m", "flaskr.worker"],
        cwd=ROOT / "examples" / "flaskr",
        env=given,
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        try:
            assert worker.stdout.readline() == "waiting for greetings\n"
            with postgres.connect() as database:
                database.execute("NOTIFY greetings, 'Ada'")
            assert worker.stdout.readline() == "hello Ada\n"
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(30) == 0
        finally:
            worker.kill()
