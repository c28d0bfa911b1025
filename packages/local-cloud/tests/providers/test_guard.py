"""Who may call the AWS API: no web page, no client without a key that this local cloud gave."""

import http.client
import json
import re
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_cloud.aws import hooks
from local_cloud.cloud.api import HEALTH, PUBLIC_KEYS
from tests.providers.conftest import REGION, document, unique

CREATE = b"Action=CreateVpc&CidrBlock=10.0.0.0/16&Version=2016-11-15"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TARGET = {
    "X-Amz-Target": "secretsmanager.ListSecrets",
    "Content-Type": "application/x-amz-json-1.1",
}


@pytest.fixture
def ask(calls):
    """Sends a request as it is; returns the answer's status, body and headers."""

    def ask(method, target, body=None, headers=()):
        address = urlsplit(calls.access.endpoint)
        line = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
        line.request(method, target, body, dict(headers))
        answer = line.getresponse()
        text = answer.read().decode()
        line.close()
        return answer.status, text, dict(answer.getheaders())

    return ask


def signed(calls, service, operation, **params):
    """Return the method, target, body and headers of a call that its owner's key has signed."""
    client, seen = calls.client(service), []
    name = f"before-send.{client.meta.service_model.service_id.hyphenize()}"
    client.meta.events.register(name, lambda request, **_: seen.append(request))
    try:
        getattr(client, operation)(**params)
    finally:
        client.meta.events.unregister(name)
    headers = {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in seen[0].headers.items()
    }
    target = seen[0].url.removeprefix(calls.access.endpoint)
    return seen[0].method, target, seen[0].body, headers


OURS = "the local cloud answers its own clients only"


@pytest.mark.parametrize(
    ("method", "target", "body", "headers", "says"),
    [
        ("POST", "/", CREATE, FORM, "MissingAuthenticationToken"),
        ("GET", f"/?{CREATE.decode()}", None, {}, "MissingAuthenticationToken"),
        ("POST", "/", b"{}", TARGET, "MissingAuthenticationToken"),
        ("PUT", "/a-page-s-bucket", b"", {}, "MissingAuthenticationToken"),
        ("POST", "/moto-api/reset", b"", {}, OURS),
        ("GET", "/moto-api/data.json", None, {}, OURS),
        ("GET", f"{PUBLIC_KEYS}x", None, {"Origin": "https://page.example"}, OURS),
        ("GET", f"{PUBLIC_KEYS}x", None, {"Origin": "null"}, OURS),
        ("GET", HEALTH[0], None, {"Host": "rebound.example"}, OURS),
        ("GET", f"{PUBLIC_KEYS}x", None, {"Host": "rebound.example"}, OURS),
        ("GET", f"{PUBLIC_KEYS}x", None, {"Host": ""}, OURS),
        ("OPTIONS", "/", None, {"Origin": "https://page.example"}, OURS),
        ("OPTIONS", "/", None, {"Access-Control-Request-Method": "POST"}, "MissingAuth"),
    ],
)
def test_a_page_s_request_is_refused_and_changes_nothing(
    ask, aws, method, target, body, headers, says
):
    before = len(aws.ec2.describe_vpcs()), aws.s3.list_buckets()["Buckets"]
    status, text, answered = ask(method, target, body, headers)
    assert (status, says in text) == (403, True), text
    assert not [name for name in answered if name.lower().startswith("access-control-")]
    assert (len(aws.ec2.describe_vpcs()), aws.s3.list_buckets()["Buckets"]) == before


@pytest.mark.parametrize("path", HEALTH)
def test_whoever_waits_for_the_api_needs_no_key(ask, path):
    status, text, _ = ask("GET", path)
    assert (status, json.loads(text)["services"]["ecs"]) == (200, "running")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 200),
        ({"Origin": "https://page.example"}, 403),
        ({"Host": "rebound.example"}, 403),
        ({"X-Amz-Date": "20200101T000000Z"}, 403),
        ({"X-Amz-Target": "secretsmanager.GetRandomPassword"}, 403),
    ],
)
def test_a_signed_request_is_the_one_that_was_signed(calls, ask, change, status):
    method, target, body, headers = signed(calls, "secretsmanager", "list_secrets")
    found, _, answered = ask(method, target, body, headers | change)
    assert found == status
    assert "Access-Control-Allow-Origin" not in answered


REFUSED = {
    "ec2": ("describe_vpcs", 401, "AuthFailure", "AuthFailure"),
    "iam": ("list_roles", 403, "InvalidClientTokenId", "SignatureDoesNotMatch"),
    "ecs": ("list_clusters", 403, "UnrecognizedClientException", "InvalidSignatureException"),
    "s3": ("list_buckets", 403, "InvalidAccessKeyId", "SignatureDoesNotMatch"),
}
"""Of each protocol a call, and how AWS refuses an unknown key and a wrong secret."""


@pytest.mark.parametrize("service", REFUSED)
def test_another_key_is_refused_as_aws_refuses_it(calls, service):
    call, status, unknown, wrong = REFUSED[service]
    known = calls.access.key_id
    for keys, code in ((("rehearsal", "rehearsal"), unknown), ((known, "rehearsal"), wrong)):
        with pytest.raises(ClientError) as refused:
            getattr(client(calls, service, keys), call)()
        answer = refused.value.response
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
        assert answer["Error"]["Code"] == code


def client(calls, service, keys):
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    return boto3.client(
        service,
        REGION,
        endpoint_url=calls.access.endpoint,
        config=Config(retries={"total_max_attempts": 1}),
        **dict(zip(names, keys, strict=False)),
    )


def test_keys_of_users_and_of_assumed_roles_sign(calls, aws):
    user, trust = (
        unique("user"),
        document({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}),
    )
    aws.iam.create_user(UserName=user)
    key = aws.iam.create_access_key(UserName=user)
    keys = (key["AccessKeyId"], key["SecretAccessKey"])
    assert client(calls, "sts", keys).get_caller_identity()["Arn"].endswith(user)
    role = aws.iam.create_role(RoleName=unique("role"), AssumeRolePolicyDocument=trust)
    given = aws.sts.assume_role(RoleArn=role["Arn"], RoleSessionName="session")["Credentials"]
    keys = tuple(given[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"))
    assert ":assumed-role/" in client(calls, "sts", keys).get_caller_identity()["Arn"]
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        client(calls, "sts", keys[:2]).get_caller_identity()


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_a_presigned_url_is_good_for_what_was_signed(calls, aws, ask, version):
    bucket, key = unique("presigned"), "a b/ü+*~.txt"
    place = {"LocationConstraint": REGION}
    aws.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
    aws.s3.put_object(Bucket=bucket, Key=key, Body=b"text")
    s3 = boto3.client(
        "s3",
        REGION,
        endpoint_url=calls.access.endpoint,
        aws_access_key_id=calls.access.key_id,
        aws_secret_access_key=calls.access.secret,
        config=Config(signature_version=version),
    )
    asked = {"Bucket": bucket, "Key": key, "ResponseContentType": "text/plain; charset=utf-8"}
    url = s3.generate_presigned_url("get_object", Params=asked)
    target = url.removeprefix(calls.access.endpoint)
    assert ask("GET", target)[:2] == (200, "text")
    for method, other in (
        ("DELETE", target),
        ("GET", target.replace(bucket, f"{bucket}x", 1)),
        ("GET", re.sub("(Expires=)", r"\g<1>9", target)),
    ):
        status, text, _ = ask(method, other)
        assert (status, "<Code>SignatureDoesNotMatch</Code>" in text) == (403, True)


def test_the_owner_s_key_is_another_one_in_each_local_cloud(calls):
    assert re.fullmatch("AKIA[A-Z]{16}", calls.access.key_id)
    assert hooks.registry.keys[calls.access.key_id].secret_key == calls.access.secret
