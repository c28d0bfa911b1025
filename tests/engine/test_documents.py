"""Every `pulumi` command that a page tells a reader to type is one of the engine's, with these options."""

import re
import subprocess

from local_cloud.engine.find import find_or_get
from tests.documents.markdown import pages
from tests.documents.typed import typed

ALIASES = {"init": "new", "rm": "remove"}
OPTION = r"--?[a-z][a-z-]*"


def test_pulumi_commands_of_all_pages_are_commands_with_these_options(tmp_path):
    subprocess.run([find_or_get(), "gen-markdown", tmp_path], check=True, timeout=60)
    found = [words for page in pages() for words in typed(page, "pulumi")]
    found += [["upp", "-s", "poc"], ["config", "st", "a"], ["up", "--stak=poc"]]
    wrong = []
    for words in found:
        names = words[: 2 if any(tmp_path.glob(f"pulumi_{words[0]}_*")) else 1]
        names = [ALIASES.get(name, name) for name in names if not name.startswith("-")]
        path = tmp_path / f"pulumi_{'_'.join(names)}.md"
        known = re.findall(rf"(?<=[ ,]){OPTION}", path.read_text()) if path.exists() else ()
        options = {match[0] for word in words if (match := re.match(OPTION, word))}
        wrong += [words] if not path.exists() or options - {*known} else []
    assert (wrong, len(found) > 50) == (found[-3:], True)
