"""What PyPI gets of each package: all of its files and nothing else, the licence, a page with whole addresses."""

import re
import subprocess
import tarfile
from email import message_from_bytes
from pathlib import Path
from zipfile import ZipFile

import pytest

from careapp import ROOT
from tests.distributions import DISTRIBUTIONS, build, check, main, outside, version
from tests.documents.markdown import Page

pytestmark = pytest.mark.slow
LICENSE = (ROOT / "LICENSE").read_bytes()


@pytest.fixture(scope="module", params=sorted(DISTRIBUTIONS))
def built(request, tmp_path_factory):
    """A package with the folders of its builds: a source distribution with its wheel, and the wheel that pip makes."""
    out, of_folder = (tmp_path_factory.mktemp(request.param) for _ in range(2))
    build(request.param, out)
    build(request.param, of_folder, "--wheel")
    return request.param, out, of_folder


def only(folder, pattern):
    [file] = folder.glob(pattern)
    return file


def files_of(wheel):
    """The files of a wheel by their names, those of its metadata by their names in that folder."""
    with ZipFile(wheel) as content:
        return {
            re.sub(r"^[\w.]+-[\w.]+\.dist-info/", "METADATA/", name): content.read(name)
            for name in content.namelist()
        }


def listed(folder):
    """The files below a folder that Git has, or would add."""
    names = subprocess.check_output(
        ("git", "ls-files", "--cached", "--others", "--exclude-standard", "."),
        cwd=folder,
        text=True,
    )
    return [folder / name for name in names.splitlines() if (folder / name).exists()]


def sources_of(name):
    """Every file of a package, with those that it has from elsewhere, without what is left out."""
    folder = ROOT / "packages" / name
    added, left_out = outside(name)
    places = {DISTRIBUTIONS[name]: DISTRIBUTIONS[name], **added}
    found = {}
    for origin, target in places.items():
        path = (folder / origin).resolve()
        files = listed(path) if path.is_dir() else [path]
        found |= {str(Path(target, file.relative_to(path))): file.read_bytes() for file in files}
    return {file: content for file, content in found.items() if file not in left_out}


def test_a_wheel_has_every_file_of_its_package_and_nothing_else(built):
    name, *folders = built
    sources = sources_of(name)
    assert f"{DISTRIBUTIONS[name]}/py.typed" in sources
    assert any(not file.endswith((".py", "py.typed")) for file in sources)
    for folder in folders:
        found = files_of(only(folder, "*.whl"))
        own = {file: text for file, text in found.items() if not file.startswith("METADATA/")}
        assert own.keys() == sources.keys()
        assert [file for file in own if own[file] != sources[file]] == []


def test_wheels_and_the_source_distribution_have_the_licence_of_the_repository(built):
    _, *folders = built
    for folder in folders:
        assert files_of(only(folder, "*.whl"))["METADATA/licenses/LICENSE"] == LICENSE
    with tarfile.open(only(folders[0], "*.tar.gz")) as content:
        [licence] = [file for file in content if file.name.endswith("/LICENSE")]
        assert content.extractfile(licence).read() == LICENSE
        own = [file for file in content.getnames() if "/template/" not in file]
        assert [file for file in own if "/tests/" in file] == []


def test_the_page_at_pypi_is_the_readme_with_whole_addresses(built):
    name, out, _ = built
    page = message_from_bytes(files_of(only(out, "*.whl"))["METADATA/METADATA"])
    text, readme = page.get_payload(), ROOT / "packages" / name / "README.md"
    whole = re.findall(
        r"https://(?:github\.com|raw\.githubusercontent\.com)/OWNER/careapp/\S+?\)", text
    )
    assert re.findall(r"\]\((?!https?://)", text) == []
    assert len(whole) >= len([link for link in Page(readme).links if ":" not in link]) > 0
    assert page["License-Expression"] == "MIT"
    assert "Typing :: Typed" in page.get_all("Classifier")
    urls = dict(url.split(", ") for url in page.get_all("Project-URL"))
    assert urls.keys() == {"Source", "Changelog", "Issues"}
    assert all(url.startswith("https://github.com/OWNER/careapp") for url in urls.values())


def test_the_changelog_begins_with_the_version(built):
    name, *_ = built
    log = (ROOT / "packages" / name / "CHANGELOG.md").read_text()
    assert re.findall(r"^## (\S+?),? ", log, re.M)[0] == version(name)


def test_twine_and_check_wheel_contents_have_nothing_to_say(built):
    _, out, _ = built
    check(sorted(out.iterdir()))


def test_the_same_commit_is_built_to_the_same_bytes(built, tmp_path):
    name, out, _ = built
    build(name, tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        file.name: file.read_bytes() for file in out.iterdir()
    }


def test_a_tag_that_is_not_the_version_releases_nothing(tmp_path):
    first = next(iter(DISTRIBUTIONS))
    said = main(tmp_path, "v99.0.0") or ""
    assert said.startswith(f"v99.0.0 is not the version of {first}, {version(first)}: ")
    assert [*tmp_path.iterdir()] == []


def test_the_hook_that_adds_the_licence_is_the_same_in_each():
    hooks = {(ROOT / "packages" / name / "hatch_build.py").read_text() for name in DISTRIBUTIONS}
    assert len(hooks) == 1
