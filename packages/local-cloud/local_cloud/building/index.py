"""Where RUN lines get packages from: the index, certificates and proxy of this machine's own configuration.

They are variables of the processes alone. Nothing of them is in an image.
"""

import configparser
import os
import re
import sys
from pathlib import Path

from local_cloud.machine.roots import MACHINE, Bind

NETWORK = re.compile(
    r"PIP_((EXTRA_)?INDEX_URL|NO_INDEX|FIND_LINKS|(CLIENT_)?CERT|TRUSTED_HOST|PROXY|(DEFAULT_)?TIMEOUT|RETRIES)"
    r"|UV_((DEFAULT_|EXTRA_)?INDEX\w*|NO_INDEX|FIND_LINKS|NATIVE_TLS|SYSTEM_CERTS|INSECURE_HOST|HTTP_\w+|OFFLINE)"
    r"|(POETRY|PIPENV)_(REPOSITORIES|HTTP|CERTIFICATES|PYPI|TIMEOUT)\w*"
    r"|SSL_CERT_(FILE|DIR)|(REQUESTS|CURL)_CA_BUNDLE|(?i:(https?|all|no)_proxy)"
)
FROM_PIP = (
    ("PIP_INDEX_URL", ("UV_DEFAULT_INDEX", "PIPENV_PYPI_MIRROR")),
    ("PIP_EXTRA_INDEX_URL", ("UV_INDEX",)),
    ("PIP_FIND_LINKS", ("UV_FIND_LINKS",)),
    ("PIP_CERT", ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")),
)
"""Variables of other tools that get what pip is told, where nothing else is said."""
CACHES = ("pip", "uv", "poetry", "pipenv")
SET = {
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_PROGRESS_BAR": "off",
    "PIP_ROOT_USER_ACTION": "ignore",
    "UV_LINK_MODE": "copy",
    "DEB_PYTHON_INSTALL_LAYOUT": "deb",
    **{f"{tool.upper()}_CACHE_DIR": f"/{MACHINE}/cache/{tool}" for tool in CACHES},
}


def variables(caches: Path) -> tuple[dict[str, str], list[Bind]]:
    """Return the variables, and what is mounted for those that name files. ``caches`` has the tools' caches."""
    named = {**_of_pip(), **os.environ}
    found = {name: value for name, value in named.items() if NETWORK.fullmatch(name) and value}
    for name, others in FROM_PIP:
        for other in others if name in found else ():
            found.setdefault(other, found[name])
    binds = [Bind(caches, Path("/", MACHINE, "cache"), writable=True)]
    for name, value in found.items():
        words = value.split()
        for number, word in enumerate(words):
            if word.startswith("/") and Path(word).exists():
                # A root that is kept has the places of earlier ones, each of which is a file or a folder for ever.
                kind = "folder" if Path(word).is_dir() else "file"
                target = Path("/", MACHINE, "given", f"{kind}{len(binds)}")
                binds.append(Bind(Path(word), target, writable=False))
                words[number] = str(target)
        found[name] = " ".join(words)
    return {**SET, **found}, binds


def _of_pip() -> dict[str, str]:
    """Return what pip's configuration files say, as variables (pip's documentation, "Configuration")."""
    home = Path(os.environ.get("HOME") or "/")
    configured = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    folders = (
        Path("/etc/xdg/pip"),
        Path("/etc"),
        home / ".pip",
        configured / "pip",
        Path(sys.prefix),
    )
    places = [
        *(folder / "pip.conf" for folder in folders),
        Path(os.environ.get("PIP_CONFIG_FILE") or "/"),
    ]
    parser = configparser.RawConfigParser()
    parser.read(file for file in places if file.is_file() and os.access(file, os.R_OK))
    sections = [parser[name] for name in ("global", "install") if name in parser]
    pairs = [pair for section in sections for pair in section.items()]
    return {f"PIP_{name.upper().replace('-', '_')}": value for name, value in pairs}
