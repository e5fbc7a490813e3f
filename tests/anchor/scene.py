"""Logs that grow and fork, servers that behave badly, and certificates: what the anchors' tests are made of."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from rrsync.anchor.witness import Submission
from rrsync.core.merkle import Edge, consistency, leaf_hash
from rrsync.core.signed_note import Checkpoint, Note, Signed, Signer
from tests.support import NOW

LIBRARY = "hasselt"
#: A deadline that a server which says nothing outlives.
SOON = 0.3


def seed(text: str) -> bytes:
    """Give the seed of a key, the same for the same word."""
    return sha256(text.encode()).digest()


@dataclass
class Log:
    """A library's log: its leaves, and the key that signs it."""

    library: str = LIBRARY
    leaves: list[bytes] = field(default_factory=list)

    @property
    def signer(self) -> Signer:
        """Who signs the log."""
        return Signer(f"example.be/{self.library}", seed(self.library))

    def grow(self, count: int, salt: str = "") -> Log:
        """Append entries; others come of another ``salt``."""
        size = len(self.leaves)
        self.leaves += [leaf_hash(f"{salt}|{number}".encode()) for number in range(size, size + count)]
        return self

    def fork(self, at: int, count: int, salt: str = "fork") -> Log:
        """Give a log with the same key and the same first entries, and then others."""
        return Log(self.library, self.leaves[:at]).grow(count, salt)

    def root(self, size: int) -> bytes:
        """Give the root at a size."""
        return Edge().extend(self.leaves[:size]).root()

    def proof(self, old: int, new: int) -> list[bytes]:
        """Prove how it grew."""
        return [Edge().extend(self.leaves[lo:hi]).root() for lo, hi in consistency(old, new)]

    def signed(self, size: int | None = None) -> Signed:
        """Give its checkpoint, at a size or as it is now."""
        size = len(self.leaves) if size is None else size
        return signed(self.library, self.signer, size, self.root(size))

    def submission(self, old: int, size: int | None = None) -> Submission:
        """Give what is to be posted of it."""
        size = len(self.leaves) if size is None else size
        hashes = self.proof(old, size) if old <= size else []
        return Submission(old, tuple(hashes), self.signed(size).note)


def signed(library: str, signer: Signer, size: int, root: bytes) -> Signed:
    """Sign whatever is to be signed."""
    checkpoint = Checkpoint(signer.key.name, size, root)
    return Signed(library, Note(checkpoint.to_text(), (signer.sign(checkpoint.to_text()),)), checkpoint)


def proofs(*logs: Log) -> Callable[[str, int, int], Sequence[bytes]]:
    """Give what proves how each of the libraries' logs grew."""
    known = {log.library: log for log in logs}
    return lambda library, old, new: known[library].proof(old, new)


def post(url: str, body: bytes | str, path: str = "/add-checkpoint", **headers: str) -> tuple[int, str, str]:
    """Post as anybody may; give status, content type and body."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request("POST", path, body if isinstance(body, bytes) else body.encode(), headers)
        reply = connection.getresponse()
        return reply.status, reply.headers["Content-Type"], reply.read().decode()
    finally:
        connection.close()


#: What a bad server does with a connection, until it returns or the event is set.
Behaviour = Callable[[socket.socket, Event], None]


@contextmanager
def bad_server(behaviour: Behaviour) -> Iterator[int]:
    """Listen, and behave badly on every connection; give the port."""
    over = Event()
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                behaviour(connection, over)
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(Thread(target=serve, args=(connection,)))
            threads[-1].start()

    thread = Thread(target=accept)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for each in (thread, *threads):
            each.join()


def hang(_: socket.socket, over: Event) -> None:
    """Take the connection, and say nothing."""
    over.wait()


def drip(text: bytes) -> Behaviour:
    """Give a server that says a byte now and then, without end."""

    def behave(connection: socket.socket, over: Event) -> None:
        while True:
            for number in range(len(text)):
                connection.sendall(text[number : number + 1])
                if over.wait(0.02):
                    return

    return behave


def flood(first: bytes, text: bytes) -> Behaviour:
    """Give a server that says ``first``, and then the same for ever, as fast as it can."""

    def behave(connection: socket.socket, over: Event) -> None:
        connection.sendall(first)
        while not over.is_set():
            connection.sendall(text * 1000)

    return behave


@dataclass(frozen=True)
class Trust:
    """A certificate for this machine, and the file of who signed it."""

    ca: str
    certificate: str

    @property
    def server(self) -> ssl.SSLContext:
        """What a server with the certificate needs."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate)
        return context


def certified(folder: Path) -> Trust:
    """Make an authority, and a certificate of it for 127.0.0.1."""
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority of the tests")])
    usage = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False) | {
        "encipher_only": False,
        "decipher_only": False,
    }
    ca = (
        _builder(ca_name, ca_name, ca_key.public_key(), ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=False, key_cert_sign=True, crl_sign=True, **usage), critical=True
        )
        .sign(ca_key, hashes.SHA256())
    )
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    here = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    leaf = (
        _builder(name, ca_name, key.public_key(), ca_key.public_key())
        .add_extension(x509.SubjectAlternativeName(here), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(ca.public_bytes(Encoding.PEM))
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "server.pem").write_bytes(secret + leaf.public_bytes(Encoding.PEM))
    return Trust(str(folder / "ca.pem"), str(folder / "server.pem"))


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, ca: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca), critical=False)
    )


def now() -> datetime:
    """Give the moment at which the tests stand still."""
    return NOW
