"""What AWS refuses, service by service, in its words; and the defaults that it describes."""

import socket
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError
from moto.core.utils import get_service_model
from moto.s3.models import S3Backend

from local_cloud.aws import forms, models
from local_cloud.aws.elb.login import SIGNER
from local_cloud.cloud.api import PUBLIC_KEYS
from local_cloud.providers.aws import KINDS
from tests.providers.conftest import recorded, refused
from tests.providers.test_stories import Story

REFUSED = recorded("refused")
GOOD = REFUSED.pop("good")


ROWS = [
    pytest.param(call, changes, code, words, id=name)
    for name, row in REFUSED.items()
    for (call, changes), (code, words) in [row.items()]
]


@pytest.mark.parametrize(("call", "changes", "code", "words"), [*ROWS, *recorded("drawn")])
def test_a_call_is_refused(request, aws, call, changes, code, words):
    service, operation = call.split()
    story = Story(request)
    params = story.filled(GOOD.get(operation, {}) | changes)
    refused(getattr(getattr(aws, service), operation), code, story.filled(words), **params)


@pytest.mark.parametrize("service", sorted({kind.service for kind in KINDS.values()}))
def test_every_pattern_of_the_models_can_be_read(service):
    model = get_service_model(service)
    rules = [model.shape_for(name).metadata for name in model.shape_names]
    for pattern in {rule["pattern"] for rule in rules if rule.get("pattern")}:
        assert models.compiled_pattern(pattern)


@pytest.mark.parametrize("row", forms.RELATIONS.strip().splitlines())
def test_a_relation_is_of_members_that_exist(row):
    """Of one that does not, no call would be refused."""
    shape, rule = row.split(": ")
    service, name = shape.split()
    assert {*rule.split()[::2]} <= {*get_service_model(service).shape_for(name).members}


def test_a_rule_that_aws_does_not_enforce_exists():
    for service, name in map(str.split, models.NOT_ENFORCED):
        rules = get_service_model(service).shape_for(name).metadata
        assert {"min", "max", "pattern", "enum"} & set(rules), (service, name)


@pytest.mark.parametrize("bug", [TimeoutError, ConnectionResetError])
def test_a_bug_that_looks_like_a_client_that_has_gone_is_answered(aws, monkeypatch, bug):
    """In S3, whose calls pass by the hooks. Without an answer an SDK sends the call, which was done, again."""

    def fail(*_, **__):
        raise bug("of the local cloud")

    monkeypatch.setattr(S3Backend, "list_buckets", fail)
    with pytest.raises(ClientError) as found:
        aws.s3.list_buckets()
    assert found.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


def test_an_answer_is_sent_with_its_head_and_a_100_at_once(calls):
    """Else an SDK that closes the connection after the head sends a call, which was done, again."""
    address = urlsplit(calls.access.endpoint)
    head = (
        f"POST {PUBLIC_KEYS}{SIGNER.kid} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port), timeout=10) as line:
        for _ in ("a call", "another on the same connection"):
            line.sendall(f"{head}a\r\n\r\n".encode())
            answer = line.recv(1 << 16)
            assert answer.startswith(b"HTTP/1.1 200 OK")
            assert answer.endswith(SIGNER.public_key)
    with socket.create_connection((address.hostname, address.port), timeout=10) as line:
        line.sendall(
            b"PUT /b/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
        )
        assert line.recv(1 << 16).startswith(b"HTTP/1.1 100 Continue")
