"""A shop on ECS Fargate: a load balancer, a database, a secret; `pulumi up` is red where its roll-out fails."""

import pulumi
import pulumi_aws as aws
import pulumi_docker as docker

from ecs_gate.pulumi import follow

PORT, EVERYWHERE = 8000, ["0.0.0.0/0"]
vpc = aws.ec2.get_vpc(default=True)
subnets = aws.ec2.get_subnets(filters=[{"name": "vpc-id", "values": [vpc.id]}]).ids


def group(name: str, port: int, **sources: pulumi.Input[object]) -> aws.ec2.SecurityGroup:
    """Return a security group that takes TCP on one port from these sources."""
    taken = {"protocol": "tcp", "from_port": port, "to_port": port, **sources}
    given = {"protocol": "-1", "from_port": 0, "to_port": 0, "cidr_blocks": EVERYWHERE}
    return aws.ec2.SecurityGroup(name, vpc_id=vpc.id, ingress=[taken], egress=[given])


def policy(**statement: pulumi.Input[object]) -> pulumi.Output[str]:
    """Return the policy that allows this."""
    allowed = {"Effect": "Allow", **statement}
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [allowed]})


web = group("web", 80, cidr_blocks=EVERYWHERE)
tasks = group("tasks", PORT, security_groups=[web.id])
data = group("data", 5432, security_groups=[tasks.id])

database = aws.rds.Instance(
    "data",
    engine="postgres",
    instance_class="db.t4g.micro",
    allocated_storage=20,
    db_name="shop",
    username="shop",
    manage_master_user_password=True,
    db_subnet_group_name=aws.rds.SubnetGroup("data", subnet_ids=subnets).name,
    vpc_security_group_ids=[data.id],
    skip_final_snapshot=True,
)
secret = database.master_user_secrets[0].secret_arn

repository = aws.ecr.Repository("shop", force_delete=True)
login = aws.ecr.get_authorization_token_output(registry_id=repository.registry_id)
password = pulumi.Output.secret(login.password)
registry = {"server": login.proxy_endpoint, "username": login.user_name, "password": password}
build = {"context": "app", "platform": "linux/amd64"}
image = docker.Image("shop", image_name=repository.repository_url, build=build, registry=registry)

balancer = aws.lb.LoadBalancer("shop", security_groups=[web.id], subnets=subnets)
check = {"path": "/up", "interval": 10}
targets = aws.lb.TargetGroup(
    "shop", port=PORT, protocol="HTTP", target_type="ip", vpc_id=vpc.id, health_check=check
)
forward = {"type": "forward", "target_group_arn": targets.arn}
front = aws.lb.Listener("shop", load_balancer_arn=balancer.arn, port=80, default_actions=[forward])

ecs = policy(Principal={"Service": "ecs-tasks.amazonaws.com"}, Action="sts:AssumeRole")
role = aws.iam.Role("shop", assume_role_policy=ecs, force_detach_policies=True)
read = policy(Action="secretsmanager:GetSecretValue", Resource=secret)
reads = aws.iam.RolePolicy("read", role=role.name, policy=read)
pull = aws.iam.ManagedPolicy.AMAZON_ECS_TASK_EXECUTION_ROLE_POLICY
pulls = aws.iam.RolePolicyAttachment("pull", role=role.name, policy_arn=pull)

logs = aws.cloudwatch.LogGroup("shop", retention_in_days=7)
log = {"awslogs-group": logs.name, "awslogs-region": logs.region, "awslogs-stream-prefix": "web"}
container = {
    "name": "web",
    "image": image.repo_digest,
    "portMappings": [{"containerPort": PORT}],
    "environment": [{"name": "DB_HOST", "value": database.address}],
    "secrets": [{"name": "DB_PASSWORD", "valueFrom": pulumi.Output.concat(secret, ":password::")}],
    "logConfiguration": {"logDriver": "awslogs", "options": log},
}
definition = aws.ecs.TaskDefinition(
    "shop",
    family="shop",
    cpu="256",
    memory="512",
    network_mode="awsvpc",
    requires_compatibilities=["FARGATE"],
    execution_role_arn=role.arn,
    container_definitions=pulumi.Output.json_dumps([container]),
)
network = {"subnets": subnets, "security_groups": [tasks.id], "assign_public_ip": True}
behind = {"target_group_arn": targets.arn, "container_name": "web", "container_port": PORT}
service = aws.ecs.Service(
    "shop",
    cluster=aws.ecs.Cluster("shop").arn,
    task_definition=definition.arn,
    launch_type="FARGATE",
    desired_count=1,
    network_configuration=network,
    load_balancers=[behind],
    deployment_circuit_breaker={"enable": True, "rollback": True},
    opts=pulumi.ResourceOptions(depends_on=[front, reads, pulls]),
)

url = pulumi.Output.concat("http://", balancer.dns_name)
follow(service, page=url)
pulumi.export("url", url)
