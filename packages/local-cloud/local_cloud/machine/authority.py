"""The rehearsal's certificate authority, which issues the certificates of the database and of HTTPS listeners."""

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

LIFETIME = timedelta(days=30)


class Authority:
    """A certificate authority that lives as long as the data plane. Its private key is never written to a file."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA(path_length=0, organization_name="local cloud CA")
        self.path = folder / "rehearsal-ca.pem"
        self._authority.cert_pem.write_to_path(self.path)
        self.path.chmod(0o644)

    def trust(self) -> ssl.SSLContext:
        """Return the context of a client that trusts this authority in addition to the usual ones."""
        context = ssl.create_default_context()
        context.load_verify_locations(self.path)
        return context

    def certify(self, context: ssl.SSLContext, names: Sequence[str]) -> None:
        """Give a server's context a certificate for ``names``, for new connections."""
        self._issue(names).configure_cert(context)

    def issue(self, names: Sequence[str]) -> tuple[bytes, bytes]:
        """Return a certificate for ``names`` (DNS names or IP addresses) and its key, both PEM."""
        issued = self._issue(names)
        return issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()

    def _issue(self, names: Sequence[str]) -> trustme.LeafCert:
        lasts = datetime.now(UTC) + LIFETIME
        return self._authority.issue_cert(*names, common_name=names[0][:64], not_after=lasts)
