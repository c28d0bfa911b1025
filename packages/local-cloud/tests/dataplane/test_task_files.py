"""The files of a task without Docker: its read-only root, its /tmp and volumes, and what is left of them."""

# ruff: noqa: S108 - the paths are those in a container

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

import click
import pytest

from local_cloud.aws.ecs.containers import CannotRun, ProcessGroup
from local_cloud.aws.ecs.file_system import container_binds, docker_volumes, resolver_binds
from local_cloud.aws.ecs.plans import Plan, plan
from local_cloud.aws.ecs.runner import stop_signal
from local_cloud.building.builder import LocalImage
from local_cloud.building.files import own
from local_cloud.machine import namespaces
from local_cloud.machine.guardian import Guardian
from local_cloud.machine.processes import readable_by_all
from local_cloud.machine.roots import MACHINE, Bind
from local_cloud.paths import ROOT
from local_cloud.run.shell import CloudFlags
from local_cloud.text import verbatim
from tests.dataplane.conftest import make_image, own_mounts

pytestmark = pytest.mark.skipif(not own_mounts(), reason="this machine refuses mount namespaces")

TMP = {"sourceVolume": "tmp", "containerPath": "/tmp", "readOnly": False}
READ_ONLY = {"readonlyRootFilesystem": True, "mountPoints": [TMP]}

WRITE = """
import json, os, sys
def tried(path):
    try:
        with open(path, "a") as file:
            file.write("x")
    except OSError as error:
        return os.strerror(error.errno)
    return "written"
print(json.dumps([tried(path) for path in sys.argv[1:]]))
"""
REFUSED = "Read-only file system"


@pytest.fixture
def namespace():
    made = namespaces.Namespace(["10.0.16.4", "169.254.170.2"])
    yield made
    made.close()


@pytest.fixture
def start(namespace, image, tmp_path):
    """Return a function that starts a container of the test app's image and returns it."""

    def run(*argv: str, folder: Path = tmp_path / "task", used: LocalImage = image, **definition):
        definition = {"name": "app", "environment": [], "command": list(argv), **definition}
        made: Plan = plan(definition, used, {}, {}, None, own_root=True)
        return ProcessGroup(made, Guardian(), None, namespace, container_binds(made, folder))

    return run


@pytest.fixture
def said(start):
    """Return a function that runs a Python program as a container and returns what it printed."""

    def run(program: str, *arguments: str, **change):
        running = start(sys.executable, "-c", program, *arguments, **change)
        with running.output:
            output = running.output.read().decode()
        assert running.wait() == 0, output
        return json.loads(output)

    return run


def test_a_read_only_root_takes_files_in_tmp_and_shared_memory_only(said, image, tmp_path):
    elsewhere = ["/app/app.db", "/var/tmp/x", "/usr/x", "app.db"]
    assert said(WRITE, "/tmp/x", "/dev/shm/x", "/dev/null", *elsewhere, **READ_ONLY) == [
        *("written", "written", "written"),
        *(REFUSED, REFUSED, REFUSED, REFUSED),
    ]
    assert not (image.folder / "app.db").exists()
    assert (tmp_path / "task" / "volume-tmp" / "x").read_text() == "x"
    assert not Path("/dev/shm/x").exists()


MOUNTS = """
import json
rows = [line.split() for line in open("/proc/self/mountinfo")]
print(json.dumps(sorted({row[4] for row in rows if "rw" in row[5].split(",")})))
"""


def test_every_mount_of_the_machine_is_read_only_but_proc(said):
    assert said(MOUNTS, **READ_ONLY) == ["/dev/shm", "/proc", "/tmp"]


def test_without_a_volume_tmp_is_empty_and_read_only(said):
    assert said(WRITE, "/tmp/x", readonlyRootFilesystem=True) == [REFUSED]
    assert said("import os; print(len(os.listdir('/tmp')))", readonlyRootFilesystem=True) <= 1


def test_a_volume_in_the_image_s_folder_is_writable_and_another_container_of_the_task_reads_it(
    said, image
):
    data = {"sourceVolume": "data", "containerPath": "/app/data"}
    declared = {"readonlyRootFilesystem": True, "mountPoints": [data]}
    assert said(WRITE, "data/x", "x", **declared) == ["written", REFUSED]
    reader = {**declared, "name": "reader", "mountPoints": [{**data, "readOnly": True}]}
    assert said(WRITE, "data/x", **reader) == [REFUSED]
    assert said("import os; print(len(os.listdir('data')))", **reader) == 1
    assert list((image.folder / "data").iterdir()) == []


def test_a_tmpfs_is_the_container_s_own_where_its_root_is_read_only(said, image):
    """Fargate has it since January 2026 (AWS, "What's new", Amazon ECS tmpfs mounts on AWS Fargate)."""
    mounts = [
        {"containerPath": "/run", "size": 64},
        {"containerPath": "/own", "size": 1, "mountOptions": ["ro"]},
    ]
    definition = {"readonlyRootFilesystem": True, "linuxParameters": {"tmpfs": mounts}}
    assert said(WRITE, "/run/x", "/own/x", "/x", **definition) == ["written", REFUSED, REFUSED]
    made = plan(
        {"name": "app", "environment": [], "user": "10001", **definition}, image, {}, {}, None
    )
    assert docker_volumes(made)[1::2] == ["/run:rw,mode=1777,size=64m", "/own:ro,mode=1777,size=1m"]


def test_a_writable_root_is_a_copy_of_the_image_s_files(said, image, tmp_path):
    for file in image.root.rglob("*"):
        own(file)  # as those of an image that was built
    source = image.folder / "webapp" / "app.py"
    before = source.read_text()
    files = ["webapp/app.py", "app.db", "/tmp/x", "/var/tmp/x"]
    assert said(WRITE, *files) == ["written"] * 4
    assert source.read_text() == before
    assert not (image.folder / "app.db").exists()
    assert (tmp_path / "task" / "root-app" / "app" / "app.db").exists()


def test_an_app_below_usr_may_write_into_its_folder_too(said, image, tmp_path):
    """/usr/src/app is the working folder in the examples of the official image of Python."""
    places = ["usr/src/app", "usr/app", "usr/local/app"]
    (image.root / MACHINE / "usr").mkdir()
    for folder in Path("/usr").iterdir():
        if folder.name not in ("local", "src"):
            (image.root / "usr" / folder.name).symlink_to(f"/{MACHINE}/usr/{folder.name}")
    for place in places:
        shutil.copytree(image.folder, image.root / place)
    for file in (image.root / "usr").rglob("*"):
        own(file)
    used = replace(image, folder=image.root / places[0])
    files = ["app.db", *(f"/{place}/new.db" for place in places), "/usr/bin/x"]
    assert said(WRITE, *files, used=used) == ["written"] * 4 + [REFUSED]
    assert not list(image.root.rglob("*.db"))
    assert said(WRITE, *files, used=used, name="other", **READ_ONLY) == [REFUSED] * 5


SEEN = "import json, os, sys; print(json.dumps([os.path.exists(path) for path in sys.argv[1:]]))"


def test_a_container_sees_neither_the_user_s_home_nor_the_checkout(start, image):
    used = replace(image, python=None)
    paths = [str(Path.home() / ".bashrc"), str(ROOT / "local_cloud"), str(image.root), "/app"]
    running = start(f"{sys.base_prefix}/bin/python3", "-c", SEEN, *paths, used=used, **READ_ONLY)
    with running.output:
        assert json.loads(running.output.read()) == [False, False, False, True]
    running.wait()


def test_a_health_check_runs_in_the_container_s_files_without_its_entry_point(start, image):
    used = replace(image, entry_point=(sys.executable, "-c", "input()"))
    running = start("report", used=used, **READ_ONLY)
    try:
        write = "import sys; open(sys.argv[1], 'x')"
        assert running.check([sys.executable, "-c", write, "/tmp/x"], 10) == 0
        assert running.check([sys.executable, "-c", write, "x"], 10) == 1
    finally:
        running.signal(9)
        running.output.close()
        running.wait()


ROOT_OF_IMAGE = """
import json, os, socket
from pathlib import Path
with open("/dev/stdout", "a") as again:
    again.write("")
def address(name):
    try:
        return socket.gethostbyname(name)
    except OSError as error:
        return error.strerror
print(json.dumps([
    Path("/app/webapp/app.py").exists(), Path("/srv/own.txt").read_text(), os.path.exists("/tmp/hidden"),
    os.environ["PLACE"], Path("/etc/hosts").read_text().splitlines(), Path("/etc/made.conf").read_text(),
    os.path.exists("/etc/passwd"), *map(address, ("db.example", "localhost", "db", "db.nowhere.invalid")),
]))
"""


def test_a_container_has_the_image_s_files_at_their_paths_and_the_vpc_s_names(
    namespace, image, tmp_path
):
    for name in ("srv/own.txt", "tmp/hidden", "etc/made.conf"):
        (image.root / name).parent.mkdir(exist_ok=True)
        (image.root / name).write_text("image")
    definition = {
        **{"name": "app", "command": [sys.executable, "-c", ROOT_OF_IMAGE], **READ_ONLY},
        "environment": [{"name": "PLACE", "value": "/app/webapp"}],
    }
    made = plan(definition, image, {}, {}, None, own_root=True)
    binds = [
        *container_binds(made, tmp_path / "task"),
        *resolver_binds(tmp_path / "task", {"db.example": "169.254.170.2"}),
    ]
    running = ProcessGroup(made, Guardian(), None, namespace, binds)
    with running.output:
        said = running.output.read().decode()
    assert running.wait() == 0, said
    hosts = ["127.0.0.1 localhost", "169.254.170.2 db.example"]
    addresses = ["169.254.170.2", "127.0.0.1", *["Name or service not known"] * 2]
    expected = [True, "image", False, "/app/webapp", hosts, "image", True, *addresses]
    assert json.loads(said) == expected


@pytest.mark.parametrize("name", ["SIGQUIT", "QUIT", "3"])
def test_the_stop_signal_of_an_image_is_a_name_or_a_number(name):
    assert stop_signal(name) == signal.SIGQUIT


def test_a_container_has_no_way_out_by_its_working_folder_or_an_open_file(said, image):
    linked = "import json, os; print(json.dumps([os.readlink('/proc/self/cwd'), os.getcwd()]))"
    assert said(linked, **READ_ONLY) == ["/app"] * 2
    held = "import json, os; print(json.dumps(sorted(map(int, os.listdir('/proc/self/fd')))[:3]))"
    assert said(held, **READ_ONLY) == [0, 1, 2]


def test_nothing_is_mounted_outside_and_the_namespace_ends_with_its_last_process(start, tmp_path):
    def mounted():
        return Path("/proc/self/mountinfo").read_text()

    before = mounted()
    waits = "import time; print('runs', flush=True); time.sleep(60)"
    running = start(sys.executable, "-c", waits, **READ_ONLY)
    assert running.output.readline() == b"runs\n"
    assert mounted() == before
    assert Path(f"/proc/{running.pid}/ns/mnt").readlink() != Path("/proc/self/ns/mnt").readlink()
    running.signal(9)
    running.output.close()
    running.wait()
    assert str(tmp_path) not in mounted()


def test_a_mount_that_the_machine_refuses_is_a_container_that_cannot_start(
    namespace, image, tmp_path
):
    made = plan(
        {"name": "app", "environment": [], "command": ["true"]}, image, {}, {}, None, own_root=True
    )
    binds = [Bind(image.root, Path("/"), writable=False)]
    binds.append(Bind(tmp_path / "none", Path("/app"), writable=True))
    with pytest.raises(CannotRun, match=r"CannotStartContainerError: .*No such file or directory"):
        ProcessGroup(made, Guardian(), None, namespace, binds)


UNPRIVILEGED = """
import subprocess, tempfile
from pathlib import Path
from local_cloud.machine.namespaces import Namespace, mount_refusal, refusal
from local_cloud.machine.roots import Bind, mountable, of_machine, prepare
print(refusal(), mount_refusal())
made = {address: Namespace([address]) for address in ("10.0.16.4", "10.0.16.5")}
pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
serve = ["python3", "-u", "-m", "http.server", "3000"]
apps = [subprocess.Popen([*each.command_prefix(None), *serve], **pipes) for each in made.values()]
for app, (address, namespace) in zip(apps, made.items()):
    app.stdout.readline()
    with namespace.new_socket() as client:
        print(client.connect_ex((address, 3000)))
[each.kill() for each in apps]
with tempfile.TemporaryDirectory() as folder:
    root, own = Path(folder, "root"), Path(folder, "own")
    root.mkdir(), own.mkdir()
    prepare(root)
    binds = [Bind(root, Path("/"), False), Bind(own, Path("/tmp"), True), *of_machine(root, ())]
    mounts = namespace.mount(mountable(binds))
    for program in ("id -un", "pwd", "touch /tmp/x && ls /tmp", "touch /opt/x", "touch /dev/shm/x && echo shared"):
        words = [*namespace.command_prefix(None, mounts, Path("/var")), "sh", "-c", program]
        print(subprocess.run(words, **pipes).stdout, end="")
for each in made.values():
    each.close()
"""


@pytest.mark.slow
def test_unprivileged_user_s_tasks_have_one_port_each_and_a_read_only_root():
    """As root, the tests run it as the user nobody; for any other user, other tests show it."""
    python = which("python3", path="/usr/bin")
    if os.geteuid() != 0 or python is None or not readable_by_all(ROOT):
        pytest.skip("needs root, a system's Python, and a checkout that every user may read")
    packages = Path(click.__file__).parents[1]
    begin = f"import sys\nsys.path[:0] = [{str(ROOT)!r}]\nsys.path.append({str(packages)!r})\n"
    nobody = {"user": "nobody", "group": "nogroup", "extra_groups": [], "cwd": "/"}
    words = [python, "-c", begin + UNPRIVILEGED]
    done = subprocess.run(words, capture_output=True, text=True, check=False, **nobody)
    assert done.stdout.splitlines() == [
        *("None None", "0", "0", "nobody", "/var", "x"),
        "touch: cannot touch '/opt/x': Read-only file system",
        "shared",
    ], done.stderr


def test_a_machine_that_refuses_mounts_gives_the_reason(monkeypatch, tmp_path):
    refusing = tmp_path / "holder.py"
    text = namespaces.HOLDER.read_text()
    refusing.write_text(
        text.replace("    check(LIBC.unshare(CLONE_NEWNS))", "    raise OSError('no')")
    )
    monkeypatch.setattr(namespaces, "HOLDER", refusing)
    assert (namespaces.refusal(), str(namespaces.mount_refusal())) == (None, "no")
    refusing.write_text(text.replace('if mode == "ro"', 'if mode == "never"'))
    assert str(namespaces.mount_refusal()) == "a mount stays writable"


def test_root_that_is_writable_is_said_with_the_reason_and_the_way_out(monkeypatch, capsys):
    flags = CloudFlags(tasks="process", speed=1, port=0)
    no, none = (verbatim(f"[Errno {reason}") for reason in ("1] no", "2] none"))
    for networks, mounts, why in ((None, None, ""), (None, no, str(no)), (none, no, str(none))):
        monkeypatch.setattr(namespaces, "refusal", lambda refused=networks: refused)
        monkeypatch.setattr(namespaces, "mount_refusal", lambda refused=mounts: refused)
        found = flags.options("x")
        assert (found.namespaces, found.mounts) == (networks is None, mounts is None)
        said = " ".join(capsys.readouterr().err.split())
        words = f"refuses mount namespaces: {why}. An app that writes outside /tmp works here"
        assert (words in said, "(--tasks docker)" in said) == (bool(why), bool(why))


@pytest.mark.parametrize(
    ("user", "declared", "expected"),
    [("10001:10001", ("/tmp",), "1777"), ("10001", ("/srv",), "755"), ("0:0", (), "1777")],
    ids=["declared by VOLUME", "not declared", "the user is root"],
)
def test_a_volume_belongs_to_root_unless_the_image_declares_it(image, user, declared, expected):
    """ECS Developer Guide, "Use bind mounts with Amazon ECS"."""
    definition = {"name": "app", "environment": [], "command": ["x"], "user": user, **READ_ONLY}
    made = plan(definition, replace(image, volumes=declared), {}, {}, None)
    assert docker_volumes(made) == ["--tmpfs", f"/tmp:rw,mode={expected}"]


def test_a_user_who_is_not_root_cannot_write_to_a_volume_that_the_image_does_not_declare(start):
    python = which("python3", path="/usr/bin")
    if python is None:
        pytest.skip("needs a Python that every user may run")
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        said = []
        for declared in ((), ("/tmp",)):
            used = make_image(folder / "image", python=None, volumes=declared)
            task = folder / f"task{len(declared)}"
            running = start(
                *(python, "-c", WRITE, "/tmp/x"), folder=task, used=used, user="10001", **READ_ONLY
            )
            with running.output:
                said += json.loads(running.output.read())
            running.wait()
    assert said == ["Permission denied", "written"]
