"""careapp on AWS: the settings, then the parts from the outside in, then what a user needs."""

import pulumi

from infra.database import Database, DatabaseArgs
from infra.load_balancer import LoadBalancer, LoadBalancerArgs
from infra.network import Network, NetworkArgs
from infra.registry import AppImage, AppImageArgs
from infra.service import Service, ServiceArgs
from infra.settings import Settings

settings = Settings.load()
name, tags, protect = settings.prefix, settings.tags, settings.protect

network = Network(name, NetworkArgs(settings=settings.network, tags=tags))
database = Database(
    name,
    DatabaseArgs(settings=settings.database, network=network, protect=protect, tags=tags),
)
image = AppImage(
    name,
    AppImageArgs(
        settings=settings.image, repository=settings.repository, protect=protect, tags=tags
    ),
)
balancer = LoadBalancer(
    name,
    LoadBalancerArgs(settings=settings.health, network=network, protect=protect, tags=tags),
)
outputs = {
    "stage": 2 if settings.ecs_enabled else 1,
    "pageUrl": pulumi.Output.concat("http://", balancer.dns_name),
    "repositoryUrl": image.repository_url,
    "imageDigest": image.digest,
    "databaseEndpoint": database.address,
    "databaseSecretArn": database.secret_arn,
    "targetGroupArn": balancer.target_group_arn,
}
if settings.ecs_enabled:
    service = Service(
        name,
        ServiceArgs(
            settings=settings.service,
            region=settings.region,
            network=network,
            database=database,
            image=image,
            balancer=balancer,
            tags=tags,
        ),
    )
    outputs |= {
        "clusterName": service.cluster_name,
        "serviceName": service.service_name,
        "logGroupName": service.log_group_name,
    }
for key, value in outputs.items():
    pulumi.export(key, value)
