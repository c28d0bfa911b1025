"""The Pulumi program: settings, components and stack outputs."""

import gc
import sys
from pathlib import Path

import pulumi

# A venv that `pulumi install` made knows nothing of the packages beside this program; a copy of it has its own.
sys.path.insert(0, str(Path(__file__).resolve().parent / "packages" / "ecs-gate"))
sys.path.insert(0, str(Path(__file__).resolve().parent / "packages" / "careapp"))

from careapp.update.hooks import Update
from infra import config, guards, login
from infra.app_resource import wanted
from infra.bastion import Bastion
from infra.database import Database
from infra.jobs import Jobs
from infra.load_balancer import LoadBalancer
from infra.monitoring import Monitoring
from infra.network import Network
from infra.registry import AppImage
from infra.service import Service
from infra.task import ServiceArgs
from infra.uploads import Uploads
from infra.workers import Workers

APP_RESOURCES = (Uploads,)
"""What the app has besides the database: each has the tasks' variable, its value and their rights. Add your own."""

# The garbage collector would take a fifth of a preview to scan the SDK's objects, which are never freed.
gc.set_threshold(500_000)
settings = config.load()
name = settings.names.prefix
kept = guards.begin(settings)
before = config.resources()
endpoints = login.discover(settings, before)
update = Update(settings, before)

network = Network(name, settings, kept["zones"])
database = Database(name, settings, network)
image = AppImage(name, settings, before)
balancer = LoadBalancer(name, settings, network)
monitoring = Monitoring(name, settings, balancer)
resources = [each(name, settings, network) for each in wanted(APP_RESOURCES, settings)]
parts: list[pulumi.Resource] = [network, database, image, balancer, monitoring, *resources]
pulumi.export("kept", kept)
pulumi.export("stage", 2 if settings.ecs_enabled else 1)
pulumi.export("pageUrl", balancer.url)
pulumi.export("repositoryUrl", image.repository_url)
pulumi.export("imageDigest", image.digest)
pulumi.export("databaseEndpoint", database.address)
pulumi.export("databaseSecretArn", database.secret_arn)
pulumi.export("targetGroupArn", balancer.target_group_arn)

for resource in resources:
    pulumi.export(resource.output, resource.value)

if settings.bastion_enabled:
    bastion = Bastion(name, settings, network, database)
    parts.append(bastion)
    pulumi.export("bastionInstanceId", bastion.instance_id)

if settings.ecs_enabled:
    args = ServiceArgs(
        network=network,
        image=image,
        database=database,
        balancer=balancer,
        endpoints=endpoints,
        resources=resources,
        hooks=update.hooks(),
    )
    service = Service(name, settings, args)
    parts += [service, *monitoring.add_service(name, service)]
    pulumi.export("clusterName", service.cluster_name)
    pulumi.export("serviceName", service.service_name)
    pulumi.export("logGroupName", service.log_group_name)
    if settings.workers:
        parts.append(Workers(name, settings, service))
    if settings.jobs:
        parts.append(Jobs(name, settings, service))
    declared = service.service, service.task.definition_arn
    page = balancer.target_group_arn, balancer.url
    update.wait_for(declared, page, service.workers, service.login_rule_arns)

guards.Protection(name, settings, parts, network.routes)
