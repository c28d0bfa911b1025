"""The Pulumi program: settings, components and stack outputs."""

import pulumi

from infra import config, guards, login, state
from infra.bastion import Bastion, BastionArgs
from infra.database import Database, DatabaseArgs
from infra.jobs import Jobs, JobsArgs
from infra.load_balancer import LoadBalancer, LoadBalancerArgs
from infra.monitoring import Monitoring, MonitoringArgs
from infra.network import Network, NetworkArgs
from infra.registry import AppImage, AppImageArgs
from infra.service import Service, ServiceArgs
from infra.uploads import Uploads, UploadsArgs
from infra.workers import Workers, WorkersArgs
from tools.rollout.update import Update

settings = config.load()
name = settings.names.prefix
kept = guards.begin(settings)
endpoints = login.discover(settings)
before = state.resources()
update = Update(settings, before)

network = Network(name, NetworkArgs(settings=settings, zones=kept["zones"]))
database = Database(name, DatabaseArgs(settings=settings, network=network))
image = AppImage(name, AppImageArgs(settings=settings, before=before))
balancer = LoadBalancer(name, LoadBalancerArgs(settings=settings, network=network))
monitoring = Monitoring(name, MonitoringArgs(settings=settings, balancer=balancer))
parts: list[pulumi.Resource] = [network, database, image, balancer, monitoring]
pulumi.export("kept", kept)
pulumi.export("stage", 2 if settings.ecs_enabled else 1)
pulumi.export("pageUrl", balancer.url)
pulumi.export("repositoryUrl", image.repository_url)
pulumi.export("imageDigest", image.digest)
pulumi.export("databaseEndpoint", database.address)
pulumi.export("databaseSecretArn", database.secret_arn)
pulumi.export("targetGroupArn", balancer.target_group_arn)

uploads = None
if settings.uploads_enabled:
    uploads = Uploads(name, UploadsArgs(settings=settings, network=network))
    parts.append(uploads)
    pulumi.export("uploadsBucket", uploads.bucket)

if settings.bastion_enabled:
    bastion = Bastion(name, BastionArgs(settings=settings, network=network, database=database))
    parts.append(bastion)
    pulumi.export("bastionInstanceId", bastion.instance_id)

if settings.ecs_enabled:
    args = ServiceArgs(
        settings=settings,
        network=network,
        image=image,
        database=database,
        balancer=balancer,
        endpoints=endpoints,
        uploads=uploads,
        hooks=update.hooks(),
    )
    service = Service(name, args)
    parts += [service, *monitoring.add_service(name, service)]
    pulumi.export("clusterName", service.cluster_name)
    pulumi.export("serviceName", service.service_name)
    pulumi.export("logGroupName", service.log_group_name)
    if settings.workers:
        parts.append(Workers(name, WorkersArgs(settings=settings, service=service)))
    if settings.jobs:
        parts.append(Jobs(name, JobsArgs(settings=settings, service=service)))
    update.wait_for(service.service, balancer, service.workers, service.login_rule_arns)

guards.Protection(name, parts, network.routes, protect=settings.protect)
