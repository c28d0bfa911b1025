"""The name in Pulumi.yaml: what follows from it, and the names that are refused."""

import json

import pytest

from careapp.settings.file import StackError, names_of, project_of, read
from careapp.settings.names import StackNames
from careapp.settings.settings import Settings
from tests.support.declared import begun
from tests.support.delivery import Delivery
from tests.support.every_setting import ON

LONGEST = "acme" * 6
BALANCER = "aws:lb/loadBalancer:LoadBalancer"
LIMITS = {
    "aws:cloudwatch/eventRule:EventRule": 64,
    "aws:iam/instanceProfile:InstanceProfile": 128,
    "aws:iam/role:Role": 64,
    BALANCER: 32,
    "aws:lb/targetGroup:TargetGroup": 32,
    "aws:rds/instance:Instance": 63,
    "aws:s3/bucket:Bucket": 63,
    "aws:scheduler/schedule:Schedule": 64,
    "aws:scheduler/scheduleGroup:ScheduleGroup": 64,
}
"""The longest names by type (botocore and the API references; S3 User Guide, "Bucket naming rules")."""
OTHERS = 255
"""Of all other types."""
EVERYTHING = {
    **ON,
    "deployStrategy": "canary",
    "rolloutTimeoutMinutes": "40",
    "scaleRequestsPerTarget": "0",
    "domainName": "app.example.com",
    "hostedZoneId": "Z0123456789ABC",
    "workers": json.dumps({"w" * 20: {"command": "sleep infinity"}}),
    "jobs": json.dumps({"j" * 20: {"command": "true", "schedule": "rate(1 day)"}}),
}


def own_name(made):
    """The name that AWS gets: the program's, or Pulumi's own, which is eight characters longer."""
    given = [made["inputs"].get(key) for key in ("identifier", "family", "name")]
    return next(filter(None, given), made["name"] + "-1234567")


@pytest.mark.slow
def test_all_that_is_made_bears_the_project_s_name_and_the_longest_one_fits():
    """Printed commands have the tool's name, ``./careapp``."""
    words = (f"{key}={value}" for key, value in EVERYTHING.items())
    made = begun("poc", *words, project=LONGEST).result()["resources"]
    made = [resource for resource in made if not resource["kind"].startswith("careapp:")]
    wrong = {
        (resource["name"], key)
        for resource in made
        for key, value in {"": resource["name"], **resource["inputs"]}.items()
        if "careapp" in json.dumps(value).replace("./careapp", "")
    }
    assert wrong == set()
    assert [each["name"] for each in made if not each["name"].startswith(f"{LONGEST}-poc")] == []
    lengths = {(resource["kind"], resource["name"]): len(own_name(resource)) for resource in made}
    assert [length for length in lengths if lengths[length] > LIMITS.get(length[0], OTHERS)] == []
    assert set(LIMITS) <= {kind for kind, _ in lengths}
    assert max(count for (kind, _), count in lengths.items() if kind == BALANCER) == 32


@pytest.mark.parametrize("stack", ["poc", "prod"])
def test_the_longest_name_fits_the_delivery(stack):
    """63 characters of a bucket with the longest region, 64 of a role."""
    delivery = Delivery.of(stack, Project=LONGEST)
    assert len(delivery.bucket) <= 63, f"S3 takes 63 characters: {delivery.bucket}"
    roles = [resource.get("RoleName", "") for resource in delivery.resources.values()]
    assert max(map(len, roles)) <= 64, "IAM takes 64 characters"
    assert delivery._template["Parameters"]["Project"]["MaxLength"] == len(LONGEST)


@pytest.mark.parametrize(
    "names", [("a", "a2"), ("acme-shop", "prod"), ("a" * 24, "poc"), ("acme", "t" * 20)]
)
def test_names_that_aws_accepts_everywhere_are_accepted(configured, names):
    project, stack = names
    found = configured(project=project, stack=stack)
    assert found.names.prefix == f"{project}-{stack}"
    assert found.tags == {"project": project, "stack": stack, "managed-by": "pulumi"}


def test_no_two_stacks_of_two_projects_have_the_same_names(configured):
    for prefix in ("acme-shop-dev", "acme-pr-a7", "a-b-c-d"):
        words, accepted = prefix.split("-"), []
        for at in range(1, len(words)):
            project, stack = "-".join(words[:at]), "-".join(words[at:])
            try:
                accepted.append(configured(project=project, stack=stack).names)
            except StackError as refused:
                assert "has a hyphen" in str(refused)  # noqa: PT017
        [names] = accepted
        assert names.prefix == prefix
    with pytest.raises(StackError) as refused:
        configured(project="acme", stack="shop-dev")
    assert (
        "stack: shop-dev has a hyphen, and the resources of the stack dev of a project acme-shop would have "
        "the same names; choose a name without a hyphen (`pulumi stack rename`)"
    ) in str(refused.value)


@pytest.fixture
def acme(checkout):
    """The folder of a project under another name, with this stack file."""

    def write(text):
        (checkout / "Pulumi.yaml").write_text("name: acme\nruntime: python\n")
        (checkout / "Pulumi.poc.yaml").write_text(f"config:\n  aws:region: eu-west-1\n{text}")
        return checkout

    return write


def test_a_folder_says_the_names_of_its_stacks(acme):
    folder = acme("")
    assert project_of(folder) == "acme"
    assert (
        names_of("poc", folder) == StackNames("poc", "acme") == Settings.read("poc", folder).names
    )
    assert StackNames("poc", "acme-shop").database_name == "acme_shop"


def test_a_key_without_a_namespace_is_the_project_s(acme):
    """As the engine reads it: a stack file does not have the name a second time."""
    plain = read("poc", acme("  natStrategy: none\n  appSecrets: {A: {secure: x}}\n"))
    assert plain == read(
        "poc", acme("  acme:natStrategy: none\n  acme:appSecrets: {A: {secure: x}}\n")
    )
    assert plain.values["acme:natStrategy"] == "none"
    assert plain.encrypted == {"acme:appSecrets"}


def test_a_key_that_stands_there_twice_is_refused(acme):
    """The engine would take either value."""
    with pytest.raises(StackError, match="  natStrategy: stands in the stack's file twice"):
        read("poc", acme("  natStrategy: none\n  acme:natStrategy: single\n"))


def test_a_key_of_the_name_before_is_refused_and_not_passed_over(acme):
    with pytest.raises(StackError) as refused:
        Settings.read("poc", acme("  careapp:natStrategy: none\n  other:thing: x\n"))
    assert (
        "  careapp:natStrategy: is a key of a project named careapp, and Pulumi.yaml names this one acme; "
        "write natStrategy without careapp: in the stack's file"
    ) in str(refused.value)
    assert "other:thing" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "contains no Pulumi.yaml, which has the project's name"),
        ("runtime: python", "has no `name`"),
    ],
)
def test_a_folder_without_a_name_is_refused(tmp_path, text, told):
    if text:
        (tmp_path / "Pulumi.yaml").write_text(text)
    with pytest.raises(StackError, match=told):
        project_of(tmp_path)
