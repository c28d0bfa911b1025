"""The data plane: starts, stops and describes the databases, load balancers, tasks and metrics together."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from moto.logs import models as logs
from moto.rds import models as rds

from local_cloud.aws.ecs.api import EcsApi
from local_cloud.aws.ecs.network import TaskNetwork
from local_cloud.aws.ecs.placement import Addresses
from local_cloud.aws.ecs.runner import Runner
from local_cloud.aws.ecs.scheduler import Scheduler
from local_cloud.aws.elb.balancer import Balancer
from local_cloud.aws.elb.metrics import Traffic
from local_cloud.aws.elb.targets import Target, Targets
from local_cloud.aws.elb.upstream import HealthChecker
from local_cloud.aws.hooks import Hooking
from local_cloud.aws.names import NameProxy, trust_variables
from local_cloud.aws.rds.database import Databases
from local_cloud.aws.scaling.schedule import run_due
from local_cloud.aws.scheduler.invocations import Invocations
from local_cloud.building.builder import LocalImage
from local_cloud.clock import Clock, Due
from local_cloud.cloud.publisher import Publisher, publisher
from local_cloud.cloud.sessions import Sessions
from local_cloud.identity_provider import IdentityProvider
from local_cloud.machine.authority import Authority
from local_cloud.machine.guardian import FOLDER, Guardian
from local_cloud.machine.problems import PROBLEMS
from local_cloud.machine.processes import readable_by_all, unprivileged_account
from local_cloud.machine.sockets import Loop


class DataPlane:
    """Runs the resources that moto only records: databases, load balancers, tasks, security groups.

    ``folder`` is for its files. ``images`` returns the image of a reference or raises
    ImageNotFound. ``port`` is where the first HTTP:80 listener listens (None: 8080 if free, else
    any). ``client`` is the address of all clients of load balancers, or "" for any that may reach them.
    ``aws_endpoint`` is moto's address. With ``namespaces`` every task has a network
    namespace, with ``mounts`` every container a mount namespace.
    """

    def __init__(
        self,
        *,
        folder: Path,
        clock: Clock,
        images: Callable[[str], LocalImage],
        port: int | None,
        client: str = "",
        aws_endpoint: str,
        namespaces: bool,
        mounts: bool,
    ) -> None:
        self._given, self._clock, self._images = folder, clock, images
        self._port, self._client, self._aws_endpoint = port, client, aws_endpoint
        self._namespaces, self._mounts = namespaces, mounts
        self._hooking, self._guardian, self._loop = Hooking(), Guardian(), Loop()
        self._undo: list[Callable[[], None]] = []
        self._folder: Path | None = None
        self.authorities: Path | None = None
        """The file with the certificate authority that clients of the databases trust."""
        self.shell: dict[str, str] = {}
        """The variables with which HTTP clients in the shell reach load balancers by their names."""
        self._provider: IdentityProvider | None = None
        self._balancer: Balancer | None = None
        self._databases: Databases | None = None
        self._scheduler: Scheduler | None = None
        self._metrics: Publisher | None = None

    def start(self) -> None:
        """Start everything. Raises PortTaken, NoLoopback or OSError, after undoing what was started."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        PROBLEMS.clear()
        addresses = None if self._namespaces else Addresses()
        if addresses:
            addresses.check()
        self._guardian.start()
        self._undo.append(self._guardian.stop)
        folder = self._folder = self._make_folder()
        self._loop.start()
        self._undo.append(self._loop.stop)
        authority = Authority(folder)
        self.authorities = authority.path
        provider = self._provider = IdentityProvider(authority)
        provider.start()
        self._undo.append(provider.stop)
        databases = self._databases = Databases(folder, authority, self._guardian, self._clock)
        for module in (logs, rds):  # Those of ECS and CloudWatch are the local cloud's own.
            self._hooking.patch(module, "utcnow", lambda: self._clock.now().replace(tzinfo=None))
        targets, traffic = Targets(self._clock), Traffic(self._clock)
        network = TaskNetwork(
            self._loop, addresses, databases, self._aws_endpoint, mounts=self._mounts
        )
        balancer = self._balancer = Balancer(
            self._loop,
            self._clock,
            targets,
            network.find,
            authority,
            self._port,
            traffic,
            self._client,
        )
        balancer.start(self._hooking)
        self._undo.append(lambda: self._loop.run(balancer.stop()))
        names = NameProxy(self._loop, balancer.port_of)
        self.shell = names.start() | trust_variables(folder, authority)
        self._undo.append(names.stop)
        self._undo.append(databases.stop)
        databases.start(self._hooking)
        self._watch(targets, balancer)
        runner = Runner(folder, self._clock, self._guardian, self._images, authority.path)
        scheduler = self._scheduler = Scheduler(self._clock, targets, network, runner)
        self._undo.append(scheduler.stop)
        EcsApi(scheduler).start(self._hooking)
        sessions = Sessions(self._loop, databases, scheduler.find)
        self._undo.append(sessions.stop)
        sessions.start(self._hooking)
        scheduler.start()
        schedules = Invocations()
        for name, work in {"scheduled actions": run_due, "schedules": schedules.advance}.items():
            due = Due(name, self._clock, work)
            self._undo.append(due.stop)
            due.start()
        metrics = self._metrics = publisher(
            self._clock, traffic, targets, databases, scheduler, runner, schedules
        )
        self._undo.append(metrics.stop)
        metrics.start()

    def _watch(self, targets: Targets, balancer: Balancer) -> None:
        checker = HealthChecker(self._clock, targets, balancer.forwarding.address)

        async def follow(target: Target) -> None:
            """Check a target until it is deregistered, then close idle connections: its server may wait for them."""
            await checker.watch(target)
            if (address := balancer.forwarding.address(target, target.port)) is not None:
                balancer.forwarding.pool.close(address)

        def registered(target: Target) -> None:
            self._loop.begin(follow(target))

        targets.on_registered = registered
        targets.start(self._hooking)

    def stop(self) -> None:
        """End every process, close every listener and delete the files. A second call changes nothing."""
        self._hooking.remove()
        while self._undo:
            with PROBLEMS.caught("ending the data plane"):
                self._undo.pop()()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def describe(self) -> dict[str, object]:
        if self._folder is None or not (self._balancer and self._databases and self._scheduler):
            return {"listeners": [], "databases": [], "tasks": []}
        tasks = [
            {
                "id": task.id,
                "service": managed.service.name,
                "address": placement.address,
                "private_address": placement.private_address,
                "pid": [container.pid for container in placement.containers],
                "state": task.status,
            }
            for managed in list(self._scheduler.services.values())
            for task in list(managed.service.tasks)
            if (placement := managed.placements.get(task.id)) is not None
        ]
        return {
            "listeners": self._balancer.describe(),
            "databases": self._databases.describe(),
            "tasks": tasks,
            "issuer": self._provider.issuer if self._provider else "",
            "metrics": self._metrics.describe() if self._metrics else {},
        }

    def _make_folder(self) -> Path:
        """Create a folder that other users can enter, which they often cannot do in root's folders."""
        self._given.mkdir(parents=True, exist_ok=True)
        inside = unprivileged_account() is None or readable_by_all(self._given)
        folder = Path(tempfile.mkdtemp(prefix="data-plane-", dir=self._given if inside else None))
        folder.chmod(0o755)
        self._guardian.watch(FOLDER, folder)
        return folder
