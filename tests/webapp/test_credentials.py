"""The login is looked up when it is refused: once in a burst, and never shown."""

import json
import threading
import time

import pytest

from tests.webapp.vault import REGION, Vault
from webapp.credentials import Credentials, Login, SecretsManager, SecretUnavailable

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


def test_the_given_login_is_used_without_a_look_up() -> None:
    source = Source(NEW)
    assert Credentials(OLD, source).current() == OLD
    assert source.asked == 0


def test_without_a_given_login_the_secret_is_the_source() -> None:
    source = Source(NEW)
    credentials = Credentials(None, source)
    assert [credentials.current() for _ in range(3)] == [NEW] * 3
    assert source.asked == 1


def test_a_burst_of_refusals_costs_one_look_up_and_all_get_its_result() -> None:
    source = Source(NEW, NEWEST)
    credentials = Credentials(OLD, source)
    found: list[Login | None] = []
    threads = [
        threading.Thread(target=lambda: found.append(credentials.replace(OLD))) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (found, source.asked) == ([NEW] * 20, 1)


def test_a_secret_that_is_not_rotated_yet_is_asked_for_again_a_second_later() -> None:
    clock, source = Clock(), Source(OLD, NEW)
    credentials = Credentials(OLD, source, clock=clock)
    assert [credentials.replace(OLD) for _ in range(5)] == [None] * 5
    assert source.asked == 1
    clock.now += 1.1
    assert credentials.replace(OLD) == NEW
    assert credentials.current() == NEW


def test_a_failed_look_up_is_not_repeated_in_the_same_burst() -> None:
    clock, source = Clock(), Source(SecretUnavailable("denied"), NEW)
    credentials = Credentials(None, source, clock=clock)
    with pytest.raises(SecretUnavailable, match="denied"):
        credentials.current()
    with pytest.raises(SecretUnavailable, match="a moment ago"):
        credentials.current()
    assert source.asked == 1
    clock.now += 1.1
    assert credentials.current() == NEW


def test_where_there_is_no_secret_a_refusal_stays_one() -> None:
    assert Credentials(OLD, None).replace(OLD) is None


def test_rds_s_secret_is_read(vault: Vault) -> None:
    arn = vault.store(json.dumps({"username": "postgres", "password": 'p"w'}))
    assert SecretsManager(arn)() == Login("postgres", 'p"w')


@pytest.mark.parametrize("text", ["no json, s3cret", '{"password": "s3cret"}', '["s3cret"]'])
def test_a_secret_of_another_shape_is_refused_without_showing_it(vault: Vault, text: str) -> None:
    arn = vault.store(text)
    with pytest.raises(SecretUnavailable) as caught:
        SecretsManager(arn)()
    assert str(caught.value) == f"{arn} does not hold username and password"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.usefixtures("vault")
def test_a_missing_secret_is_named() -> None:
    arn = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:gone"
    with pytest.raises(SecretUnavailable, match=rf"cannot read {arn}: .*ResourceNotFound"):
        SecretsManager(arn)()


def test_a_secrets_manager_that_is_silent_costs_a_few_seconds_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    began = time.monotonic()
    with pytest.raises(SecretUnavailable, match="cannot read"):
        SecretsManager(f"arn:aws:secretsmanager:{REGION}:123456789012:secret:x")()
    assert time.monotonic() - began < 5


def test_a_login_does_not_show_its_password() -> None:
    assert repr(OLD) == "Login(user='app')"
