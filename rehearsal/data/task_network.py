"""Gives tasks their places in the network and takes them back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from rehearsal.control import hooks
from rehearsal.data.addresses import Addresses
from rehearsal.data.database import Databases
from rehearsal.data.firewall import allows
from rehearsal.data.forwarder import Forwarder
from rehearsal.data.loop import Loop
from rehearsal.data.metadata import Metadata
from rehearsal.data.namespaces import Namespace
from rehearsal.data.network import attach, database_endpoint, detach, endpoint_of, reaches, read_map
from rehearsal.data.task_place import API_PORT, METADATA_PORT, PLATFORM, Place

API_SERVICES = ("secretsmanager", "logs", "ecr.api", "ecs", "sts")


class TaskNetwork:
    """The places of all tasks, found by private address.

    Every task has a network namespace; with ``addresses`` it has one of those instead.
    """

    def __init__(
        self, loop: Loop, addresses: Addresses | None, databases: Databases, aws_endpoint: str
    ) -> None:
        self._loop, self._addresses, self._databases = loop, addresses, databases
        self._api_port = urlsplit(aws_endpoint).port
        self._by_address: dict[str, Place] = {}
        self._metadata: dict[str, Metadata] = {}
        self._database_ports: set[int] = set()

    def find(self, private_address: str) -> Place | None:
        """The place with that address in the VPC."""
        return self._by_address.get(private_address)

    def give(
        self,
        task: str,
        service: Any,
        configuration: Mapping[str, Any],
        definition: Any,
        status: Callable[[], str],
    ) -> Place:
        """A place for a new task, where its revision wants it.

        Raises NoAddressLeft, NoLoopback or OSError.
        """
        network = configuration["awsvpcConfiguration"]
        subnet = self._emptiest(network["subnets"])
        public = network.get("assignPublicIp") == "ENABLED"
        words = f"{service.cluster_arn}/{task}"
        interface = attach(subnet, network.get("securityGroups") or [], public, words)
        try:
            place = self._settle(task, service, definition, interface, status)
        except BaseException:
            detach(interface.id)
            raise
        self._by_address[place.private_address] = place
        self._open_doors(place)
        return place

    def _settle(
        self, task: str, service: Any, definition: Any, interface: Any, status: Callable[[], str]
    ) -> Place:
        """The task's place, with the task metadata served in it.

        A loopback address belongs to the local cloud that listens on its metadata port.
        """
        while True:
            address, namespace = self._network_of(definition, str(interface.private_ip_address))
            place = Place(
                task=task,
                cluster=service.cluster_name,
                service=service.name,
                definition=definition,
                interface=interface,
                address=address,
                namespace=namespace,
            )
            metadata = Metadata(place, status)
            try:
                self._loop.run(metadata.start())
            except OSError:
                if namespace is None:
                    # Another local cloud was quicker; the address stays marked as taken.
                    continue
                namespace.close()
                raise
            self._metadata[task] = metadata
            return place

    def _network_of(self, definition: Any, private_address: str) -> tuple[str, Namespace | None]:
        if self._addresses is None:
            return private_address, Namespace([private_address, PLATFORM])
        return self._addresses.take([*_ports(definition), METADATA_PORT, API_PORT]), None

    def refresh(self) -> None:
        """Let tasks that run already reach a database that was declared after them."""
        ports = _database_ports()
        if ports - self._database_ports:
            self._database_ports = ports
            for place in list(self._by_address.values()):
                self._open_doors(place)

    def _open_doors(self, place: Place) -> None:
        """Listen for the AWS API and for every database port that is declared now."""
        if API_PORT not in place.forwarders:
            self._listen(place, API_PORT, partial(self._api, place))
        for port in _database_ports() - set(place.forwarders) - set(_ports(place.definition)):
            self._listen(place, port, partial(self._database, place, port))

    def take_back(self, place: Place) -> None:
        """Close everything and delete the network interface."""
        self._by_address.pop(place.private_address, None)
        metadata = self._metadata.pop(place.task, None)
        if metadata is not None:
            self._loop.run(metadata.stop())
        for forwarder in place.forwarders.values():
            self._loop.run(forwarder.stop())
        detach(place.interface.id)
        if place.namespace is not None:
            place.namespace.close()
        elif self._addresses is not None:
            self._addresses.give_back(place.address)

    def _listen(self, place: Place, port: int, lookup: Callable[[], int | None]) -> None:
        forwarder = place.forwarders[port] = Forwarder(place.listener(port), lookup)
        self._loop.run(forwarder.start())

    def _emptiest(self, subnets: Sequence[str]) -> str:
        """ECS spreads tasks over the zones."""
        used = [str(place.interface.subnet.id) for place in self._by_address.values()]
        return min(subnets, key=lambda subnet: (used.count(subnet), subnets.index(subnet)))

    def _api(self, place: Place) -> int | None:
        network, source = read_map(), endpoint_of(place.interface)
        open_ = any(reaches(network, source, service) for service in API_SERVICES)
        return self._api_port if open_ else None

    def _database(self, place: Place, port: int) -> int | None:
        """The first running database on that port that the rules let the task reach."""
        network, source = read_map(), endpoint_of(place.interface)
        with hooks.LOCK:
            instances = list(hooks.backend("rds").databases.values())
        for instance in instances:
            server = self._databases.server(str(instance.db_instance_identifier))
            if server is None or server.pid is None or int(instance.port) != port:
                continue
            if allows(network, source, database_endpoint(instance), port):
                return server.port
        return None


def _database_ports() -> set[int]:
    with hooks.LOCK:
        return {int(each.port) for each in hooks.backend("rds").databases.values()}


def _ports(definition: Any) -> list[int]:
    return [
        int(mapping["containerPort"])
        for container in definition.container_definitions
        for mapping in container.get("portMappings") or ()
    ]
