"""The components of careapp as files of the project."""

import shutil
from pathlib import Path

from careapp import IN_CHECKOUT
from ecs_gate.text import Refused

PACKAGE = Path(__file__).parents[1] / "infra"


def eject(project: Path) -> None:
    """Copy the installed version's components to infra/, and let the program import them. Raises ``Refused``."""
    program, target = project / "__main__.py", project / "infra"
    if IN_CHECKOUT or target.exists():
        raise Refused(
            "{folder} is there already: the components are the project's own", folder="infra/"
        )
    if not program.exists():
        raise Refused("{file} does not exist; run this in the project's folder", file=str(program))
    shutil.copytree(PACKAGE, target, ignore=shutil.ignore_patterns("__pycache__"))
    program.write_text(program.read_text().replace("from careapp.infra", "from infra"))
