"""What a task's calls need of its role: actions and resources, in S3 and in other services."""

from pathlib import Path

import pytest
import yaml
from botocore.credentials import Credentials
from moto.core.utils import get_service_model

from local_cloud.aws import hooks
from local_cloud.aws.iam import NAMED, TaskRole, resources
from local_cloud.aws.s3 import requests
from local_cloud.aws.s3.requests import S3Request
from tests.authorization_reference import fits, forms
from tests.dataplane.declarations import REGION, TRUST, policy, statement
from tests.dataplane.stack import fetch, refusal

BUCKET, OTHER = "held-uploads", "held-others"
KEY = "ASIAAAAAAAAAAAAAAAAA"
USER = "arn:aws:sts::123456789012:assumed-role/app/a-task"


@pytest.fixture(scope="module")
def owner(empty):
    """Calls of the stack's owner, which are not checked, and two buckets with an object each."""
    empty.iam.create_role(RoleName="app", AssumeRolePolicyDocument=TRUST)
    s3 = empty.client("s3")
    for bucket in (BUCKET, OTHER):
        place = {"LocationConstraint": REGION}
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
        s3.put_object(Bucket=bucket, Key="app/one", Body=b"one")
        s3.put_object(Bucket=bucket, Key="secret/two", Body=b"two")
    return empty


@pytest.fixture
def allow(owner):
    """Gives the role statements, each (actions, resources[, condition])."""

    def allow(*statements, effect="Allow"):
        listed = [
            statement(*each[:2], Effect=effect, **dict(zip(["Condition"], each[2:], strict=False)))
            for each in statements
        ]
        owner.grant("app", policy(*listed), effect)

    yield allow
    for name in owner.iam.list_role_policies(RoleName="app")["PolicyNames"]:
        owner.iam.delete_role_policy(RoleName="app", PolicyName=name)
    owner.client("s3").delete_bucket_policy(Bucket=BUCKET)


@pytest.fixture
def task(owner):
    hooks.registry.callers[KEY] = TaskRole("arn:aws:iam::123456789012:role/app", "a-task")
    hooks.registry.keys[KEY] = Credentials(KEY, "test", "test")
    keys = {"aws_access_key_id": KEY, "aws_secret_access_key": "test", "aws_session_token": "test"}
    yield lambda service: owner.client(service, **keys)
    del hooks.registry.callers[KEY], hooks.registry.keys[KEY]


def refused(call, **params):
    """Return the status, code and message of a call that is refused."""
    problem = refusal(call, **params)
    return problem.status, problem.code, problem.message


def of(bucket, key):
    return {"Bucket": bucket, "Key": key}


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
    operation
    for operation in sorted({*S3_MODEL.operation_names} - OTHERS)
    if "Annotation"
    not in operation  # which the installed Service Authorization Reference does not have yet
]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operation_of_s3_needs_an_action_on_a_resource_that_it_knows(operation):
    model = S3_MODEL.operation_model(operation)
    path, _, query = model.http["requestUri"].partition("?")
    shape = model.input_shape
    placed = [shape.members[member].serialization for member in shape.required_members]
    more = [f"{member['name']}=1" for member in placed if member.get("location") == "querystring"]
    request = S3Request(
        method=model.http["method"],
        bucket="a-bucket" if "Bucket" in path else "",
        key="a/key" if "Key" in path else "",
        query="&".join([*([query] if query else []), *more]),
        headers={
            member["name"].lower(): "b/c" for member in placed if member.get("location") == "header"
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
def test_resources_of_other_services_have_the_reference_s_form(service):
    asked = {
        "dynamodb": "GetItem",
        "kinesis": "PutRecord",
        "logs": "PutLogEvents",
        "sqs": "SendMessage",
        "ssm": "GetParameter",
    }[service]
    params = dict.fromkeys(NAMED[service], "a-name") | {"logStreamName": "a-stream"}
    for resource in resources(service, params):
        assert any(fits(resource, form) for form in forms(f"{service}:{asked}")), resource


ONE = of(BUCKET, "app/one")


@pytest.mark.parametrize(
    "row", yaml.safe_load(Path(__file__).with_name("permissions.yaml").read_text())
)
def test_call_needs_its_action_on_its_resource(task, allow, row):
    statements, operation, params, *missing = row
    if statements:
        allow(*statements)
    call = getattr(task("s3"), operation)
    if not missing:
        call(**params)
        return
    action, resource = missing
    assert refused(call, **params) == (
        403,
        "AccessDenied",
        f'User: {USER} is not authorized to perform: {action} on resource: "{resource}" because no '
        f"identity-based policy allows the {action} action",
    )


def test_object_that_is_missing_is_said_so_to_those_who_may_list(task, allow):
    allow((["s3:GetObject", "s3:ListBucket"], "*"))
    assert refused(task("s3").get_object, **of(BUCKET, "none"))[:2] == (404, "NoSuchKey")


def test_head_without_permission_has_no_message(task):
    """A response to HEAD has no body."""
    assert refused(task("s3").head_object, **ONE)[:2] == (403, "403")


def test_keys_that_may_be_deleted_are_deleted_of_several(task, allow, owner):
    keys = ("app/four", "secret/five")
    for key in keys:
        owner.client("s3").put_object(**of(BUCKET, key), Body=b"")
    allow(("s3:DeleteObject", arn(BUCKET, "app/*")))
    listed = {"Objects": [{"Key": key} for key in keys]}
    answer = task("s3").delete_objects(Bucket=BUCKET, Delete=listed)
    assert [key["Key"] for key in answer["Deleted"]] == ["app/four"]
    errors = [(error["Key"], error["Code"]) for error in answer["Errors"]]
    assert errors == [("secret/five", "AccessDenied")]
    owner.client("s3").head_object(**of(BUCKET, "secret/five"))


def test_presigned_url_allows_what_its_signer_may(task, allow):
    url = task("s3").generate_presigned_url("get_object", Params=ONE)
    status, text = fetch(url)
    assert (status, "<Code>AccessDenied</Code>" in text) == (403, True)
    allow(("s3:GetObject", arn(BUCKET, "app/*")))
    assert fetch(url) == (200, "one")


ROLE = "arn:aws:iam::123456789012:role/app"
ROOT = "arn:aws:iam::123456789012:root"


NO_POLICY = "because no identity-based policy allows"
DENY = "with an explicit deny in a resource-based policy"


@pytest.mark.parametrize(
    ("effect", "principal", "allowed", "said"),
    [
        ("Allow", ROLE, False, ""),
        ("Allow", [f"{ROLE}-another"], False, NO_POLICY),
        ("Allow", ROOT, False, NO_POLICY),
        ("Deny", ROLE, True, DENY),
        ("Deny", ROOT, True, DENY),
    ],
)
def test_bucket_policy_allows_and_denies(task, allow, owner, effect, principal, allowed, said):
    if allowed:
        allow(("s3:GetObject", arn(BUCKET, "*")))
    named = {"Effect": effect, "Principal": {"AWS": principal}}
    document = policy(statement("s3:GetObject", arn(BUCKET, "*"), **named))
    owner.client("s3").put_bucket_policy(Bucket=BUCKET, Policy=document)
    if said:
        assert refused(task("s3").get_object, **ONE)[2].count(said) == 1
    else:
        assert task("s3").get_object(**ONE)["Body"].read() == b"one"


TWO = of(BUCKET, "secret/two")


def test_deny_of_the_role_goes_before(task, allow):
    allow(("s3:*", "*"))
    allow(("s3:GetObject", arn(BUCKET, "secret/*")), effect="Deny")
    wrong = refused(task("s3").get_object, **TWO)[2]
    assert wrong.endswith("with an explicit deny in an identity-based policy")


def test_permissions_boundary_bounds_what_the_role_allows(task, allow, owner):
    allow(("s3:*", "*"))
    document = policy(statement("s3:*", arn(BUCKET, "app/*")))
    made = owner.iam.create_policy(PolicyName="bound", PolicyDocument=document)["Policy"]["Arn"]
    owner.iam.put_role_permissions_boundary(RoleName="app", PermissionsBoundary=made)
    try:
        task("s3").get_object(**ONE)
        wrong = refused(task("s3").get_object, **TWO)[2]
        assert wrong.endswith("because no permissions boundary allows the s3:GetObject action")
    finally:
        owner.iam.delete_role_permissions_boundary(RoleName="app")
        owner.iam.delete_policy(PolicyArn=made)


def test_condition_that_is_not_evaluated_is_an_error_that_names_it(task, allow):
    allow(("s3:GetObject", "*", {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}))
    words = "LookupError: the condition operator IpAddress is not evaluated here"
    assert refused(task("s3").get_object, **ONE)[1:] == ("InternalError", words)


def test_role_that_was_deleted_signs_nothing(task):
    hooks.registry.callers[KEY] = TaskRole("arn:aws:iam::123456789012:role/gone", "a-task")
    assert refused(task("s3").list_buckets)[:2] == (403, "InvalidAccessKeyId")


def test_resource_of_other_services_is_the_one_that_is_named(task, allow):
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


@pytest.fixture
def secret(owner):
    arn = owner.sm.create_secret(Name="database", SecretString="{}")["ARN"]
    yield arn
    owner.sm.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)


def test_secret_that_is_named_is_the_one_of_its_arn(task, secret, allow, owner):
    read, asked = "secretsmanager:GetSecretValue", {"SecretId": "database"}
    allow((read, f"{secret}-another"))
    get = task("secretsmanager").get_secret_value
    says = f"User: {USER} is not authorized to perform: {read} on resource: {secret} {NO_POLICY} the {read} action"
    assert refused(get, **asked)[1:] == ("AccessDeniedException", says)
    assert owner.sm.get_secret_value(**asked)["SecretString"] == "{}", "other credentials"
    allow((read, secret))
    assert get(**asked)["SecretString"] == "{}"


def test_call_has_its_service_s_name_and_code_in_iam(task, allow):
    allow(("cloudwatch:PutMetricData", "*"))
    task("cloudwatch").put_metric_data(Namespace="app", MetricData=[{"MetricName": "orders"}])
    assert task("sts").get_caller_identity()["Account"] == "123456789012", "needs no permission"
    assert refused(task("rds").describe_db_instances)[1] == "AccessDenied"
    assert refused(task("ec2").describe_vpcs)[1] == "UnauthorizedOperation"
