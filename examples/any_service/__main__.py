"""A shop on ECS Fargate: a load balancer, a database, a secret; `pulumi up` is red where its roll-out fails."""

import pulumi
import pulumi_aws as aws
import pulumi_docker as docker

from ecs_gate.pulumi import follow

PORT = 8000
config = pulumi.Config()
network = aws.ec2.get_vpc(default=True)
subnets = aws.ec2.get_subnets(filters=[{"name": "vpc-id", "values": [network.id]}]).ids


def group(name: str, port: int, **sources: pulumi.Input[object]) -> aws.ec2.SecurityGroup:
    """Return a security group that takes TCP on one port from these sources."""
    taken = {"protocol": "tcp", "from_port": port, "to_port": port, **sources}
    given = {"protocol": "-1", "from_port": 0, "to_port": 0, "cidr_blocks": ["0.0.0.0/0"]}
    return aws.ec2.SecurityGroup(name, vpc_id=network.id, ingress=[taken], egress=[given])


def role(name: str, *arns: pulumi.Input[str]) -> aws.iam.Role:
    """Return a role of ECS's tasks that may read these secrets."""
    trust = {"Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    read = {"Action": "secretsmanager:GetSecretValue", "Resource": list(arns)}
    made = aws.iam.Role(name, assume_role_policy=policy(trust))
    if arns:
        aws.iam.RolePolicy(name, role=made.name, policy=policy(read))
    return made


def policy(statement: dict[str, object]) -> pulumi.Output[str]:
    allowed = {"Effect": "Allow", **statement}
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [allowed]})


web = group("web", 80, cidr_blocks=["0.0.0.0/0"])
tasks = group("tasks", PORT, security_groups=[web.id])
data = group("data", 5432, security_groups=[tasks.id])

places = aws.rds.SubnetGroup("data", subnet_ids=subnets)
database = aws.rds.Instance(
    "data",
    engine="postgres",
    engine_version="17",
    instance_class="db.t4g.micro",
    allocated_storage=20,
    db_name="shop",
    username="shop",
    manage_master_user_password=True,
    db_subnet_group_name=places.name,
    vpc_security_group_ids=[data.id],
    skip_final_snapshot=True,
)
password = database.master_user_secrets[0].secret_arn
signing = aws.secretsmanager.Secret("signing", recovery_window_in_days=0)
aws.secretsmanager.SecretVersion(
    "signing", secret_id=signing.id, secret_string=config.require_secret("signingKey")
)

repository = aws.ecr.Repository("shop", force_delete=True)
login = aws.ecr.get_authorization_token_output(registry_id=repository.registry_id)
image = docker.Image(
    "shop",
    image_name=pulumi.Output.concat(repository.repository_url, ":", config.require("version")),
    build={"context": "app", "platform": "linux/amd64"},
    registry={
        "server": repository.repository_url,
        "username": login.user_name,
        "password": pulumi.Output.secret(login.password),
    },
)

balancer = aws.lb.LoadBalancer("shop", security_groups=[web.id], subnets=subnets)
targets = aws.lb.TargetGroup(
    "shop",
    port=PORT,
    protocol="HTTP",
    target_type="ip",
    vpc_id=network.id,
    deregistration_delay=10,
    health_check={"path": "/up", "interval": 10, "timeout": 5, "unhealthy_threshold": 2},
)
forward = aws.lb.Listener(
    "shop",
    load_balancer_arn=balancer.arn,
    port=80,
    default_actions=[{"type": "forward", "target_group_arn": targets.arn}],
)

execution = role("execution", password, signing.arn)
pull = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
attached = aws.iam.RolePolicyAttachment("pull", role=execution.name, policy_arn=pull)
logs = aws.cloudwatch.LogGroup("shop", retention_in_days=7)
container = {
    "name": "web",
    "image": image.repo_digest,
    "portMappings": [{"containerPort": PORT}],
    "environment": [
        {"name": "DATABASE_HOST", "value": database.address},
        {"name": "PORT", "value": str(PORT)},
    ],
    "secrets": [
        {"name": "DATABASE_PASSWORD", "valueFrom": pulumi.Output.concat(password, ":password::")},
        {"name": "SIGNING_KEY", "valueFrom": signing.arn},
    ],
    "logConfiguration": {
        "logDriver": "awslogs",
        "options": {
            "awslogs-group": logs.name,
            "awslogs-region": aws.get_region().region,
            "awslogs-stream-prefix": "web",
        },
    },
}
definition = aws.ecs.TaskDefinition(
    "shop",
    family="shop",
    cpu="256",
    memory="512",
    network_mode="awsvpc",
    requires_compatibilities=["FARGATE"],
    execution_role_arn=execution.arn,
    task_role_arn=role("app").arn,
    container_definitions=pulumi.Output.json_dumps([container]),
)
service = aws.ecs.Service(
    "shop",
    cluster=aws.ecs.Cluster("shop").arn,
    task_definition=definition.arn,
    launch_type="FARGATE",
    desired_count=1,
    deployment_circuit_breaker={"enable": True, "rollback": True},
    network_configuration={
        "assign_public_ip": True,
        "subnets": subnets,
        "security_groups": [tasks.id],
    },
    load_balancers=[
        {"target_group_arn": targets.arn, "container_name": "web", "container_port": PORT}
    ],
    opts=pulumi.ResourceOptions(depends_on=[forward, attached]),
)

url = pulumi.Output.concat("http://", balancer.dns_name)
follow(service, page=url)
pulumi.export("url", url)
