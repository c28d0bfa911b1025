"""What is read from a Dockerfile to run its command without Docker."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from rehearsal.building import dockerfile, layout
from rehearsal.building.dockerfile import DockerfileError

TWO_STAGES = """
ARG BASE=python:3.13-slim
FROM ${BASE} AS build
RUN pip install \\
    # a comment between
    --no-cache-dir wheel
COPY . /app/webapp/
FROM ${BASE}
ENV PATH="/venv/bin:${PATH}" \\
    GREETING="hello there"
COPY --from=build /venv /venv
COPY --from=build /app /srv
COPY --chown=1:1 extra.txt /srv/
WORKDIR /srv
USER 10001:10001
CMD ["gunicorn", "--config", "webapp/gunicorn.conf.py"]
"""


@pytest.fixture
def context(tmp_path):
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / ".dockerignore").write_text("*.log\n")
    (folder / "Dockerfile").write_text(TWO_STAGES)
    (folder / "app.py").write_text("print('app')\n")
    (folder / "extra.txt").write_text("extra\n")
    (folder / "noise.log").write_text("noise\n")
    return folder


def read(context, **arguments):
    return dockerfile.read(context / "Dockerfile", arguments)


def test_the_last_stage_decides(context):
    stage = read(context)
    assert stage.workdir == PurePosixPath("/srv")
    assert stage.command == ("gunicorn", "--config", "webapp/gunicorn.conf.py")
    assert stage.user == "10001:10001"
    assert stage.environment["GREETING"] == "hello there"


def test_files_of_the_context_are_followed_through_the_stages(context, tmp_path):
    layout.lay_out(context, read(context).copies, tmp_path / "root")
    laid = {str(file.relative_to(tmp_path / "root")) for file in (tmp_path / "root").rglob("*.*")}
    assert {"srv/webapp/app.py", "srv/extra.txt"} <= laid
    assert "srv/webapp/noise.log" not in laid


def test_a_file_that_is_not_there_is_named(context, tmp_path):
    (context / "extra.txt").unlink()
    with pytest.raises(DockerfileError, match=r"COPY extra.txt: no such file in context/"):
        layout.lay_out(context, read(context).copies, tmp_path / "root")


def test_a_shell_form_is_refused_with_the_reason(context):
    (context / "Dockerfile").write_text("FROM a\nCMD gunicorn webapp\n")
    with pytest.raises(DockerfileError, match="use the exec form"):
        read(context)


def test_a_word_that_is_no_instruction_is_named(context):
    (context / "Dockerfile").write_text("FROM a\nCOPPY . .\n")
    with pytest.raises(DockerfileError, match="'COPPY' is no instruction"):
        read(context)


def test_an_image_without_a_command_is_refused(context):
    (context / "Dockerfile").write_text("FROM a\nRUN true\n")
    with pytest.raises(DockerfileError, match="neither CMD nor ENTRYPOINT"):
        read(context)


def test_arguments_given_go_before_the_files_defaults(context):
    (context / "Dockerfile").write_text('FROM a\nARG PLACE=/one\nWORKDIR ${PLACE}\nCMD ["x"]\n')
    assert read(context).workdir == PurePosixPath("/one")
    assert read(context, PLACE="/two").workdir == PurePosixPath("/two")
