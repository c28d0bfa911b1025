"""What a task's calls need of its role: actions and resources, in S3 and in other services."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.backends import get_backend
from moto.core.utils import get_service_model

from tests.support.iam_policies import fits, forms
from tools.local_cloud.aws import hooks
from tools.local_cloud.aws.iam import NAMED, TaskRole, resources
from tools.local_cloud.aws.s3 import requests, rules
from tools.local_cloud.aws.s3.requests import Request
from tools.tests.local_cloud.dataplane.declarations import REGION, TRUST

BUCKET, OTHER = "held-uploads", "held-others"
KEY = "ASIAAAAAAAAAAAAAAAAA"
USER = "arn:aws:sts::123456789012:assumed-role/app/a-task"


@pytest.fixture(scope="module")
def owner(empty):
    """Calls of the stack's owner, which are not checked, and two buckets with an object each."""
    rules.install()
    empty.iam.create_role(RoleName="app", AssumeRolePolicyDocument=TRUST)
    s3 = empty.client("s3")
    for bucket in (BUCKET, OTHER):
        place = {"LocationConstraint": REGION}
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
        s3.put_object(Bucket=bucket, Key="app/one", Body=b"one")
        s3.put_object(Bucket=bucket, Key="secret/two", Body=b"two")
    yield empty
    get_backend("s3").clear()


@pytest.fixture
def allow(owner):
    """Gives the role statements of (actions, resources[, condition])."""

    def allow(*statements, effect="Allow"):
        listed = [
            {"Effect": effect, "Action": action, "Resource": resource, **more}
            for action, resource, *rest in statements
            for more in ([{"Condition": each} for each in rest] or [{}])
        ]
        document = json.dumps({"Version": "2012-10-17", "Statement": listed})
        owner.iam.put_role_policy(RoleName="app", PolicyName=effect, PolicyDocument=document)

    yield allow
    for name in owner.iam.list_role_policies(RoleName="app")["PolicyNames"]:
        owner.iam.delete_role_policy(RoleName="app", PolicyName=name)
    owner.client("s3").delete_bucket_policy(Bucket=BUCKET)


@pytest.fixture
def task(owner):
    hooks.registry.callers[KEY] = TaskRole("arn:aws:iam::123456789012:role/app", "a-task")

    def client(service):
        return boto3.client(
            service,
            endpoint_url=owner.endpoint,
            region_name=REGION,
            aws_access_key_id=KEY,
            aws_secret_access_key="test",
            aws_session_token="test",
            config=Config(retries={"max_attempts": 0}),
        )

    yield client
    del hooks.registry.callers[KEY]


def refused(call, **params):
    with pytest.raises(ClientError) as problem:
        call(**params)
    response = problem.value.response
    error = response["Error"]
    return response["ResponseMetadata"]["HTTPStatusCode"], error["Code"], error["Message"]


def no(action, resource):
    return (
        403,
        "AccessDenied",
        f'User: {USER} is not authorized to perform: {action} on resource: "{resource}" because no '
        f"identity-based policy allows the {action} action",
    )


def arn(bucket, key=""):
    return f"arn:aws:s3:::{bucket}{key and '/'}{key}"


S3_MODEL = get_service_model("s3")
OTHERS = {
    # of directory buckets and Object Lambda, whose actions are other services'
    *("CreateSession", "ListDirectoryBuckets", "RenameObject", "WriteGetObjectResponse"),
    # of browsers, which do not sign with a role
    *("PostObject", "BucketCORSPreflightCheck", "ObjectCORSPreflightCheck"),
}
"""Operations that a role's s3 actions do not decide."""
OPERATIONS = [
    each
    for each in sorted({*S3_MODEL.operation_names} - OTHERS)
    if "Annotation"
    not in each  # which the installed Service Authorization Reference does not have yet
]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_of_s3_is_recognized_and_needs_an_action_on_a_resource_that_it_knows(
    operation,
):
    model = S3_MODEL.operation_model(operation)
    path, _, query = model.http["requestUri"].partition("?")
    shape = model.input_shape
    placed = [shape.members[each].serialization for each in shape.required_members]
    more = [f"{each['name']}=1" for each in placed if each.get("location") == "querystring"]
    request = Request(
        method=model.http["method"],
        bucket="a-bucket" if "Bucket" in path else "",
        key="a/key" if "Key" in path else "",
        query="&".join([*([query] if query else []), *more]),
        headers={
            each["name"].lower(): "b/c" for each in placed if each.get("location") == "header"
        },
        body=b"<Delete><Object><Key>a/key</Key></Object></Delete>",
    )
    assert action_of(request.operation) == action_of(operation)
    needs = [*request.needs(), *request.deleted()]
    assert needs
    for action, resource in needs:
        assert resource == "*" if not forms(action) else fits_one(resource, action), action


def action_of(operation):
    return requests.ACTION_OF.get(operation, operation)


def fits_one(resource, action):
    """Whether a form of the action's resources has the same parts, by the reference."""
    kinds = {"/" in form.rpartition(":::")[2] for form in forms(action) if ":::" in form}
    return kinds == {"/" in resource}


@pytest.mark.parametrize("service", NAMED)
def test_the_resources_of_other_services_have_the_reference_s_form(service):
    asked = {
        "dynamodb": "GetItem",
        "kinesis": "PutRecord",
        "logs": "PutLogEvents",
        "sqs": "SendMessage",
        "ssm": "GetParameter",
    }[service]
    params = dict.fromkeys(NAMED[service], "a-name") | {"logStreamName": "a-stream"}
    for each in resources(service, params):
        assert any(fits(each, form) for form in forms(f"{service}:{asked}")), each


def test_without_a_permission_each_call_is_refused_with_s3_s_message(task):
    s3 = task("s3")
    for call, action, resource in (
        (s3.list_buckets, "s3:ListAllMyBuckets", "*"),
        (lambda: s3.list_objects_v2(Bucket=BUCKET), "s3:ListBucket", arn(BUCKET)),
        (
            lambda: s3.get_object(Bucket=BUCKET, Key="app/one"),
            "s3:GetObject",
            arn(BUCKET, "app/one"),
        ),
        (
            lambda: s3.put_object(Bucket=BUCKET, Key="x", Body=b""),
            "s3:PutObject",
            arn(BUCKET, "x"),
        ),
        (
            lambda: s3.create_multipart_upload(Bucket=BUCKET, Key="x"),
            "s3:PutObject",
            arn(BUCKET, "x"),
        ),
        (lambda: s3.delete_bucket(Bucket=BUCKET), "s3:DeleteBucket", arn(BUCKET)),
    ):
        assert refused(call) == no(action, resource)
    # A response to HEAD has no body.
    assert refused(s3.head_object, Bucket=BUCKET, Key="app/one")[:2] == (403, "403")


def test_the_bucket_and_prefix_of_the_role_are_the_task_s_and_no_other(task, allow):
    objects = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    prefix = {"StringLike": {"s3:prefix": "app/*"}}
    allow((objects, arn(BUCKET, "app/*")), ("s3:ListBucket", arn(BUCKET), prefix))
    s3 = task("s3")
    s3.put_object(Bucket=BUCKET, Key="app/three", Body=b"three")
    assert s3.get_object(Bucket=BUCKET, Key="app/three")["Body"].read() == b"three"
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix="app/")["KeyCount"] == 2
    s3.delete_object(Bucket=BUCKET, Key="app/three")
    for call, action, resource in (
        (
            lambda: s3.get_object(Bucket=BUCKET, Key="secret/two"),
            "s3:GetObject",
            arn(BUCKET, "secret/two"),
        ),
        (
            lambda: s3.get_object(Bucket=OTHER, Key="app/one"),
            "s3:GetObject",
            arn(OTHER, "app/one"),
        ),
        (lambda: s3.list_objects_v2(Bucket=BUCKET), "s3:ListBucket", arn(BUCKET)),
        (lambda: s3.list_objects_v2(Bucket=OTHER, Prefix="app/"), "s3:ListBucket", arn(OTHER)),
    ):
        assert refused(call) == no(action, resource)


def test_a_missing_object_is_said_to_be_missing_only_to_those_who_may_list(task, allow):
    read = ("s3:GetObject", arn(BUCKET, "*"))
    allow(read)
    missing = {"Bucket": BUCKET, "Key": "none"}
    assert refused(task("s3").get_object, **missing) == no("s3:ListBucket", arn(BUCKET))
    allow(read, ("s3:ListBucket", arn(BUCKET)))
    assert refused(task("s3").get_object, **missing)[:2] == (404, "NoSuchKey")


def test_a_copy_reads_its_source(task, allow):
    allow(("s3:PutObject", arn(BUCKET, "*")))
    copy = {"Bucket": BUCKET, "Key": "copy", "CopySource": f"{OTHER}/app/one"}
    assert refused(task("s3").copy_object, **copy) == no("s3:GetObject", arn(OTHER, "app/one"))
    allow(("s3:PutObject", arn(BUCKET, "*")), ("s3:GetObject", arn(OTHER, "app/*")))
    task("s3").copy_object(**copy)


def test_a_version_has_actions_of_its_own_and_a_tag_another_action(task, allow):
    allow((["s3:GetObject", "s3:PutObject"], arn(BUCKET, "*")))
    one = {"Bucket": BUCKET, "Key": "app/one"}
    wrong = refused(task("s3").get_object, **one, VersionId="null")
    assert wrong == no("s3:GetObjectVersion", arn(BUCKET, "app/one"))
    wrong = refused(task("s3").put_object, **one, Tagging="a=b")
    assert wrong == no("s3:PutObjectTagging", arn(BUCKET, "app/one"))


def test_of_several_keys_those_are_deleted_that_may_be(task, allow, owner):
    for key in ("app/four", "secret/five"):
        owner.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"")
    allow(("s3:DeleteObject", arn(BUCKET, "app/*")))
    keys = {"Objects": [{"Key": "app/four"}, {"Key": "secret/five"}]}
    answer = task("s3").delete_objects(Bucket=BUCKET, Delete=keys)
    assert [each["Key"] for each in answer["Deleted"]] == ["app/four"]
    assert [(each["Key"], each["Code"]) for each in answer["Errors"]] == [
        ("secret/five", "AccessDenied")
    ]
    owner.client("s3").head_object(Bucket=BUCKET, Key="secret/five")


def test_a_presigned_url_allows_what_its_signer_may(task, allow):
    url = task("s3").generate_presigned_url(
        "get_object", Params={"Bucket": BUCKET, "Key": "app/one"}
    )
    with pytest.raises(urllib.error.HTTPError) as problem:
        urllib.request.urlopen(url)
    assert problem.value.code == 403
    assert b"<Code>AccessDenied</Code>" in problem.value.read()
    allow(("s3:GetObject", arn(BUCKET, "app/*")))
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"one"


def bucket_policy(effect, principal, action="s3:GetObject"):
    statement = {
        "Effect": effect,
        "Principal": principal,
        "Action": action,
        "Resource": arn(BUCKET, "*"),
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


ROLE = "arn:aws:iam::123456789012:role/app"
ROOT = "arn:aws:iam::123456789012:root"


@pytest.mark.parametrize(
    ("effect", "principal", "allowed", "said"),
    [
        ("Allow", {"AWS": ROLE}, False, ""),
        ("Allow", {"AWS": [f"{ROLE}-another"]}, False, "because no identity-based policy allows"),
        ("Allow", {"AWS": ROOT}, False, "because no identity-based policy allows"),
        ("Deny", {"AWS": ROLE}, True, "with an explicit deny in a resource-based policy"),
        ("Deny", {"AWS": ROOT}, True, "with an explicit deny in a resource-based policy"),
    ],
)
def test_a_bucket_policy_allows_and_denies(task, allow, owner, effect, principal, allowed, said):
    if allowed:
        allow(("s3:GetObject", arn(BUCKET, "*")))
    policy = bucket_policy(effect, principal)
    owner.client("s3").put_bucket_policy(Bucket=BUCKET, Policy=policy)
    one = {"Bucket": BUCKET, "Key": "app/one"}
    if said:
        assert refused(task("s3").get_object, **one)[2].count(said) == 1
    else:
        assert task("s3").get_object(**one)["Body"].read() == b"one"


def test_an_explicit_deny_of_the_role_goes_before(task, allow):
    allow(("s3:*", "*"))
    allow(("s3:GetObject", arn(BUCKET, "secret/*")), effect="Deny")
    wrong = refused(task("s3").get_object, Bucket=BUCKET, Key="secret/two")[2]
    assert wrong.endswith("with an explicit deny in an identity-based policy")


def test_a_permissions_boundary_bounds_what_the_role_allows(task, allow, owner):
    allow(("s3:*", "*"))
    inside = {"Effect": "Allow", "Action": "s3:*", "Resource": arn(BUCKET, "app/*")}
    document = json.dumps({"Version": "2012-10-17", "Statement": [inside]})
    policy = owner.iam.create_policy(PolicyName="bound", PolicyDocument=document)["Policy"]["Arn"]
    owner.iam.put_role_permissions_boundary(RoleName="app", PermissionsBoundary=policy)
    try:
        task("s3").get_object(Bucket=BUCKET, Key="app/one")
        wrong = refused(task("s3").get_object, Bucket=BUCKET, Key="secret/two")[2]
        assert wrong.endswith("because no permissions boundary allows the s3:GetObject action")
    finally:
        owner.iam.delete_role_permissions_boundary(RoleName="app")
        owner.iam.delete_policy(PolicyArn=policy)


def test_a_condition_that_is_not_evaluated_is_an_error_that_names_it(task, allow):
    allow(("s3:GetObject", "*", {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}))
    wrong = refused(task("s3").get_object, Bucket=BUCKET, Key="app/one")
    assert wrong[1:] == ("InternalError", "the condition operator IpAddress is not evaluated here")


def test_a_role_that_is_gone_signs_nothing(task, owner):
    hooks.registry.callers[KEY] = TaskRole("arn:aws:iam::123456789012:role/gone", "a-task")
    assert refused(task("s3").list_buckets)[:2] == (403, "InvalidAccessKeyId")


def test_other_services_are_asked_about_the_resource_that_is_named(task, allow):
    region = f"{REGION}:123456789012"
    allow(
        ("ssm:GetParameters", f"arn:aws:ssm:{region}:parameter/app/*"),
        ("sqs:SendMessage", f"arn:aws:sqs:{region}:jobs"),
    )
    assert task("ssm").get_parameters(Names=["/app/one"])["InvalidParameters"] == ["/app/one"]
    wrong = refused(task("ssm").get_parameters, Names=["/app/one", "/other"])
    assert (wrong[1], "parameter/other because" in wrong[2]) == ("AccessDeniedException", True)
    wrong = refused(task("dynamodb").get_item, TableName="orders", Key={"id": {"S": "1"}})
    assert f"on resource: arn:aws:dynamodb:{region}:table/orders because" in wrong[2]
