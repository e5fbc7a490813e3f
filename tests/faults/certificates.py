"""Rows 2, 6, 7 and 8: who the register is, and who we are to it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from tests.faults.catalogue import Case, Row, Trial, ends
from tests.faults.network import connected
from tests.faults.tls import at_most, dated, good, old_fashioned, right, server, stranger, tls, trusted
from tests.registry.authority import DAY, Paper, issue, key, middle, root, today
from tests.registry.scene import NOW

PASSPHRASE: Final = "kanariepassphrase"
FOREIGN: Final = "https://localhost:{port}/"

USED: Final = ends(outcomes={"ok": 2}, tries=2, exit_code=0, changed=2)
#: No try but the first, of each of the two that were recorded together.
DISTRUSTED: Final = connected(
    2,
    ends(
        outcomes={"not_sent": 2},
        tries=0,
        exit_code=4,
        stopped="refused",
        left=2,
        warned={"night.barred"},
        says="do not trust each other's certificate",
    ),
)
#: The same, when TLS 1.3 tells us after the question has left: the log may not say that it did not.
DISTRUSTED_LATE: Final = connected(
    2,
    ends(
        outcomes={"no_reply": 2}, tries=0, exit_code=4, stopped="refused", left=2, warned={"night.barred"}, says="TLS"
    ),
)
#: Nothing was recorded, and nothing sent.
NOT_BEGUN: Final = ends(outcomes={}, tries=0, exit_code=2, says="Nothing was ")


def ours(
    paper: Callable[[], Paper],
    *,
    asks: bool = True,
    at: Callable[[ssl.SSLContext], object] = lambda _: None,
    revoked: bool = False,
) -> Callable[[Trial], object]:
    """Return what lets the settings name our certificate, before a server that asks for one."""

    def inject(trial: Trial) -> None:
        shown = paper()

        def change(context: ssl.SSLContext) -> None:
            context.verify_mode = ssl.CERT_REQUIRED if asks else ssl.CERT_NONE
            context.load_verify_locations(cafile=str(roll(trial.house.folder, shown if revoked else None)))
            if revoked:
                context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
            at(context)

        certificate, secret = shown.save(trial.house.folder, "ours")
        trial.serve(
            right,
            tls(trial, good(), change),
            REGISTRY__CA=trusted(trial),
            REGISTRY__CERTIFICATE=str(certificate),
            REGISTRY__PRIVATE_KEY=str(secret),
        )

    return inject


def roll(folder: Path, revoked: Paper | None) -> Path:
    """Write the authorities, with the list of what they revoked."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(middle().issued.subject)
    builder = builder.last_update(today() - DAY).next_update(today() + DAY)
    if revoked is not None:
        one = x509.RevokedCertificateBuilder().serial_number(revoked.issued.serial_number)
        builder = builder.add_revoked_certificate(one.revocation_date(today() - DAY).build())
    path = folder / "roll.pem"
    listed = builder.sign(middle().key, hashes.SHA256()).public_bytes(Encoding.PEM)
    path.write_bytes(root().pem + middle().pem + listed)
    return path


def client(
    begins: int = -400, ends: datetime | None = None, issuer: Callable[[], Paper | None] = middle
) -> Callable[[], Paper]:
    """Return our certificate: it counts from so many days from the installation's day, to long past the machine's."""
    return lambda: issue("rrsync", issuer(), begins=begins * DAY, ends=(ends or today() + 90 * DAY) - NOW)


def checked(state: str, days: int, code: int = 0) -> Case:
    """Return the case of a certificate that ends in so many days, as ``rrsync check`` sees it."""

    def inject(trial: Trial) -> None:
        ours(client(ends=today() + days * DAY))(trial)
        trial.command("check", "--json")

    def expect(trial: Trial) -> None:
        document, _ = json.JSONDecoder().raw_decode(trial.said, trial.said.index("[\n"))
        (found,) = [each for each in document if each["what"] == "certificate"]
        assert (found["state"], trial.exit_code) == (state, code), found
        assert not trial.tries

    return Case(f"check says {state} {days} days before", inject, expect)


def refused(name: str, spoil: Callable[[Path, Path, Trial], object]) -> Case:
    """Return the case of a certificate and key that ``spoil`` makes unusable: the command does not begin."""

    def inject(trial: Trial) -> None:
        ours(client())(trial)
        spoil(trial.house.folder / "ours.pem", trial.house.folder / "ours.key", trial)
        trial.command("night")
        assert PASSPHRASE not in trial.heard()

    return Case(name, inject, NOT_BEGUN)


def another_key(_: Path, secret: Path, __: Trial) -> None:
    """Put the key of somebody else there."""
    secret.write_bytes(issue("somebody", middle()).secret())


def locked(passphrase: str) -> Callable[[Path, Path, Trial], None]:
    """Put a passphrase on the key, and give this one."""

    def spoil(_: Path, secret: Path, trial: Trial) -> None:
        secret.write_bytes(client()().secret(PASSPHRASE))
        trial.monkeypatch.setenv("RRSYNC_CERTIFICATE_PASSPHRASE", passphrase)

    return spoil


def gone(certificate: Path, _: Path, __: Trial) -> None:
    """Take the certificate away."""
    certificate.unlink()


def folder(_: Path, secret: Path, __: Trial) -> None:
    """Put a folder in the key's place."""
    secret.unlink()
    secret.mkdir()


def container(certificate: Path, _: Path, trial: Trial) -> None:
    """Put PKCS#12 in its place, and give a wrong passphrase."""
    certificate.write_bytes(client()().packed(PASSPHRASE))
    trial.env(REGISTRY__PRIVATE_KEY="")
    trial.monkeypatch.setenv("RRSYNC_CERTIFICATE_PASSPHRASE", PASSPHRASE[::-1])


def weak(certificate: Path, secret: Path, _: Trial) -> None:
    """Put an RSA key of 1024 bits there."""
    paper = issue("weakling", middle(), kind="weak")
    certificate.write_bytes(paper.pem)
    secret.write_bytes(paper.secret())


BARRED_1_2: Final = at_most(ssl.TLSVersion.TLSv1_2)

ROWS: Final = (
    Row(
        2,
        "the name leads to another machine",
        inject=server(good, url=FOREIGN),
        expect=DISTRUSTED,
        also=(Case("of another authority", server(good, ca=stranger, url=FOREIGN), DISTRUSTED),),
    ),
    Row(
        6,
        "expired server certificate",
        inject=server(lambda: dated(-90, -1)),
        expect=DISTRUSTED,
        also=(
            Case("right", server(good), USED),
            Case("not yet valid", server(lambda: dated(1, 90)), DISTRUSTED),
            Case("of another host", server(lambda: dated(-1, 90, host="127.0.0.2")), DISTRUSTED),
            Case("of an unknown authority", server(good, ca=stranger), DISTRUSTED),
            Case("of nobody", server(lambda: issue("register", now=today())), DISTRUSTED),
            Case("signed with SHA-1", server(old_fashioned), DISTRUSTED),
            Case("RSA 1024", server(lambda: dated(-1, 90, kind="weak", secret=key("w", "weak"))), DISTRUSTED),
            Case("TLS 1.0", server(good, at_most(ssl.TLSVersion.TLSv1)), DISTRUSTED),
            Case("TLS 1.1", server(good, at_most(ssl.TLSVersion.TLSv1_1)), DISTRUSTED),
            Case("TLS 1.2", server(good, BARRED_1_2), USED),
        ),
    ),
    Row(
        7,
        "expired client certificate",
        inject=ours(client(ends=NOW - 200 * DAY)),
        expect=NOT_BEGUN,
        note="A certificate that is over when we start is a setting that cannot be used: exit 2, not 4 (contract).",
        also=(
            Case("right", ours(client()), USED),
            Case("not yet valid", ours(client(200, NOW + 400 * DAY)), NOT_BEGUN),
            Case("revoked TLS 1.2", ours(client(), revoked=True, at=BARRED_1_2), DISTRUSTED),
            Case("revoked TLS 1.3", ours(client(), revoked=True), DISTRUSTED_LATE),
            Case("of another authority", ours(client(issuer=lambda: None), at=BARRED_1_2), DISTRUSTED),
            checked("ok", 61),
            *(checked("warning", days) for days in (59, 29, 13, 6)),
            checked("fault", -2, code=2),
        ),
    ),
    Row(
        8,
        "key of another certificate",
        inject=refused("", another_key).inject,
        expect=NOT_BEGUN,
        also=(
            refused("no passphrase", locked("")),
            refused("wrong passphrase", locked(PASSPHRASE[::-1])),
            refused("wrong passphrase of a container", container),
            refused("no such file", gone),
            refused("a folder", folder),
            refused("no certificate", lambda certificate, _, __: certificate.write_text("nothing", encoding="ascii")),
            refused("no key", lambda _, secret, __: secret.write_bytes(b"")),
            refused("RSA 1024", weak),
        ),
    ),
)
