"""What the doctor knows of the app in webapp/ and of other apps; the app's own settings agree."""

from urllib.parse import urlsplit

import pytest

from careapp.additions.target import target_of
from careapp.settings import sizes
from careapp.settings.image import APP_CONNECTIONS
from ecs_gate.diagnosis.log_lines import raised
from ecs_gate.parts import browser, page
from tests import stacks as a
from tests.doctor.variants.other_apps import settings
from webapp.db import SPARE_CONNECTIONS
from webapp.settings import VARIABLES


def test_pool_is_the_app_s():
    assert sizes.SPARE_CONNECTIONS == SPARE_CONNECTIONS
    assert VARIABLES["db_pool_size"][2] == APP_CONNECTIONS.default


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("/app/webapp/pages.py", "webapp/pages.py"),
        ("/app/flaskr/__init__.py", "/app/flaskr/__init__.py"),
        ("/srv/app.py", "/srv/app.py"),
        ("/srv/bin/serve", "/srv/bin/serve"),
        ("/usr/local/bin/gunicorn", None),  # what pip makes of a package's entry point
        ("/opt/venv/bin/gunicorn", None),
    ],
)
def test_a_file_of_another_app_is_named_as_in_its_image(file, named):
    trace = ["Traceback:", f'  File "{file}", line 7, in home', "KeyError: 'x'"]
    assert getattr(raised(trace, "webapp"), "file", None) == named


def test_the_database_s_health_is_asked_of_the_app_in_webapp_alone(monkeypatch):
    asked = []
    answer = browser.Response(status=200, ended_at="http://app.example/")
    monkeypatch.setattr(browser.Browser, "get", lambda _, url, __: asked.append(url) or answer)
    for declared in (a.choices(), settings()):
        page.page(a.balancer(), target_of(declared))
    assert [urlsplit(url).path for url in asked] == ["/", "/health/db", "/"]
