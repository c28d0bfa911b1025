"""The pictures of docs/examples/flaskr, in a bucket in memory; packages/careapp/tests/rehearsal runs them in a task."""

import io
import re

import boto3
import pytest
from moto import mock_aws

from careapp import ROOT

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(100)


@pytest.fixture
def client(monkeypatch):
    given = {"SECRET_KEY": "x", "GREETING": "hello", "UPLOADS_BUCKET": "the-uploads"}
    keys = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "test")
    for name, value in (given | keys | {"AWS_DEFAULT_REGION": "ap-northeast-1"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "examples" / "flaskr"))
    import flaskr
    from flaskr import pictures

    pictures.s3.cache_clear()
    with mock_aws():
        place = {"LocationConstraint": "ap-northeast-1"}
        boto3.client("s3").create_bucket(Bucket="the-uploads", CreateBucketConfiguration=place)
        yield flaskr.create_app().test_client()


def post(client, content=PICTURE, kind="image/png"):
    picture = (io.BytesIO(content), "../../a.png", kind)
    return client.post("/pictures/", data={"picture": picture})


def test_a_picture_is_kept_shown_on_the_page_and_read_back(client):
    assert post(client).location == "/pictures/"
    [path] = re.findall(r'src="(/pictures/[\w-]+)"', client.get("/pictures/").text)
    shown = client.get(path)
    assert (shown.data, shown.mimetype) == (PICTURE, "image/png")
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    [kept] = boto3.client("s3").list_objects_v2(Bucket="the-uploads")["Contents"]
    assert re.fullmatch(r"pictures/[0-9a-f-]{36}", kept["Key"])


@pytest.mark.parametrize(
    ("content", "kind", "status"), [(PICTURE, "text/html", 415), (bytes(1001), "image/png", 413)]
)
def test_what_is_no_picture_or_too_large_is_refused_and_not_kept(
    client, monkeypatch, content, kind, status
):
    monkeypatch.setattr("flaskr.pictures.LARGEST", 1000)
    assert post(client, content, kind).status_code == status
    assert "Contents" not in boto3.client("s3").list_objects_v2(Bucket="the-uploads")
