"""Dockerfiles: how they are read without Docker, and which are refused before anything is run."""

from pathlib import PurePosixPath

import pytest

from local_cloud.building import dockerfile, files
from local_cloud.building.dockerfile import DockerfileError, LeftOut

FILES = {
    "requirements.txt": "flask\n",
    "manage.py": "#!/usr/bin/env python\n",
    "wsgi.py": "app = None\n",
    "app/__init__.py": "",
    "app/static/site.css": "",
    "boot.sh": "#!/bin/sh\nexec gunicorn wsgi:app\n",
    "debug.log": "noise",
    ".dockerignore": "*.log\n",
}


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    folder = tmp_path_factory.mktemp("with-a-dockerfile") / "site"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "out").symlink_to("/etc/passwd")
    return folder


def read(context, text, **arguments):
    (context / "Dockerfile").write_text(text)
    return dockerfile.read(context / "Dockerfile", arguments)


UNREADABLE = (
    "it cannot be read: a word, a quotation mark or JSON is wrong, "
    "or it needs a Docker engine (--tasks docker)"
)
NOT_PYTHON = (
    "without Docker the base image of the last stage must be Python's, as python:3.13-slim; "
    "a Docker engine runs any (--tasks docker)"
)
NO_FILE = "no such file in site/ (or .dockerignore hides it)"
REFUSED = {
    "FROM node:22": f"1: FROM node:22: {NOT_PYTHON}",
    "FROM python:slmi": f"1: FROM python:slmi: {NOT_PYTHON}",
    "ARG V=${V:-NOT_SET}\nFROM python:${V}-slim": f"2: FROM python:${{V}}-slim: {NOT_PYTHON}",
    "ARG BASE\nFROM $BASE": f"2: FROM $BASE: {NOT_PYTHON}",
    "FROM python SA x": f"1: FROM python SA x: {UNREADABLE}",
    "FROM python\nCOPPY . .": f"2: COPPY . .: {UNREADABLE}",
    "FROM python\nCOPY --parents a b /": f"2: COPY --parents a b /: {UNREADABLE}",
    "FROM python\nWORKDIR": f"2: WORKDIR: {UNREADABLE}",
    "FROM python\nCOPY x": f"2: COPY x: {UNREADABLE}",
    "FROM python\nENV A": f"2: ENV A: {UNREADABLE}",
    "FROM python\nENV $A": f"2: ENV $A: {UNREADABLE}",
    "FROM python\n\\": f"2: : {UNREADABLE}",
    "FROM python\nENV A='b": f"2: ENV A='b: {UNREADABLE}",
    "FROM python\nCMD ['gunicorn']": f"2: CMD ['gunicorn']: {UNREADABLE}",
    "FROM python AS build\nFROM python\nCOPY --from=biuld /a /a": (
        "3: COPY --from=biuld /a /a: no earlier stage is named biuld"
    ),
    "FROM python AS own\nCOPY --from=own /a /a": (
        "2: COPY --from=own /a /a: no earlier stage is named own"
    ),
    "FROM python AS build\nFROM python\nRUN --mount=from=biuld,target=/b x": (
        "3: RUN --mount=from=biuld,target=/b x: no earlier stage is named biuld"
    ),
    "FROM python\nCOPY none.txt /\nRUN --mount=source=nothing,target=/r x": (
        f"2: COPY none.txt: {NO_FILE}\nsite/Dockerfile:3: RUN --mount nothing: {NO_FILE}"
    ),
    "FROM python\nRUN --mount=type=secret,id=a,required=true x": (
        "2: RUN --mount=type=secret,id=a,required=true x: no secret is passed to a build; without required "
        "the line is run"
    ),
    "FROM python\nCOPY debug.log /": f"2: COPY debug.log: {NO_FILE}",  # .dockerignore has it
    "FROM python\nADD out /": f"2: ADD out: {NO_FILE}",  # it leads out of the context
    "": " the first instruction must be FROM",
    "WORKDIR /app": "1: the first instruction must be FROM",
}


@pytest.mark.parametrize(("text", "problem"), REFUSED.items())
def test_it_is_refused_with_its_line(context, text, problem):
    with pytest.raises(DockerfileError) as refused:
        read(context, text)
    assert str(refused.value) == f"site/Dockerfile:{problem}"


STAGES = """\
FROM python AS Base
WORKDIR /srv
COPY . .
CMD ["base"]
FROM base AS production
CMD ["production"]
FROM node AS tools
"""


@pytest.mark.parametrize(
    ("target", "command"),
    [("base", "base"), ("production", "production"), ("PRODUCTION", "production"), ("0", "base")],
)
def test_another_stage_than_the_last_one_is_built_by_its_name(context, target, command):
    (context / "Dockerfile").write_text(STAGES)
    stage = dockerfile.read(context / "Dockerfile", {}, None, target)
    assert (stage.command, stage.workdir) == ((command,), PurePosixPath("/srv"))


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        (
            "prod",
            "site/Dockerfile: no stage is named prod; there are base, 0, production, 1, tools, 2",
        ),
        (
            "tools",
            "site/Dockerfile:7: FROM node AS tools: without Docker the base image of the last",
        ),
    ],
)
def test_a_stage_that_cannot_be_built_is_refused(context, target, problem):
    (context / "Dockerfile").write_text(STAGES)
    with pytest.raises(DockerfileError) as refused:
        dockerfile.read(context / "Dockerfile", {}, None, target)
    assert str(refused.value).startswith(problem)


TWO_STAGES = """
ARG BASE=python:3.13-slim
FROM ${BASE} AS build
RUN pip install flask
COPY . /app/webapp/
FROM ${BASE}
ENV PATH="/venv/bin:${PATH}" \\
    GREETING="hello there" NONE=${NONE:-nobody}
COPY --from=build /venv /venv
COPY --from=build /app/webapp/app /srv
COPY --from=build /app/webapp/wsgi.py /srv/run.py
COPY --chown=1:1 boot.sh /srv/
COPY <<EOF /srv/made.txt
made here
EOF
WORKDIR /srv
USER 10001:10001
VOLUME /tmp
STOPSIGNAL SIGQUIT
CMD exec gunicorn -b :$PORT 'a:b()'
"""


def test_the_last_stage_has_its_own_configuration_and_the_files_of_the_others(context, tmp_path):
    stage = read(context, TWO_STAGES)
    assert (stage.workdir, stage.user) == (PurePosixPath("/srv"), "10001:10001")
    assert stage.command == ("/bin/sh", "-c", "exec gunicorn -b :$PORT 'a:b()'")
    assert stage.environment == {
        "PATH": f"/venv/bin:{dockerfile.PATH}",
        "LANG": dockerfile.LANG,
        "GREETING": "hello there",
        "NONE": "nobody",
    }
    assert (stage.volumes, stage.stop_signal) == (("/tmp",), "SIGQUIT")  # noqa: S108
    copies = [copy for each in stage.needed for copy in each.copies if copy.stage is None]
    sent = files.Context(context, context / "Dockerfile")
    for copy in copies:
        for target, source in files.copied(sent, copy):
            files.put(source, tmp_path, target)
    laid = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert {"app/webapp/app/static/site.css", "app/webapp/wsgi.py", "srv/boot.sh"} <= laid
    assert "app/webapp/debug.log" not in laid
    assert copies[-2].text == "made here\n"


@pytest.mark.parametrize(
    ("lines", "entry_point", "command"),
    [
        (['ENTRYPOINT ["gunicorn"]', 'CMD ["app"]'], ("gunicorn",), ("app",)),
        (['CMD ["app"]', 'ENTRYPOINT ["gunicorn"]'], ("gunicorn",), ("app",)),
        (["ENTRYPOINT gunicorn", 'CMD ["app"]'], ("/bin/sh", "-c", "gunicorn"), ("app",)),
        (['CMD ["a"]', "FROM base", 'ENTRYPOINT ["gunicorn"]'], ("gunicorn",), ()),
        (['ENTRYPOINT ["gunicorn"]', "FROM base", 'CMD ["app"]'], ("gunicorn",), ("app",)),
        (['ENTRYPOINT ["./boot.sh"]'], ("./boot.sh",), ()),
        ([], (), ("python3",)),
    ],
)
def test_the_entry_point_and_the_command_of_an_image(context, lines, entry_point, command):
    stage = read(context, "\n".join(["FROM python AS base", *lines]))
    assert (stage.entry_point, stage.command) == (entry_point, command)


def test_a_run_with_a_test_of_the_shell_is_no_list(context):
    *_, run = read(context, 'FROM python\nRUN [ "$A" = 1 ] || [ -d /x ]\nCMD x').steps
    assert run.words == ("/bin/sh", "-c", '[ "$A" = 1 ] || [ -d /x ]')


def test_what_is_taken_of_uv_s_image_is_what_installs_it_and_of_another_one_is_left_out(context):
    text = "RUN --mount=from=ghcr.io/astral-sh/uv:0.9,source=/uv,target=/bin/uv uv sync\n"
    text += "RUN --mount=type=bind,from=node:22,target=/node x\n"
    text += "COPY --from=tools /uv /uvx /bin/\n"
    stage = read(context, f"FROM ghcr.io/astral-sh/uv:0.9 AS tools\nFROM python\n{text}CMD x")
    both = ("/.machine/late/uv", "/.machine/late/uvx")
    assert {copy.sources for copy in stage.copies} == {("/.machine/late/uv",), both}
    [left_out] = [step for step in stage.steps if isinstance(step, LeftOut)]
    assert left_out.place == "site/Dockerfile:4"
    assert left_out.text == "RUN --mount=type=bind,from=node:22,target=/node"


def test_a_byte_order_mark_and_another_escape_character_are_read(context):
    text = "\ufeff# syntax=docker/dockerfile:1\n# escape=`\nFROM python\nENV A=c:\\x` y `\n  B=`$A\nCMD x"
    assert read(context, text).environment["A"] == "c:\\x y"
    assert read(context, text).environment["B"] == "$A"


@pytest.mark.parametrize(
    ("line", "variables"),
    [
        ("ENV A=$B", {"A": "a b"}),
        ("ENV A $B 'c'", {"A": "a b c"}),
        ("ENV B=1 A=$B", {"B": "1", "A": "a b"}),
        ("ENV A=1\\\n2", {"A": "12"}),
        ("ARG TARGETARCH\nENV A=$TARGETARCH", {"A": "arm64"}),
        (
            "ARG TARGETPLATFORM TARGETOS\nENV A=$TARGETPLATFORM/$TARGETOS",
            {"A": "linux/arm64/linux"},
        ),
        ("ENV A=$TARGETARCH", {"A": ""}),
    ],
)
def test_variables_are_those_that_docker_sets(context, line, variables):
    (context / "Dockerfile").write_text(f'FROM python\nENV B="a b"\n{line}\nCMD x')
    made = dockerfile.read(context / "Dockerfile", {}, platform="linux/arm64")
    assert {name: made.environment[name] for name in variables} == variables


def test_arguments_are_those_given_those_of_the_stage_or_those_before_from(context):
    text = "ARG A=/a\nFROM python\nARG A\nARG B=/b\nWORKDIR ${A}${B}\nCMD x\n"
    assert read(context, text).workdir == PurePosixPath("/a/b")
    assert read(context, text, B="/c").workdir == PurePosixPath("/a/c")
    assert read(context, text.replace("ARG A\n", "", 1)).workdir == PurePosixPath("/b")
    two = "ARG V=3\nARG BASE=python:$V\nFROM $BASE\n"
    assert read(context, two).base == "python:3"


COPIES = {
    "COPY app /srv": {
        "/srv": "app",
        "/srv/__init__.py": "app/__init__.py",
        "/srv/static": "app/static",
        "/srv/static/site.css": "app/static/site.css",
    },
    "COPY wsgi.py /srv": {"/srv": "wsgi.py"},
    "COPY wsgi.py /srv/": {"/srv/wsgi.py": "wsgi.py"},
    "WORKDIR /srv\nCOPY ws*.py manage.p? ./": {
        "/srv/wsgi.py": "wsgi.py",
        "/srv/manage.py": "manage.py",
    },
}


@pytest.mark.parametrize(("text", "expected"), COPIES.items(), ids=list(COPIES))
def test_copy_takes_files_of_the_context_to_their_paths(context, text, expected):
    *_, copy = read(context, f"FROM python\n{text}\nCMD x").copies
    sent = files.Context(context, context / "Dockerfile")
    found = {
        target: str(source.relative_to(context)) for target, source in files.copied(sent, copy)
    }
    assert found == expected


def test_only_the_stages_that_the_last_one_is_made_of_are_needed(context):
    text = "FROM python AS a\nFROM a AS b\nRUN x\nFROM python AS c\nFROM python\n"
    stage = read(
        context, text + "RUN --mount=type=bind,from=c,target=/c x\nCOPY --from=a /x /\nCMD x"
    )
    assert [each.start is None for each in stage.needed] == [True, True, True]
    assert all(
        step.shown == "RUN x" and step.place.endswith(":6")
        for each in stage.needed
        for step in each.steps[:1]
    )
