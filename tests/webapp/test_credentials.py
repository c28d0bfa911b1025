"""The database login, and the rotation of its password."""

import secrets
import socket
import time

import pytest

from tests.webapp.dependencies import REGION
from tests.webapp.serving import BACK, Watch, ask, at_once, comes_back, eventually
from webapp import logs
from webapp.credentials import Credentials, Login, SecretsManager, SecretUnavailable
from webapp.settings import Settings

OLD, NEW, NEWEST = Login("app", "old"), Login("app", "new"), Login("app", "newest")


class Source:
    """A secret that is looked up slowly, and counts that."""

    def __init__(self, *answers: Login | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self) -> Login:
        self.asked += 1
        time.sleep(0.05)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_without_a_given_login_the_secret_is_the_source():
    source = Source(NEW)
    assert Credentials(OLD, source).current() == OLD
    assert Credentials(OLD, None).replace(OLD) is None
    assert source.asked == 0
    credentials = Credentials(None, source)
    assert [credentials.current() for _ in range(3)] == [NEW] * 3
    assert source.asked == 1


def test_a_burst_of_refusals_costs_one_look_up_and_all_get_its_result():
    source = Source(NEW, NEWEST)
    credentials = Credentials(OLD, source)
    found = at_once(20, lambda: credentials.replace(OLD))
    assert (found, source.asked) == ([NEW] * 20, 1)


def test_a_secret_that_is_not_rotated_yet_is_asked_for_again_a_second_later():
    clock, source = Clock(), Source(OLD, NEW)
    credentials = Credentials(OLD, source, clock=clock)
    assert [credentials.replace(OLD) for _ in range(5)] == [None] * 5
    assert source.asked == 1
    clock.now += 1.1
    assert credentials.replace(OLD) == NEW
    assert credentials.current() == NEW


def test_a_failed_look_up_is_not_repeated_in_the_same_burst():
    clock, source = Clock(), Source(SecretUnavailable("denied"), NEW)
    credentials = Credentials(None, source, clock=clock)
    with pytest.raises(SecretUnavailable, match="denied"):
        credentials.current()
    with pytest.raises(SecretUnavailable, match="a moment ago"):
        credentials.current()
    assert source.asked == 1
    clock.now += 1.1
    assert credentials.current() == NEW


@pytest.mark.slow
@pytest.mark.parametrize("text", ["no json, s3cret", '{"password": "s3cret"}', '["s3cret"]'])
def test_a_secret_of_another_shape_is_refused_without_showing_it(vault, text):
    arn = vault.store(text)
    with pytest.raises(SecretUnavailable) as caught:
        SecretsManager(arn)()
    assert str(caught.value) == f"{arn} does not hold username and password"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.usefixtures("vault")
def test_a_missing_secret_is_named():
    arn = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:gone"
    with pytest.raises(SecretUnavailable, match=rf"cannot read {arn}: .*ResourceNotFound"):
        SecretsManager(arn)()


@pytest.mark.slow
def test_a_secrets_manager_that_is_silent_costs_a_few_seconds_at_most(vault, monkeypatch):
    began = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        with pytest.raises(SecretUnavailable, match=r"cannot read .*timeout"):
            SecretsManager(f"arn:aws:secretsmanager:{REGION}:123456789012:secret:x")()
    assert time.monotonic() - began < 8


def test_a_login_does_not_show_its_password():
    assert repr(OLD) == "Login(user='app')"


def test_the_password_of_either_source_is_hidden_from_the_log(variables, vault):
    Credentials.of(Settings.load(variables | {"DB_PASSWORD": "canary-given"}))
    SecretsManager(vault.store_login("canary-stored"))()
    assert logs.redact("canary-given canary-stored") == f"{logs.MASK} {logs.MASK}"


def test_the_secret_alone_is_enough(make_app, postgres, vault):
    comes_back(make_app(DB_PASSWORD="", DB_SECRET_ARN=vault.store_login(postgres.password)))


def test_a_wrong_password_without_a_secret_is_reported_and_not_shown(make_app, postgres, capfd):
    assert postgres.password
    app = make_app(DB_PASSWORD="canary-77d1", LOG_LEVEL="debug")
    out = ""

    def reported():
        nonlocal out
        out += capfd.readouterr().out
        return 'password authentication failed for user \\"postgres\\"' in out

    eventually(reported, BACK, "the log line")
    assert ask(app, "/")[0] == 503
    assert "canary" not in out + capfd.readouterr().out


def works(pages: Watch) -> bool:
    return [answer.status for answer in pages.answers[-20:]] == [200] * 20


@pytest.mark.slow
def test_a_server_s_password_is_rotated_under_load_without_a_restart(serve, postgres, vault):
    arn = vault.store_login(postgres.password)
    server = serve(DB_SECRET_ARN=arn, LOG_LEVEL="debug", **vault.variables)
    server.wait_for("/", 200)
    old = postgres.password
    with Watch(server, "/") as pages, Watch(server, "/health") as health:
        eventually(lambda: len(pages.answers) > 10, 10)
        new = f"new-{secrets.token_hex(8)}"
        # The secret first: between the two a new connection would be refused with any password.
        vault.rotate(arn, new)
        postgres.set_password(new)
        postgres.hang_up()
        seen = len(pages.answers)
        eventually(lambda: len(pages.answers) > seen + 30 and works(pages), 20, "pages")
    # A statement that the hang-up interrupts is lost; all others have waited for a new connection.
    assert pages.statuses() <= {200, 503}
    assert pages.errors == []
    assert (health.statuses(), health.errors) == ({200}, [])
    text = server.text()
    assert text.count("took the database login from Secrets Manager") == 1
    for secret in (old, postgres.password):
        assert secret not in text
        assert secret.replace("\\", "\\\\").replace('"', '\\"') not in text
