"""The Pulumi program: settings, components and stack outputs."""

import gc

import pulumi

from careapp.infra import config, guards, login
from careapp.infra.app_resource import wanted
from careapp.infra.bastion import Bastion
from careapp.infra.database import Database
from careapp.infra.jobs import Jobs
from careapp.infra.load_balancer import LoadBalancer
from careapp.infra.monitoring import Monitoring
from careapp.infra.network import Network
from careapp.infra.registry import AppImage
from careapp.infra.service import Service
from careapp.infra.task import ServiceArgs
from careapp.infra.uploads import Uploads
from careapp.infra.workers import Workers
from careapp.update.hooks import Update

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
