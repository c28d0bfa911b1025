"""Where RUN lines get packages from: the index, certificates and proxy of this machine's own configuration.

They are variables of the processes alone. Nothing of them is in an image.
"""

from __future__ import annotations

import configparser
import os
import re
import sys
from pathlib import Path

from tools.local_cloud.machine.roots import MACHINE, Bind

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
CACHES = {
    "PIP_CACHE_DIR": "pip",
    "UV_CACHE_DIR": "uv",
    "POETRY_CACHE_DIR": "poetry",
    "PIPENV_CACHE_DIR": "pipenv",
}
QUIET = {
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
    "UV_LINK_MODE": "copy",
}
QUIET |= {"DEB_PYTHON_INSTALL_LAYOUT": "deb", "PIP_PROGRESS_BAR": "off"}


def variables(caches: Path) -> tuple[dict[str, str], list[Bind]]:
    """Return the variables, and what is mounted for those that name files. ``caches`` has the tools' caches."""
    found = _of_pip() | {
        name: value for name, value in os.environ.items() if NETWORK.fullmatch(name) and value
    }
    for name, others in FROM_PIP:
        for other in others if name in found else ():
            found.setdefault(other, found[name])
    binds = [Bind(caches, Path("/", MACHINE, "cache"), writable=True)]
    for name, value in found.items():
        words = []
        for word in value.split():
            if word.startswith("/") and Path(word).exists():
                target = Path("/", MACHINE, "given", str(len(binds)))
                binds.append(Bind(Path(word), target, writable=False))
                word = str(target)
            words.append(word)
        found[name] = " ".join(words)
    return {
        **QUIET,
        **{name: f"/{MACHINE}/cache/{folder}" for name, folder in CACHES.items()},
        **found,
    }, binds


def _of_pip() -> dict[str, str]:
    """Return what pip's configuration files say, as variables (pip's documentation, "Configuration")."""
    home = Path(os.environ.get("HOME") or "/")
    configured = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    places = [
        *(Path(each) for each in ("/etc/xdg/pip/pip.conf", "/etc/pip.conf")),
        home / ".pip/pip.conf",
    ]
    places += [
        configured / "pip/pip.conf",
        Path(sys.prefix, "pip.conf"),
        Path(os.environ.get("PIP_CONFIG_FILE") or "/none"),
    ]
    parser = configparser.RawConfigParser()
    parser.read([each for each in places if os.access(each, os.R_OK) and each.is_file()])
    pairs = [
        pair
        for name in ("global", "install")
        if parser.has_section(name)
        for pair in parser.items(name)
    ]
    named = {f"PIP_{name.upper().replace('-', '_')}": value for name, value in pairs}
    return {name: value for name, value in named.items() if NETWORK.fullmatch(name)}
