"""The certificate files of an image to which the rehearsal's authority is added."""

from __future__ import annotations

from pathlib import Path

import botocore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from rehearsal.aws import hooks
from rehearsal.aws.ecs.plans import add_authority
from rehearsal.building.builder import LocalImage
from rehearsal.machine.authority import Authority
from tests.dataplane.conftest import make_image
from webapp.settings import RDS_BUNDLE

WEB = Path(botocore.__file__).with_name("cacert.pem")


def certificates(file: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(file.read_bytes())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def rds(kind: str) -> str:
    """Return RDS's root certificates of the rehearsal's region, of one kind."""
    wanted = f"Amazon RDS {hooks.registry.region} Root CA {kind}"
    found = [each for each in certificates(RDS_BUNDLE) if wanted in each.subject.rfc4514_string()]
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in found)


def vouched(image: LocalImage, authority: Authority, file: Path) -> bool:
    add_authority(image, authority.path)
    return certificates(authority.path)[0] in certificates(file)


def test_the_rehearsal_s_authority_is_added_where_the_database_s_root_is(
    image: LocalImage, authority: Authority
) -> None:
    file = image.folder / "webapp" / "rds-ca.pem"
    before = certificates(file)
    assert vouched(image, authority, file)
    assert vouched(image, authority, file)
    assert certificates(file) == [*before, *certificates(authority.path)]


def test_a_file_with_the_web_s_authorities_stays_as_it_is(
    image: LocalImage, authority: Authority
) -> None:
    file = image.folder / "webapp" / "rds-ca.pem"
    file.write_bytes(WEB.read_bytes())
    add_authority(image, authority.path)
    assert file.read_bytes() == WEB.read_bytes()


@pytest.mark.parametrize(("held", "trusted"), [("RSA2048 G1", True), ("ECC384 G1", False)])
def test_a_root_by_which_rds_does_not_sign_is_not_enough(
    image: LocalImage, authority: Authority, held: str, trusted: bool
) -> None:
    file = image.folder / "webapp" / "rds-ca.pem"
    file.write_text(rds(held))
    assert vouched(image, authority, file) is trusted


def test_a_file_without_a_certificate_is_not_changed(
    image: LocalImage, authority: Authority
) -> None:
    file = image.folder / "webapp" / "key.pem"
    file.write_text("no certificate")
    add_authority(image, authority.path)
    assert file.read_text() == "no certificate"


def test_a_bundle_that_the_task_definition_names_by_its_path_in_the_image_is_found(
    tmp_path: Path,
) -> None:
    image = make_image(tmp_path / "root")
    file = image.folder / "webapp" / "rds-ca.pem"
    assert image.outside("/app/webapp/rds-ca.pem") == str(file)
    assert image.outside("/etc/ssl/other.pem") == "/etc/ssl/other.pem"
    assert image.outside("webapp/rds-ca.pem") == "webapp/rds-ca.pem"
    assert image.outside("--cert=/app/webapp/rds-ca.pem:x") == f"--cert={file}:x"
    assert image.outside("http://app/webapp") == "http://app/webapp"
