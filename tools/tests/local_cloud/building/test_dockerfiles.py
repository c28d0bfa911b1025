"""Dockerfiles of the kinds that people have: what is read without Docker, and what is left out."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import NamedTuple

import pytest

from tools.local_cloud.building import dockerfile, packages
from tools.local_cloud.building.dockerfile import DockerfileError
from tools.local_cloud.building.files import lay_out, placed
from tools.local_cloud.paths import ROOT

FILES = {
    "requirements.txt": "flask\n",
    "requirements/prod.txt": "flask\n",
    "requirements/dev.txt": "-r prod.txt\npytest\n",
    "pyproject.toml": '[project]\nname = "app"\nversion = "1"\n',
    "uv.lock": "",
    "poetry.lock": "",
    "Pipfile": "",
    "Pipfile.lock": "{}",
    "manage.py": "#!/usr/bin/env python\n",
    "wsgi.py": "app = None\n",
    "app/__init__.py": "",
    "app/static/site.css": "",
    "migrations/env.py": "",
    "boot.sh": "#!/bin/sh\nexec gunicorn wsgi:app\n",
    "bin/install": "#!/bin/bash\nset -e\ncommand -v uv\nuv sync --frozen\n",
    "package.json": "{}",
    "assets/app.js": "",
    "supervisord.conf": "",
    "wheels/one-1-py3-none-any.whl": "",
    "debug.log": "noise",
    ".dockerignore": "*.log\n",
}


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    """The files of an app with every kind of lock file."""
    folder = tmp_path_factory.mktemp("with-a-dockerfile") / "site"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def read(context, text, **arguments):
    (context / "Dockerfile").write_text(text)
    return dockerfile.read(context / "Dockerfile", arguments)


def installs(stage):
    return [" ".join([each.tool, *each.arguments]) for each in stage.installs]


def programs(stage):
    return [" ".join(each.words) for each in stage.programs]


def left_out(stage):
    """The lines that are left out, each with its number."""
    said = [re.fullmatch(r"site/Dockerfile:(\d+: .*)", str(each)) for each in stage.notices]
    return [each[1].replace("left out without Docker: ", "") for each in said]


class Row(NamedTuple):
    """A Dockerfile, and what is read of it."""

    name: str
    text: str
    installs: list[str]
    left_out: list[str] = []  # noqa: RUF012
    programs: list[str] = []  # noqa: RUF012
    command: str = "gunicorn wsgi:app"


CMD = 'CMD ["gunicorn", "wsgi:app"]\n'
APP = "FROM python:3.13-slim\nWORKDIR /app\n"
REQUIREMENTS = ["pip --requirement /app/requirements.txt"]
APT = "RUN apt-get update; apt-get install -y libpq-dev"

READ = [
    Row(
        "flask's deployment",
        APP + "COPY . .\nRUN pip install -r requirements.txt\n" + CMD,
        REQUIREMENTS,
    ),
    Row(
        "apt-get with cleaning up",
        APP + "COPY . .\nRUN apt-get update \\\n  && apt-get install -y libpq-dev \\\n"
        "  # a comment between\n  && rm -rf /var/lib/apt/lists/*\n"
        "RUN pip install --no-cache-dir -r requirements.txt\n" + CMD,
        REQUIREMENTS,
        [f"4: {APT}"],
    ),
    Row(
        "one RUN for the system and the packages",
        APP
        + "COPY requirements.txt ./\nRUN set -eux; apt-get update; apt-get install -y libpq-dev; "
        "pip install -r requirements.txt; apt-get clean\n" + CMD,
        REQUIREMENTS,
        [f"4: {APT}"],
    ),
    Row(
        "alpine with build dependencies",
        "FROM python:3.12-alpine\nCOPY requirements.txt /\nRUN apk add --no-cache --virtual .build gcc musl-dev"
        " && pip install -r /requirements.txt && apk del .build\n" + CMD,
        ["pip --requirement /requirements.txt"],
        ["3: RUN apk add --no-cache --virtual .build gcc musl-dev; apk del .build"],
    ),
    Row(
        "a heredoc",
        APP + "COPY . .\nRUN <<EOF\nset -e\napt-get update\napt-get install -y libpq-dev\n"
        "pip install -r requirements.txt\nEOF\n" + CMD,
        REQUIREMENTS,
        [f"4: {APT}"],
    ),
    Row(
        "a pipe and a redirection",
        APP + "RUN curl -fsSL https://deb.example/key | gpg --dearmor > /key\n"
        "RUN pip install flask 2>&1 | tee /log\n" + CMD,
        ["pip flask"],
        ["3: RUN curl -fsSL https://deb.example/key; gpg --dearmor", "4: RUN tee /log"],
    ),
    Row(
        "node in the same image",
        APP
        + "COPY . .\nRUN npm ci && npm run build\nRUN make static\nRUN pip install -r requirements.txt\n"
        + CMD,
        REQUIREMENTS,
        ["4: RUN npm ci; npm run build", "5: RUN make static"],
    ),
    Row(
        "a stage for the assets",
        "FROM node:22-slim AS assets\nWORKDIR /build\nCOPY package.json assets/ ./\nRUN npm ci && npm run build\n"
        + APP
        + "COPY requirements.txt .\nRUN pip install -r requirements.txt\n"
        "COPY --from=assets /build/dist app/static/dist\nCOPY . .\n" + CMD,
        REQUIREMENTS,
        ["4: RUN npm ci; npm run build"],
    ),
    Row(
        "a venv that is copied",
        "FROM python:3.13 AS build\nRUN python -m venv /opt/venv\nENV PATH=/opt/venv/bin:$PATH\n"
        "COPY requirements.txt .\nRUN pip install -r requirements.txt\n"
        "FROM python:3.13-slim\nCOPY --from=build /opt/venv /opt/venv\n" + CMD,
        ["pip --requirement /requirements.txt"],
    ),
    Row(
        "wheels that are built first",
        "FROM python:3.13 AS builder\nWORKDIR /src\nCOPY requirements.txt .\n"
        "RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels -r requirements.txt\n"
        + APP
        + "COPY --from=builder /wheels /wheels\nRUN pip install --no-cache /wheels/*\nCOPY . .\n"
        + CMD,
        ["pip --no-deps --requirement /src/requirements.txt", "pip /wheels/*"],
    ),
    Row(
        "wheels of the context and constraints",
        APP
        + "COPY . .\nRUN pip install --no-index --find-links=wheels -c requirements/prod.txt one\n"
        + CMD,
        ["pip --no-index --find-links /app/wheels --constraint /app/requirements/prod.txt one"],
    ),
    Row(
        "the project itself with an extra",
        APP + "COPY . .\nRUN pip install '.[web]'\nRUN pip install -e .\n" + CMD,
        ["pip /app[web]", "pip --editable /app"],
    ),
    Row("setup.py", APP + "COPY . .\nRUN python setup.py develop\n" + CMD, ["pip --editable /app"]),
    Row(
        "uv sync",
        "FROM ghcr.io/astral-sh/uv:python3.13-bookworm-slim\nWORKDIR /app\nCOPY pyproject.toml uv.lock ./\n"
        "RUN --mount=type=cache,target=/root/.cache/uv uv sync --frozen --no-dev --no-install-project\n"
        "COPY . .\nRUN uv sync --frozen --no-dev\n" + CMD,
        ["uv sync --frozen --no-dev --no-install-project", "uv sync --frozen --no-dev"],
    ),
    Row(
        "uv copied from its image, with mounts",
        APP + "COPY --from=ghcr.io/astral-sh/uv:0.8 /uv /uvx /bin/\n"
        "RUN --mount=type=bind,source=uv.lock,target=uv.lock \\\n"
        "    --mount=type=bind,source=pyproject.toml,target=pyproject.toml uv sync --locked\n"
        'COPY . .\nCMD ["uv", "run", "gunicorn", "wsgi:app"]\n',
        ["uv sync --locked"],
        command="uv run gunicorn wsgi:app",
    ),
    Row(
        "uv pip",
        APP
        + "RUN pip install uv\nCOPY requirements.txt .\nRUN uv pip install --system --no-cache -r requirements.txt\n"
        "RUN uv pip sync --system requirements.txt\n" + CMD,
        REQUIREMENTS * 2,
    ),
    Row(
        "a script of the image that installs",
        APP + "COPY . .\nRUN chmod 0755 bin/* && bin/install\n" + CMD,
        ["uv sync --frozen"],
        [],
        ["chmod 0755 bin/*"],
    ),
    Row(
        "poetry",
        APP + "RUN pip install poetry==1.8\nRUN poetry config virtualenvs.create false\nCOPY . .\n"
        "RUN poetry install --only main --no-interaction --no-root\n" + CMD,
        ["poetry install --only main --no-interaction --no-root"],
    ),
    Row(
        "poetry by its installer, for another stage",
        "FROM python:3.13 AS requirements\nWORKDIR /tmp\nRUN curl -sSL https://install.example | python3 -\n"
        "COPY pyproject.toml poetry.lock ./\n"
        "RUN poetry export -f requirements.txt --output requirements.txt --without-hashes\n"
        + APP
        + "COPY --from=requirements /tmp/requirements.txt /app/requirements.txt\n"
        "RUN pip install -r /app/requirements.txt\nCOPY . .\n" + CMD,
        ["poetry export -f requirements.txt --output requirements.txt --without-hashes"],
        ["3: RUN curl -sSL https://install.example; python3 -"],
    ),
    Row(
        "pipenv",
        APP
        + "RUN pip install pipenv\nCOPY Pipfile Pipfile.lock ./\nRUN pipenv install --system --deploy\n"
        + CMD,
        ["pipenv install --system --deploy"],
    ),
    Row(
        "django with statics",
        APP + "COPY . .\nRUN pip install -r requirements.txt\n"
        "RUN SECRET_KEY=none python manage.py collectstatic --noinput\n" + CMD,
        REQUIREMENTS,
        [],
        ["python manage.py collectstatic --noinput"],
    ),
    Row(
        "packages for development by an argument",
        APP
        + "ARG DEV=false\nCOPY . .\nRUN python -m venv /py && /py/bin/pip install -r requirements.txt && \\\n"
        '    if [ "$DEV" = "true" ]; then /py/bin/pip install -r requirements/dev.txt; fi && adduser -D app\n'
        + CMD,
        REQUIREMENTS,
    ),
    Row(
        "a condition that is not known",
        APP
        + "COPY . .\nRUN if [ -f requirements.txt ]; then pip install -r requirements.txt; fi\n"
        + CMD,
        REQUIREMENTS,
        ["4: run here although its condition is not known: pip install -r requirements.txt"],
    ),
    Row(
        "an entry point script",
        APP + "COPY . .\nRUN pip install -r requirements.txt\nRUN chmod a+x boot.sh\n"
        'EXPOSE 5000\nENTRYPOINT ["./boot.sh"]\n',
        REQUIREMENTS,
        [],
        ["chmod a+x boot.sh"],
        "./boot.sh",
    ),
    Row(
        "a shell of its own",
        APP + 'SHELL ["/bin/bash", "-o", "pipefail", "-c"]\nSTOPSIGNAL SIGINT\nONBUILD COPY . /x\n'
        "RUN bash -lc 'pip install flask'\nCMD gunicorn wsgi:app\n",
        ["pip flask"],
        ["5: ONBUILD COPY . /x"],
        command="/bin/bash -o pipefail -c gunicorn wsgi:app",
    ),
    Row(
        "files from elsewhere",
        APP
        + "ADD requirements.txt .\nADD https://example.com/roots.pem /srv/\nADD site.tar.gz /srv\n"
        "COPY --from=nginx:1 /etc/nginx /etc/nginx\nCOPY --link --chown=1:1 --chmod=755 boot.sh /usr/local/bin/\n"
        "RUN cd /app && pip install -r requirements.txt\n" + CMD,
        REQUIREMENTS,
        [
            "4: ADD https://example.com/roots.pem",
            "5: ADD site.tar.gz",
            "6: COPY --from=nginx:1 /etc/nginx /etc/nginx",
        ],
    ),
    Row(
        "versions before FROM, and a supervisor",
        "ARG PYTHON=3.13\nARG NODE=22\nFROM node:${NODE}-slim AS node\nFROM python:${PYTHON}-slim AS builder\n"
        "WORKDIR /app\nCOPY --from=node /usr/local/bin/ /usr/local/bin/\nRUN true\nCOPY requirements requirements\n"
        "RUN pip install --no-cache -r requirements/prod.txt\nCOPY package.json ./\nRUN npm install\n"
        "COPY app app\nRUN npm run build\nFROM builder AS development\nRUN pip install -r requirements/dev.txt\n"
        "FROM python:${PYTHON}-slim as production\nWORKDIR /app\nRUN useradd -m sid && chown -R sid /app\nUSER sid\n"
        "COPY --from=builder --chown=sid:sid /app/app/static /app/app/static\nCOPY requirements requirements\n"
        "RUN pip install --no-cache --user -r requirements/prod.txt\nCOPY supervisord.conf /etc/supervisor/\n"
        'COPY . .\nENTRYPOINT ["/bin/sh", "boot.sh"]\nCMD ["-c", "/etc/supervisor/supervisord.conf"]\n',
        ["pip --requirement /app/requirements/prod.txt"] * 2,
        [
            "11: RUN npm install",
            "13: RUN npm run build",
            "22: pip install --user: the packages are in a home folder, and on AWS a task with another user does not "
            "find them; leave --user out",
        ],
        command="/bin/sh boot.sh -c /etc/supervisor/supervisord.conf",
    ),
    Row(
        "changes of the image's files",
        APP
        + "COPY . .\nCOPY boot.sh /entrypoint\nRUN sed -i 's/\\r$//g' /entrypoint && chmod +x /entrypoint\n"
        "RUN cp -r app /srv/copy && mv wsgi.py main.py && ln -s /app/manage.py /usr/local/bin/manage\n"
        + CMD,
        [],
        [],
        [
            "sed -i s/\\r$//g /entrypoint",
            "chmod +x /entrypoint",
            "cp -r app /srv/copy",
            "mv wsgi.py main.py",
            "ln -s /app/manage.py /usr/local/bin/manage",
        ],
    ),
    Row(
        "changes of what is not the image's own",
        APP
        + "COPY . .\nRUN cp /etc/hosts . && ln -sf /dev/stdout log && mv ../x y && cp --backup wsgi.py x\n"
        "RUN sed 's/a/b/' wsgi.py; ln wsgi.py x; cp ../../etc/passwd .; sed -i s/a/b/ /etc/apt/sources.list\n"
        + CMD,
        [],
        [
            "4: RUN cp /etc/hosts .; ln -sf /dev/stdout log; mv ../x y; cp --backup wsgi.py x",
            "5: RUN sed s/a/b/ wsgi.py; ln wsgi.py x; cp ../../etc/passwd .; sed -i s/a/b/ /etc/apt/sources.list",
        ],
    ),
    Row(
        "what a program makes in a stage of which files are copied",
        APP.replace("slim\n", "slim AS build\n")
        + "COPY . .\nRUN python manage.py collectstatic\nRUN cp wsgi.py x\n"
        "RUN chmod +x boot.sh\n" + APP + "COPY --from=build /app /app\n" + CMD,
        [],
        ["4: RUN python manage.py collectstatic", "5: RUN cp wsgi.py x"],
    ),
    Row(
        "a stage that is not needed",
        APP.replace("slim\n", "slim AS base\n")
        + "RUN pip install flask\nFROM base AS test\nRUN pip install -r none.txt\n"
        "FROM base\n" + CMD,
        ["pip flask"],
    ),
]


@pytest.mark.parametrize("row", READ, ids=lambda row: row.name)
def test_it_is_read_and_what_is_left_out_is_said(context, row):
    stage = read(context, row.text)
    assert (
        installs(stage),
        left_out(stage),
        programs(stage),
        " ".join(stage.entry_point + stage.command),
    ) == (row.installs, row.left_out, row.programs, row.command)


REFUSED = {
    "another base": (
        "FROM node:22\nCMD x",
        [
            "1: FROM node:22: without Docker the base image of the last stage must be named python; "
            "a Docker engine runs any (--tasks docker)"
        ],
    ),
    "a base misspelt": ("FROM pyhton:3.13\nCMD x", ["1: FROM pyhton:3.13: * did you mean python?"]),
    "a stage misspelt": (
        "FROM python AS build\nRUN true\nFROM python\nCOPY --from=biuld /a /a\nCMD x",
        ["4: COPY /a /a: no earlier stage is named biuld; did you mean build?"],
    ),
    "a version that was not given": (
        "ARG V=${V:-NOT_SET}\nFROM python:${V}-slim-x\nCMD x",
        ["2: FROM python:${V}-slim-x: *"],
    ),
    "instructions misspelt": (
        "FORM python\nFROM python\nCOPPY . .\nRNU x\nCMD x",
        [
            "1: FORM python: a Dockerfile has no instruction FORM; did you mean FROM?",
            "3: COPPY . .: a Dockerfile has no instruction COPPY; did you mean COPY?",
            "4: RNU x: a Dockerfile has no instruction RNU; did you mean RUN?",
        ],
    ),
    "a flag misspelt": (
        "FROM python\nCOPY --form=x . .\nCMD x",
        ["2: COPY . .: COPY has no flag --form; did you mean --from?"],
    ),
    "AS misspelt": (
        "FROM python SA x\nCMD x",
        ["1: FROM python SA x: FROM takes an image, or IMAGE AS NAME*"],
    ),
    "pip misspelt": (
        "FROM python\nCOPY . .\nRUN pip instal -r requirements.txt\nRUN pip install --requirment x\nCMD x",
        [
            "3: RUN pip instal -r requirements.txt: pip has no command instal; did you mean install?",
            "4: RUN pip install --requirment x: --requirment: * did you mean --requirement?",
        ],
    ),
    "a program misspelt": (
        "FROM python\nRUN apt-gte update && pyhton -m pip install flask\nCMD x",
        [
            "2: RUN apt-gte update && *: there is no command apt-gte; did you mean apt-get?",
            "2: RUN apt-gte update && *: there is no command pyhton; did you mean python?",
        ],
    ),
    "a file misspelt": (
        "FROM python\nCOPY requirments.txt /\nRUN pip install -r /requirements.txt\nCMD x",
        [
            "2: COPY requirments.txt: no such file in site/ (or .dockerignore hides it); "
            "did you mean requirements.txt?",
            "3: /requirements.txt is not copied into the image before this line",
        ],
    ),
    "requirements that are copied later": (
        "FROM python\nRUN pip install -r requirements.txt\nCOPY requirements.txt /\nCMD x",
        ["2: /requirements.txt is not copied into the image before this line"],
    ),
    "a file that .dockerignore hides": (
        "FROM python\nCOPY debug.log /\nCMD x",
        ["2: COPY debug.log: no such file in site/ (or .dockerignore hides it)"],
    ),
    "no pyproject.toml": (
        "FROM python\nWORKDIR /srv\nCOPY uv.lock .\nRUN uv sync\nCMD x",
        ["4: uv needs /srv/pyproject.toml, which is not copied into the image before this line"],
    ),
    "packages that depend on a command": (
        "FROM python\nRUN pip install $(cat names)\nCMD x",
        [
            "2: RUN pip install $(cat names): $(cat names): this option or package of pip is not understood"
        ],
    ),
    "another installer": (
        "FROM python\nRUN pdm install --prod\nCMD x",
        ["2: RUN pdm install --prod: packages that pdm installs are not known without Docker"],
    ),
    "quotes": (
        "FROM python\nRUN pip install 'flask\nENV A='b\nCMD ['gunicorn']",
        [
            "2: RUN pip install 'flask: the shell command has a ' without its partner",
            "3: ENV A='b: it has a quotation mark without its partner, or no valid JSON",
            "4: CMD ['gunicorn']: it is no valid JSON, so Docker runs it in a shell; write *",
        ],
    ),
    "arguments missing": (
        "FROM python\nWORKDIR\nCOPY x\nENV A\nCMD x",
        [
            "2: WORKDIR: it needs an argument",
            "3: COPY x: it needs a source and a destination",
            "4: ENV A: it needs a name and a value: NAME=VALUE",
        ],
    ),
    "no FROM": ("WORKDIR /app\n", ["1: WORKDIR /app: the first instruction must be FROM"]),
}


@pytest.mark.parametrize(("text", "problems"), REFUSED.values(), ids=list(REFUSED))
def test_it_is_refused_with_every_problem_its_line_and_the_spelling_that_was_meant(
    context, text, problems
):
    with pytest.raises(DockerfileError) as refused:
        read(context, text)
    said = str(refused.value).splitlines()
    assert [each.removeprefix("site/Dockerfile:") for each in said] == [
        _like(one, said) for one in problems
    ]


def _like(expected, said):
    """The line that is like the expected one, in which * stands for any text; otherwise that one."""
    pattern = re.escape(f"site/Dockerfile:{expected}").replace(r"\*", ".*")
    found = [each for each in said if re.fullmatch(pattern, each)]
    return found[0].removeprefix("site/Dockerfile:") if found else expected


@pytest.mark.parametrize("text", ["", "FROM python\nRUN true\n"])
def test_a_dockerfile_without_stages_or_without_a_command_is_refused(context, text):
    with pytest.raises(DockerfileError, match=r"site/Dockerfile: the (first|stage)"):
        read(context, text)


@pytest.mark.parametrize(
    ("install", "programs"),
    [
        ("apt-get install -y libpq-dev", set()),
        ("apt-get install -y --no-install-recommends postgresql-client", {"psql", "pg_isready"}),
        ("apt-get install -y postgresql-client-17", {"psql", "pg_isready"}),
        ("apk add --no-cache postgresql17-client", {"psql", "pg_isready"}),
        ("apk add netcat-openbsd", {"nc"}),
        ("apt-get install -y postgresql-common", set()),
        ("apk add postgresql-client && psql -f x && apk del postgresql-client", set()),
        ("apt-get install -y netcat-openbsd\nRUN apt-get purge -y netcat-openbsd", set()),
    ],
)
def test_programs_that_wait_for_the_database_are_there_if_they_are_installed(
    context, install, programs
):
    stage = read(context, f"FROM python\nRUN {install}\n{CMD}")
    assert stage.system & {"psql", "pg_isready", "nc"} == programs


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


def test_a_typo_is_not_answered_with_a_docker_engine(context):
    with pytest.raises(DockerfileError) as refused:
        read(context, "FROM python\nCOPPY . .\nRUN pip instal x\nCMD x")
    assert "engine" not in str(refused.value)


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
        "GREETING": "hello there",
        "NONE": "nobody",
    }
    assert (stage.volumes, stage.stop_signal) == (("/tmp",), "SIGQUIT")  # noqa: S108
    lay_out(context, stage.copies, tmp_path)
    assert {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()} == {
        *("srv/__init__.py", "srv/static/site.css", "srv/run.py", "srv/boot.sh", "srv/made.txt")
    }
    assert (tmp_path / "srv/made.txt").read_text() == "made here\n"


@pytest.mark.parametrize(
    ("lines", "entry_point", "command"),
    [
        (['ENTRYPOINT ["gunicorn"]', 'CMD ["app"]'], ("gunicorn",), ("app",)),
        (['CMD ["app"]', 'ENTRYPOINT ["gunicorn"]'], ("gunicorn",), ("app",)),
        (["ENTRYPOINT gunicorn", 'CMD ["app"]'], ("/bin/sh", "-c", "gunicorn"), ("app",)),
        (['CMD ["a"]', "FROM base", 'ENTRYPOINT ["gunicorn"]'], ("gunicorn",), ()),
        (['ENTRYPOINT ["gunicorn"]', "FROM base", 'CMD ["app"]'], ("gunicorn",), ("app",)),
    ],
)
def test_the_entry_point_and_the_command_of_an_image(context, lines, entry_point, command):
    stage = read(context, "\n".join(["FROM python AS base", *lines]))
    assert (stage.entry_point, stage.command) == (entry_point, command)


def test_arguments_are_those_given_those_of_the_stage_or_those_before_from(context):
    text = "ARG A=/a\nFROM python\nARG A\nARG B=/b\nWORKDIR ${A}${B}\nCMD x\n"
    assert read(context, text).workdir == PurePosixPath("/a/b")
    assert read(context, text, B="/c").workdir == PurePosixPath("/a/c")
    assert read(context, text.replace("ARG A\n", "", 1)).workdir == PurePosixPath("/b")


def test_a_venv_is_where_the_last_stage_has_it(context):
    stage = read(
        context,
        "FROM python AS build\nWORKDIR /src\nCOPY . .\nRUN uv sync\nRUN uv venv /opt/two\n"
        "FROM python\nCOPY --from=build /src/.venv /app/.venv\nCMD x",
    )
    assert stage.venvs == (PurePosixPath("/app/.venv"),)


def test_requirements_are_those_that_were_copied_or_mounted(context):
    for before, flag in (
        ("COPY requirements/ /srv/", ""),
        ("", "--mount=type=bind,source=requirements,target=/srv "),
    ):
        text = f"FROM python\nWORKDIR /srv\n{before}\nRUN {flag}pip install -r dev.txt\nCMD x"
        [install] = read(context, text).installs
        [step] = packages.steps(context, install)
        assert step.words == ("--requirement", str(context / "requirements/dev.txt"))
        assert step.folder is None


@pytest.mark.parametrize(
    ("flag", "again"), [("", True), ("--no-deps ", False), ("--no-index ", False)]
)
def test_wheels_that_are_installed_bring_their_dependencies_as_far_as_pip_looks_for_them(
    context, flag, again
):
    stage = read(
        context,
        "FROM python AS build\nCOPY requirements.txt .\nRUN pip wheel --no-deps -w /wheels -r requirements.txt\n"
        f"FROM python\nCOPY --from=build /wheels /wheels\nRUN pip install {flag}/wheels/*\nCMD x",
    )
    file = ("--requirement", str(context / "requirements.txt"))
    words = [each.words for each in packages.all_steps(context, stage.installs)]
    assert words == [("--no-deps", *file), *([file] if again else [])]


@pytest.mark.parametrize(
    "folder", ["webapp", "examples/flaskr", "examples/django", "examples/cookiecutter"]
)
def test_the_apps_that_come_with_the_project_are_read_without_a_problem(folder):
    stage = dockerfile.read(ROOT / folder / "Dockerfile", {})
    assert placed(ROOT / folder, stage.copies)
    assert stage.installs
    assert (folder == "examples/cookiecutter") == bool(stage.notices)
