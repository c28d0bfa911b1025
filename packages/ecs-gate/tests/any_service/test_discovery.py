"""What AWS's answers lead to from the names of a cluster and a service."""

import pytest

from ecs_gate.aws.errors import AwsProblem
from ecs_gate.discovery import Chosen, NoService, discover
from ecs_gate.doctor import diagnose, judge
from ecs_gate.owner import Owner
from ecs_gate.parts.elb import TargetHealth
from ecs_gate.parts.gather import Inquiry, Snapshot, gather
from ecs_gate.parts.page import page_before
from ecs_gate.parts.records import Part, Task
from ecs_gate.target import Login, Page, ServiceNames, Target
from ecs_gate.text import t
from tests.any_service.conftest import changed, client, definition

WEB = Target(names=ServiceNames(cluster="goods", service="web"), region="eu-west-1")
ALL = ServiceNames(
    cluster="goods",
    service="web",
    family="storefront:1",
    container="storefront",
    log_group="/apps/storefront",
    balancer="shared-edge",
    target_group="k8s-a1b2c3",
    database="orders",
    repository="goods/storefront",
)


def group(**how):
    """An answer of DescribeTargetGroups with other fields."""

    def answer(asked):
        real = client("elbv2").describe_target_groups(**asked)
        return {**real, "TargetGroups": [{**each, **how} for each in real["TargetGroups"]]}

    return answer


def unseen(found):
    return [str(part.part) for part in found.unseen]


def test_everything_is_found_from_two_names(shop, session):
    found = discover(WEB, session)
    assert (found.target.names, found.unseen, found.blind) == (ALL, (), None)
    assert (found.definition, found.group) == (shop.definition, shop.group)
    assert found.target.page == Page(
        path="/alive",
        expects="204,200-299",
        url="https://shop.example",
        domain="shop.example",
        https=True,
    )
    assert found.target.login == Login()


def test_what_is_found_is_read(shop, session, calls):
    """Only Fargate's quota is unknown to an account in memory."""
    found = discover(WEB, session)
    now = gather(Inquiry(found.target, session, Owner(unseen=found.unseen, verdicts=False)))
    assert {name: problem.kind for name, problem in now.problems().items()} == {"quota": "refused"}
    assert (now.wanted, now.balancer.value.arn, now.group.value.arn) == (
        *(shop.definition, shop.balancer),
        shop.group,
    )
    assert (now.database.value.id, now.execution.value.arn) == ("orders", shop.role)
    assert (now.image.value.present, now.logs.value.group) == (True, "/apps/storefront")
    assert (*now.network.value.subnets,) == (*shop.subnets,)
    assert [*now.secrets.value] == [shop.secret]
    [known] = now.definitions.value.values()
    assert (known.container, [each.name for each in known.sidecars]) == ("storefront", ["proxy"])
    assert [call for call, _ in calls if call.startswith(("create", "put", "update"))] == []


PARTS = {
    "describe_db_instances": ("the database", "database"),
    "describe_target_groups": ("the load balancer", "balancer"),
    "list_service_deployments": ("the service's last deployments", None),
}


@pytest.mark.parametrize("operation", PARTS)
def test_each_part_is_found_by_itself(shop, session, calls, operation):
    part, name = PARTS[operation]
    calls.answers[operation] = AwsProblem("denied", t("no right"), t("ask"))
    found = discover(WEB, session)
    assert part in unseen(found)
    lacks = {name: ""} if name else {}
    assert vars(found.target.names) == {**vars(ALL), **lacks}


def test_a_certificate_that_may_not_be_read_is_said(shop, session, calls):
    target = discover(WEB, session).target
    calls.answers["describe_certificate"] = AwsProblem("denied", t("no right"), t("ask"))
    diagnosis = judge(gather(Inquiry(target, session, Owner(verdicts=False))))
    assert "the load balancer's certificate" in map(str, (part.part for part in diagnosis.unread))


def test_a_page_that_is_named_is_the_page(shop, session):
    chosen = Chosen("https://shop.example:443/cart?full=1", "200,302")
    page = discover(WEB, session, page=chosen).target.page
    assert (page.path, page.expects) == ("/cart?full=1", "200,302")
    assert (page.url, page.domain, page.https) == (
        *("https://shop.example:443", "shop.example"),
        True,
    )
    assert discover(WEB, session, page=Chosen(f"https://{shop.dns}/")).target.page.domain == ""


def test_a_page_that_is_named_and_cannot_be_requested_is_said(shop, session, calls):
    calls.answers["describe_services"] = changed(loadBalancers=[])
    found = discover(WEB, session, page=Chosen("https://shop.example/"))
    assert (found.target.page.path, "the page" in unseen(found)) == ("", True)


def test_the_certificate_tells_the_host_that_no_rule_names(shop, session):
    elb, path = client("elbv2"), [{"Field": "path-pattern", "Values": ["/*"]}]
    elb.modify_rule(RuleArn=shop.rule, Conditions=path)
    try:
        assert discover(WEB, session).target.page.url == "https://goods.example"
        # A path of its own: what answers elsewhere is another service.
        elb.modify_rule(
            RuleArn=shop.rule, Conditions=[{"Field": "path-pattern", "Values": ["/v2/*"]}]
        )
        found = discover(WEB, session)
        assert (found.target.page.path, unseen(found)) == ("", ["the page"])
        assert [part.essential for part in found.unseen] == [False]
    finally:
        host = [{"Field": "host-header", "HostHeaderConfig": {"Values": ["shop.example"]}}]
        elb.modify_rule(RuleArn=shop.rule, Conditions=host)


@pytest.mark.parametrize("page", ["", "https://shop.example/"])
def test_no_page_is_requested_of_a_group_that_takes_another_version_of_http(
    shop, session, calls, page
):
    calls.answers["describe_target_groups"] = group(ProtocolVersion="HTTP2")
    found = discover(WEB, session, page=Chosen(page))
    assert (found.target.page.path, unseen(found)) == ("", ["the page"])
    assert "takes HTTP2 alone for k8s-a1b2c3" in str(found.unseen[0].problem.text)


def test_the_login_is_the_one_that_the_page_asks_for(shop, session):
    elb = client("elbv2")
    ends = {name: f"https://id.example/{name}" for name in ("authorize", "token", "userinfo")}
    oidc = {
        **{"Issuer": "https://id.example", "ClientId": "shop", "ClientSecret": "x"},
        "AuthorizationEndpoint": ends["authorize"],
        **{"TokenEndpoint": ends["token"], "UserInfoEndpoint": ends["userinfo"]},
    }
    forward = {"Type": "forward", "TargetGroupArn": shop.group, "Order": 2}
    login = {"Type": "authenticate-oidc", "AuthenticateOidcConfig": oidc, "Order": 1}
    elb.modify_rule(RuleArn=shop.rule, Actions=[login, forward])
    try:
        found = discover(WEB, session).target
        assert found.login == Login(issuer="https://id.example", client_id="shop")
        assert found.login.protects(found.page.path)
    finally:
        elb.modify_rule(RuleArn=shop.rule, Actions=[{**forward, "Order": 1}])


def test_what_is_not_looked_at_is_said_and_never_called_healthy(shop, session, calls):
    connected = [{"serviceConnectConfiguration": {"enabled": True}}]
    calls.answers["describe_services"] = changed(
        launchType="EC2", deployments=connected, loadBalancers=[]
    )
    mounted = definition(
        shop,
        family="other",
        app={
            "logConfiguration": {"logDriver": "awsfirelens"},
            "secrets": [{"name": "PEPPER", "valueFrom": "/shop/pepper"}],
        },
        volumes=[{"name": "files", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}],
    )
    found = discover(WEB, session, mounted)
    assert unseen(found) == [
        "the instances that its tasks run on",
        "the EFS file systems that its tasks mount",
        "Service Connect",
        "the app's log, which is not in CloudWatch Logs of eu-west-1",
        "the parameters of Parameter Store that its tasks get",
        "the image envoy:1",
    ]
    # Without a target group nothing but its tasks tells how it is.
    assert found.target.names.process == "web"
    del calls.answers["describe_services"]
    owner = Owner(unseen=found.unseen, verdicts=False)
    diagnosis = diagnose(Inquiry(discover(WEB, session).target, session, owner))
    assert (diagnosis.incomplete, diagnosis.healthy) == (True, False)


def test_another_database_of_the_service_is_not_looked_at(shop, session):
    cluster = "shop.cluster-abc.eu-west-1.rds.amazonaws.com"
    values = (*shop.databases, f"postgresql://{cluster}/x")
    both = [{"name": f"V{number}", "value": secret} for number, secret in enumerate(values)]
    found = discover(WEB, session, definition(shop, app={"environment": both}))
    assert found.target.names.database in ("ledger", "orders")
    [other, at_cluster] = unseen(found)
    assert other.startswith("the database ")
    assert at_cluster == f"the database {cluster}"


def test_a_managed_secret_leads_to_its_database(shop, session, calls):
    managed = client("rds").describe_db_instances()
    first = managed["DBInstances"][0]
    first["MasterUserSecret"] = {"SecretArn": shop.secret}
    calls.answers["describe_db_instances"] = managed
    one = definition(shop, app={"environment": []})
    found = discover(WEB, session, one).target.names.database
    assert found == first["DBInstanceIdentifier"]


def test_a_rollout_that_ecs_does_not_make_is_not_followed(shop, session, calls):
    calls.answers["describe_services"] = changed(deploymentController={"type": "CODE_DEPLOY"})
    assert "CODE_DEPLOY" in str(discover(WEB, session).blind)
    del calls.answers["describe_services"]
    bridged = definition(shop, family="bridged", networkMode="bridge", requiresCompatibilities=[])
    assert "bridge" in str(discover(WEB, session, bridged).blind)


def test_alarms_that_ecs_watches_are_read_and_no_others(shop, session, calls):
    client("cloudwatch").put_metric_alarm(
        AlarmName="5xx",
        MetricName="m",
        Namespace="n",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        Statistic="Sum",
    )
    known = discover(WEB, session).target
    assert (known.alarms, gather(Inquiry(known, session)).alarms.value) == ((), ())
    watched = {"alarms": {"alarmNames": ["5xx"], "enable": True, "rollback": True}}
    calls.answers["describe_services"] = changed(deploymentConfiguration=watched)
    known = discover(WEB, session).target
    [alarm] = gather(Inquiry(known, session)).alarms.value
    assert (known.alarms, alarm.name) == (("5xx",), "5xx")


def test_a_service_without_a_load_balancer_is_judged_by_its_tasks(shop, session, calls):
    calls.answers["describe_services"] = changed(loadBalancers=[])
    found = discover(WEB, session)
    assert (found.target.names.process, found.group, found.target.page.path) == ("web", "", "")
    assert (found.target.names.balancer, unseen(found)) == (
        "",
        ["the app's log, which is not in CloudWatch Logs of eu-west-1", "the image envoy:1"],
    )
    now = gather(Inquiry(found.target, session, Owner(verdicts=False)))
    assert now.network.value.subnets
    assert (now.balancer, now.group, now.page) == (Part(), Part(), Part())
    assert page_before(found.target) is None
    assert [cause.id for cause in judge(now).causes] == []
    assert not [call for call, _ in calls if call in ("describe_target_groups", "describe_rules")]


@pytest.mark.slow
def test_a_target_group_to_which_nothing_forwards_is_a_cause(shop, session, calls):
    """ELB then tells of no load balancer of it, and does not check its targets."""
    calls.answers["describe_target_groups"] = group(LoadBalancerArns=[])
    found = discover(WEB, session)
    assert (found.target.names.balancer, unseen(found)) == ("", ["the load balancer", "the page"])
    idle = TargetHealth(address="10.9.0.4", port=8000, state="unused", reason="Target.NotInUse")
    running = Task(arn="arn:task/1", definition=shop.definition, address="10.9.0.4")
    now = gather(Inquiry(found.target, session, Owner(verdicts=False)))
    now = now.having(Snapshot.targets, Part((idle,))).having(Snapshot.tasks, Part((running,)))
    [cause] = judge(now).causes
    assert str(cause.title) == "No load balancer forwards to the target group k8s-a1b2c3"


@pytest.mark.parametrize("cluster", ["goods", "nowhere"])
def test_a_service_that_does_not_exist_is_named(shop, session, cluster):
    target = Target(names=ServiceNames(cluster=cluster, service="wbe"), region="eu-west-1")
    with pytest.raises(NoService, match=f"Cluster {cluster} in eu-west-1 has no service wbe"):
        discover(target, session)
