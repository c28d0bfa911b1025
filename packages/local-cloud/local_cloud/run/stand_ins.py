"""The stand-ins for AWS's API and for the providers, with which the engine runs a program; nothing runs in them."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from local_cloud.aws.rds.rules import make_service_role
from local_cloud.building.builder import Builder
from local_cloud.calls import Calls
from local_cloud.cloud.api import Api
from local_cloud.engine.language import Hosts, Language
from local_cloud.providers.aws import OUTPUTS
from local_cloud.providers.aws.provider import AwsServicer
from local_cloud.providers.awsx import AwsxServicer
from local_cloud.providers.docker_provider import DockerServicer


def start_api(
    region: str,
    images: Path,
    docker: bool,
    stops: ExitStack,
    *,
    mounts: bool = True,
    port: int = 0,
) -> tuple[Calls, Builder]:
    """Start AWS's API. Return its clients, and the builder of images, which pushes them there. Raises PortTaken."""
    api = Api(region)
    calls = Calls(api.start(port))
    stops.callback(api.stop)
    make_service_role(calls)
    builder = Builder(calls, images, docker=docker, mounts=mounts)
    stops.callback(builder.close)
    return calls, builder


def start_hosts(
    calls: Calls, builder: Builder, variables: Mapping[str, str], stops: ExitStack
) -> Hosts:
    """Start the language host and the provider hosts that the engine attaches to, with the program's variables."""
    language = Language(variables, OUTPUTS)
    providers = {
        "aws": AwsServicer(calls, lambda: language.folder),
        "awsx": AwsxServicer(),
        "docker": DockerServicer(builder, lambda: language.folder),
    }
    hosts = Hosts(language, providers)
    hosts.start()
    stops.callback(hosts.stop)
    return hosts
