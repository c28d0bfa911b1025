"""A notice board: a page on ECS Fargate behind a load balancer."""

from pathlib import Path

import markdown
import pulumi
import pulumi_aws as aws
import pulumi_docker as docker

config = pulumi.Config()
version = config.require("version")
PORT = 8000

# The page is in the account's default VPC.
default_vpc = aws.ec2.get_vpc(default=True)
default_subnets = aws.ec2.get_subnets(filters=[{"name": "vpc-id", "values": [default_vpc.id]}])

anywhere = {"protocol": "-1", "from_port": 0, "to_port": 0, "cidr_blocks": ["0.0.0.0/0"]}
web_group = aws.ec2.SecurityGroup(
    "web",
    vpc_id=default_vpc.id,
    description="HTTP from anywhere",
    ingress=[{"protocol": "tcp", "from_port": 80, "to_port": 80, "cidr_blocks": ["0.0.0.0/0"]}],
    egress=[anywhere],
)
task_group = aws.ec2.SecurityGroup(
    "task",
    vpc_id=default_vpc.id,
    ingress=[
        {"protocol": "tcp", "from_port": PORT, "to_port": PORT, "security_groups": [web_group.id]}
    ],
    egress=[anywhere],
)

# What the page shows, and the password with which its editor signs.
bucket = aws.s3.Bucket("notices")
aws.s3.BucketObject(
    "notices.html",
    bucket=bucket.id,
    content=markdown.markdown(Path("notices/notices.md").read_text()),
    content_type="text/html",
)
aws.s3.BucketObject(
    "style.css",
    bucket=bucket.id,
    source=pulumi.FileAsset("notices/style.css"),
    content_type="text/css",
)
title = aws.ssm.Parameter("title", type="String", value="Notice board")
password = aws.secretsmanager.Secret("editor", recovery_window_in_days=0)
aws.secretsmanager.SecretVersion(
    "editor", secret_id=password.id, secret_string=config.require_secret("password")
)


def policy(*statements: dict[str, pulumi.Input[object]]) -> pulumi.Output[str]:
    """Return the policy that allows each of the statements."""
    allowed = [{"Effect": "Allow", **each} for each in statements]
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": allowed})


def role(name: str, *statements: dict[str, pulumi.Input[object]]) -> aws.iam.Role:
    """Return a role of ECS tasks with a policy of its own."""
    ecs = {"Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    made = aws.iam.Role(name, assume_role_policy=policy(ecs))
    own = aws.iam.Policy(name, policy=policy(*statements))
    aws.iam.RolePolicyAttachment(name, role=made.name, policy_arn=own.arn)
    return made


execution_role = role(
    "execution",
    {"Action": "secretsmanager:GetSecretValue", "Resource": password.arn},
    {"Action": "ssm:GetParameters", "Resource": title.arn},
)
aws.iam.RolePolicyAttachment(
    "execution-ecs",
    role=execution_role.name,
    policy_arn="arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy",
)
objects = pulumi.Output.concat(bucket.arn, "/*")
task_role = role("task", {"Action": "s3:GetObject", "Resource": objects})

repository = aws.ecr.Repository("board", force_delete=True)
login = aws.ecr.get_authorization_token_output(registry_id=repository.registry_id)
image = docker.Image(
    "board",
    image_name=pulumi.Output.concat(repository.repository_url, ":", version),
    build={"context": "app", "platform": "linux/amd64"},
    registry={
        "server": repository.repository_url,
        "username": login.user_name,
        "password": pulumi.Output.secret(login.password),
    },
)

balancer = aws.lb.LoadBalancer("board", security_groups=[web_group.id], subnets=default_subnets.ids)
targets = aws.lb.TargetGroup(
    "board",
    port=PORT,
    protocol="HTTP",
    target_type="ip",
    vpc_id=default_vpc.id,
    deregistration_delay=5,
    health_check={"path": "/health", "interval": 10, "timeout": 5, "unhealthy_threshold": 2},
)
listener = aws.lb.Listener(
    "board",
    load_balancer_arn=balancer.arn,
    port=80,
    default_actions=[{"type": "forward", "target_group_arn": targets.arn}],
)

cluster = aws.ecs.Cluster("board")
logs = aws.cloudwatch.LogGroup("board", retention_in_days=7)
variables = {"BUCKET": bucket.id, "PORT": str(PORT), "VERSION": version}
secrets = {"TITLE": title.arn, "EDITOR_PASSWORD": password.arn}
log_options = {
    "awslogs-group": logs.name,
    "awslogs-region": aws.get_region().region,
    "awslogs-stream-prefix": "board",
}
container = {
    "name": "board",
    "image": image.repo_digest,
    "portMappings": [{"containerPort": PORT}],
    "environment": [{"name": name, "value": value} for name, value in variables.items()],
    "secrets": [{"name": name, "valueFrom": value} for name, value in secrets.items()],
    "logConfiguration": {"logDriver": "awslogs", "options": log_options},
}
definition = aws.ecs.TaskDefinition(
    "board",
    family="noticeboard",
    cpu="256",
    memory="512",
    network_mode="awsvpc",
    requires_compatibilities=["FARGATE"],
    execution_role_arn=execution_role.arn,
    task_role_arn=task_role.arn,
    container_definitions=pulumi.Output.json_dumps([container]),
)
service = aws.ecs.Service(
    "board",
    cluster=cluster.arn,
    task_definition=definition.arn,
    launch_type="FARGATE",
    desired_count=1,
    wait_for_steady_state=True,
    deployment_circuit_breaker={"enable": True, "rollback": True},
    network_configuration={
        "assign_public_ip": True,
        "subnets": default_subnets.ids,
        "security_groups": [task_group.id],
    },
    load_balancers=[
        {"target_group_arn": targets.arn, "container_name": "board", "container_port": PORT}
    ],
    opts=pulumi.ResourceOptions(depends_on=[listener]),
)

pulumi.export("url", pulumi.Output.concat("http://", balancer.dns_name))
