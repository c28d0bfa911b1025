"""The documents: links, commands, diagrams, settings, the same content in both languages, console blocks."""

import re
import ssl
from urllib.parse import unquote

import boto3
import pytest

from careapp.cli import main
from careapp.settings.container import RESERVED
from local_cloud.building import dockerfile
from tests.documents import local_cloud, settings
from tests.documents.markdown import ROOT, Page, pages
from tests.documents.pairs import differences, pairs
from tests.documents.typed import typed, unknown
from tests.recorded import FOLDER

README = Page(ROOT / "README.md")


def name_of(page: Page) -> str:
    return str(page.path.relative_to(ROOT))


def dead(page: Page, link: str) -> bool:
    """Whether a link into the project leads nowhere: no such file, or no such heading in it."""
    if re.match(r"[a-z]+:", link):
        return False
    place, _, anchor = unquote(link).partition("#")
    target = (page.path.parent / place).resolve() if place else page.path
    if not target.exists() or not target.is_relative_to(ROOT):
        return True
    return bool(anchor) and anchor not in Page(target).anchors


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_no_link_is_dead(page):
    assert [link for link in page.links if dead(page, link)] == []


def test_texts_name_pages_and_headings_that_exist():
    texts = "".join(
        path.read_text() for path in ROOT.glob("packages/careapp/careapp/settings/locale/**/*.po")
    )
    named = set(re.findall(r"docs/[\w.-]+\.md(?:#[\w-]+)?", texts))
    assert len(named) > 5
    assert {link for link in named if dead(README, link)} == set()


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_no_page_names_a_page_or_folder_that_is_not_there(page):
    named = re.findall(
        r"(?<![\w./-])(?:docs|examples|infra|packages|policy|tests|webapp)/[\w./-]*\w",
        "\n".join(page.spans),
    )
    places = (ROOT, page.path.parent)
    missing = [name for name in named if not any((each / name).exists() for each in places)]
    assert missing == [], f"{name_of(page)} names these between backticks: correct the names"


def test_the_docs_name_every_variable_that_the_stack_sets():
    named = set(re.findall(r"`([A-Z_]+)`", (ROOT / "docs" / "your-app.md").read_text()))
    assert RESERVED - named == set(), (
        "docs/your-app.md (and .ja.md) has each variable of stack.container.RESERVED between backticks"
    )


def test_every_page_in_docs_is_reached_from_the_readme():
    reached, waiting = {README.path}, [README]
    while waiting:
        page = waiting.pop()
        for link in page.links:
            target = (page.path.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target.exists() and target not in reached:
                reached.add(target)
                waiting.append(Page(target))
    docs = {page.path for page in pages() if page.path.is_relative_to(ROOT / "docs")}
    assert docs - reached == set(), "link these from README.md, or from a page that it links"


def test_the_local_cloud_s_readme_lists_types_and_functions():
    written = local_cloud.FILE.read_text()
    assert written == local_cloud.page(), "run `python -m tests.documents`"
    assert "| `aws.rds` | `Instance` (address, arn, " in written
    assert ", `SubnetGroup` (arn, name, vpc_id) |\n" in written
    assert "\n| `aws` | `get_availability_zones`, " in written


def test_the_gate_s_readme_has_the_block_that_terraform_applies():
    service = (ROOT / "tests" / "real_provider" / "service.tf").read_text()
    _, start, block = service.partition('resource "terraform_data"')
    assert start
    assert f"{start}{block}" in (ROOT / "packages" / "ecs-gate" / "README.md").read_text()


def test_every_command_is_in_the_readme():
    said = " ".join(README.spans)
    missing = [name for name in main.commands if not re.search(rf"\b{name}\b", said)]
    assert missing == [], "README.md has each command of ./careapp between backticks"


def test_names_of_the_diagram_are_those_of_the_program():
    blocks = Page(ROOT / "docs" / "architecture.md").blocks
    [diagram] = [block.text for block in blocks if block.language == "mermaid"]
    named = set(re.findall(r"careapp-poc[\w-]*|careapp/[\w-]+|/ecs/[\w-]+", diagram))
    declared = set(re.findall(r"[\w/-]+", (FOLDER / "poc.yaml").read_text()))
    parts = {f"careapp-poc-{part}" for part in ("alb", "tg", "service")}
    assert parts | {"/ecs/careapp-poc"} <= named
    assert named - declared == set()


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_command_of_a_page_is_one_with_these_options(page):
    assert [told for words in typed(page, "./careapp") if (told := unknown(words))] == []


def test_pulumi_yaml_and_both_pages_have_what_the_settings_declare():
    assert settings.PROJECT.read_text() == settings.project(), "run `python -m tests.documents`"
    for path in settings.PAGES:
        assert path.read_text() == settings.page(path), "run `python -m tests.documents`"


@pytest.mark.parametrize("pair", pairs(), ids=lambda pair: name_of(pair[0]))
def test_a_page_and_its_twin_say_the_same(pair):
    assert differences(*pair) == [], "what the English page has and the Japanese one has not"


def test_a_japanese_reader_is_told_which_pages_are_english_alone():
    text = (ROOT / "README.ja.md").read_text().replace("[English](README.md)", "")
    links = re.findall(r"\]\((?!https?:)([^)#]+\.md)[^)]*\)(.英語)?", text)
    assert len(links) > 10
    wrong = [link for link, mark in links if link.endswith(".ja.md") == bool(mark)]
    assert wrong == [], "README.ja.md marks the links to pages that have no .ja.md, and no others"


@pytest.mark.parametrize("page", ["docs/settings.md", "docs/settings.ja.md"])
def test_the_regions_whose_roots_the_image_lacks_are_named(page):
    bundle = "webapp/certs/rds-ca.pem"
    roots = ssl.create_default_context(cafile=ROOT / bundle).get_ca_certs()
    subjects = [dict(part[0] for part in root["subject"]) for root in roots]
    held = {subject["commonName"].split()[2] for subject in subjects if "commonName" in subject}
    text = (ROOT / page).read_text().partition(bundle)[2].partition("README")[0]
    lacking = set(re.findall(r"[a-z]{2}-[a-z]+-\d", text))
    assert lacking == set(boto3.Session().get_available_regions("rds")) - held


def test_the_smallest_dockerfile_is_one(tmp_path):
    text = (ROOT / "docs/your-app.md").read_text().split("```dockerfile\n")[1].split("```")[0]
    (tmp_path / "Dockerfile").write_text(text)
    made = dockerfile.read(tmp_path / "Dockerfile", {})
    assert (made.volumes, made.command[-1].split()[-1]) == (("/tmp",), "app:app")  # noqa: S108


def test_arguments_that_are_documented_are_those_of_the_components():
    page = (ROOT / "docs/make-it-yours.md").read_text()
    named = re.findall(r"`(\w+_\w+)` of `(\w+)`", page)
    assert len(named) > 3
    programs = "\n".join(file.read_text() for file in (ROOT / "infra").glob("*.py"))
    missing = [
        (argument, component)
        for argument, component in named
        if not re.search(rf"class {component}\(.*?\*,[^)]*?\b{argument}: ", programs, re.S)
    ]
    assert missing == []
