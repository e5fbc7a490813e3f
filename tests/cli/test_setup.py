"""``rrsync init`` and ``rrsync check``: the created files, the files left alone, and the faults found."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from rrsync.app.runtime import system_runtime
from rrsync.app.services import open_services
from rrsync.cli.setup import certificate_checks
from rrsync.config.load import load
from rrsync.config.settings import RegistrySettings
from rrsync.core.log_entry import Draft, Kind
from tests.cli.conftest import Place
from tests.registry import authority

CREATED: Final = ["rrsync.db", "rrsync.keys", "rrsync.signing", "rrsync.toml", "scopes/libraries.txt"]
NOON: Final = datetime.now(UTC).replace(hour=12)


def files(folder: Path) -> dict[str, int]:
    """Return the files of a folder with the time of their last change."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()
    }


def write_certificate(path: Path, *, days: int, begun: int = 400) -> None:
    """Write a certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bibliotheek.example")])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(NOON - timedelta(days=begun))
    issued = built.not_valid_after(NOON + timedelta(days=days)).sign(key, hashes.SHA256())
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(secret + issued.public_bytes(Encoding.PEM))


class TestInit:
    """Creates what is missing."""

    def test_an_empty_folder(self, empty: Place) -> None:
        """Settings, keys, scope and database; the keys are private whatever the umask."""
        before = os.umask(0)
        try:
            said = empty.run("init")
        finally:
            os.umask(before)
        assert (said.code, said.err) == (0, "")
        assert sorted(files(empty.folder)) == CREATED
        assert all(name in said.out for name in CREATED[1:])
        assert "`rrsync check`" in said.out
        for name in ("rrsync.keys", "rrsync.signing"):
            assert (empty.folder / name).stat().st_mode & 0o777 == 0o600
        assert empty.run("check").code == 0

    @pytest.mark.parametrize("missing", [None, "rrsync.toml", "scopes/libraries.txt"])
    def test_only_missing_files_are_created(self, place: Place, missing: str | None) -> None:
        """The other files are not written."""
        if missing:
            (place.folder / missing).unlink()
        before = files(place.folder)
        said = place.run("init")
        assert said.code == 0
        assert [line for line in said.out.splitlines() if "Created" in line] == (
            [f"Created {missing}."] if missing else []
        )
        after = files(place.folder)
        assert {name: changed for name, changed in after.items() if name != missing} == before
        assert set(after) == set(before) | ({missing} if missing else set())

    def test_keys_of_existing_data_are_not_replaced(self, place: Place) -> None:
        """2: other keys cannot read the data, and readable ones are for a person to repair."""
        keys = place.folder / "rrsync.keys"
        keys.chmod(0o640)
        assert "chmod 600 rrsync.keys" in place.run("init").err
        keys.unlink()
        assert place.run("init").code == 2
        assert not keys.exists()

    def test_keys_in_the_environment(self, empty: Place, imported_demo: Path) -> None:
        """No key file is created."""
        empty.env(KEYRING=(imported_demo / "rrsync.keys").read_text(encoding="ascii"))
        assert empty.run("init").code == 0
        assert not (empty.folder / "rrsync.keys").exists()

    @pytest.mark.parametrize("how", ["before", "after", "environment"])
    def test_settings_elsewhere(self, empty: Place, how: str) -> None:
        """Paths are relative to the settings file, not to the working directory."""
        there = empty.folder / "there" / "own.toml"
        if how == "environment":
            empty.env(CONFIG=str(there))
        option = [] if how == "environment" else ["--config", str(there)]
        words = [*option, "init"] if how == "before" else ["init", *option]
        assert empty.run(*words).code == 0
        assert sorted(files(empty.folder)) == sorted(f"there/{name}" for name in [*CREATED[:3], "own.toml", CREATED[4]])
        assert empty.run("--config", str(there), "check").code == 0

    @pytest.mark.parametrize("name", ["file/rrsync.toml", "rrsync.toml"])
    def test_files_that_cannot_be_created(self, empty: Place, name: str) -> None:
        """2 and one sentence: a file instead of a folder, or a dangling link, which is not followed."""
        (empty.folder / "file").touch()
        (empty.folder / "rrsync.toml").symlink_to("elsewhere.toml")
        said = empty.run("init", "--config", name)
        assert said.code == 2
        assert said.err.startswith("rrsync: rrsync.toml ")
        assert said.err.count("\n") == 1
        assert {path.name for path in empty.folder.iterdir()} == {"file", "rrsync.toml"}

    @pytest.mark.parametrize("room", [0, 64])
    def test_a_full_disk_leaves_no_partial_file(self, empty: Place, room: int) -> None:
        """The next run creates the files."""
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
        try:
            said = empty.run("init")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert said.code == 2
        assert not list(empty.folder.rglob("*"))
        assert empty.run("init").code == 0


class TestCheck:
    """Finds faults before a night does."""

    def test_an_installation_without_faults(self, place: Place) -> None:
        """Every state is ok, and the register was not asked."""
        register = place.register()
        said = place.run("check")
        assert said.code == 0, said.out
        assert all(line.startswith("ok ") for line in said.out.splitlines())
        whats = {each["what"] for each in place.run("check", "--json").document}
        subjects = ("settings", "keys", "database", "clock", "register", "authorisation of demo", "access log of demo")
        assert whats == set(subjects)
        assert not register.counts

    @staticmethod
    def _fault(place: Place) -> str:
        """Return the subject and the text of the only fault."""
        said = place.run("check", "--json")
        assert (said.code, said.err) == (2, "")
        (fault,) = [each for each in said.document if each["state"] == "fault"]
        return f"{fault['what']}: {fault['text']}"

    @pytest.mark.parametrize(
        ("old", "new", "sign"),
        [
            ("valid_until = 2099-12-31", "valid_until = 2019-12-31", "from 2009-05-18 to 2019-12-31"),
            ("valid_from = 2009-05-18", "valid_from = 2098-01-01", "from 2098-01-01"),
            ("valid_from = 2009-05-18", "valid_from = 2100-01-01", "after valid_until"),
            ('["member-administration", "desk"]', '["desk"]', "member-administration"),
            ('"http://127.0.0.1:8080/"', '"nowhere"', "endpoint"),
            ('"http://127.0.0.1:8080/"', '"http://register.example/"', "endpoint"),
            ("sign = false", "sign = true", "certificate"),
            ('environment = "simulator"', 'environment = "acceptance"', "acceptance"),
        ],
    )
    def test_settings_that_stop_a_night(self, place: Place, old: str, new: str, sign: str) -> None:
        """An authorisation that is not in force, or a register that cannot be asked."""
        place.settings(old, new)
        assert sign in self._fault(place)

    def test_a_library_without_authorisation(self, place: Place) -> None:
        """The register is never asked for it."""
        text = place.config.read_text(encoding="utf-8")
        place.config.write_text(text[: text.index("[library.authorisation]")], encoding="utf-8")
        assert self._fault(place).startswith("authorisation of demo: ")

    @pytest.mark.parametrize(
        ("days", "state", "sign"),
        [
            (-1, "fault", "ask for a new one"),
            (1, "warning", "URGENT"),
            (7, "warning", "URGENT"),
            (8, "warning", "this week"),
            (14, "warning", "this week"),
            (15, "warning", "now"),
            (30, "warning", "now"),
            (31, "warning", "plan"),
            (60, "warning", "plan"),
            (61, "ok", "61 days"),
        ],
    )
    def test_certificates_before_their_end(self, tmp_path: Path, days: int, state: str, sign: str) -> None:
        """Ours, and those that may sign replies: a warning from two months before the end, more and more urgent."""
        paper = tmp_path / "paper.pem"
        write_certificate(paper, days=days)
        checks = dict(certificate_checks(RegistrySettings(certificate=paper, trust=paper), NOON))
        assert set(checks) == {"certificate", "trust store"}
        for run in checks.values():
            found, text = run()
            assert (found, sign in text) == (state, True)

    @pytest.mark.parametrize(("new", "state"), [(400, "warning"), (3, "warning"), (-2, "fault")])
    def test_an_old_certificate_beside_a_new_one(self, tmp_path: Path, new: int, state: str) -> None:
        """The one that is valid longest decides the urgency; expired ones are to be removed."""
        write_certificate(tmp_path / "old.pem", days=-5)
        write_certificate(tmp_path / "new.pem", days=new)
        trust = tmp_path / "trust.pem"
        trust.write_bytes((tmp_path / "old.pem").read_bytes() + (tmp_path / "new.pem").read_bytes())
        ((_, run),) = certificate_checks(RegistrySettings(trust=trust), NOON)
        found, text = run()
        assert (found, "1 of 2" in text) == (state, new == 400)

    def test_unusable_certificates(self, place: Place) -> None:
        """Not yet valid, without its key, without its passphrase, missing, or no PEM."""
        place.settings('certificate = ""', 'certificate = "client.pem"')
        client = place.folder / "client.pem"
        paper = authority.issue("rrsync", now=authority.today())
        faults: list[tuple[str, Callable[[], object]]] = [
            ("client.pem", lambda: None),
            ("client.pem", lambda: client.write_text("no certificate", encoding="ascii")),
            ("only from", lambda: write_certificate(client, days=400, begun=-1)),
            ("private_key", lambda: client.write_bytes(paper.pem)),
            ("RRSYNC_CERTIFICATE_PASSPHRASE", lambda: client.write_bytes(paper.packed("secret"))),
        ]
        for sign, make in faults:
            make()
            said = place.run("check", "--json")
            assert said.code == 2
            assert any(sign in each["text"] for each in said.document if each["state"] == "fault"), sign
        place.monkeypatch.setenv("RRSYNC_CERTIFICATE_PASSPHRASE", "secret")
        assert place.run("check").code == 0

    @pytest.mark.parametrize(
        ("missing", "sign"),
        [
            ("scopes/libraries.txt", "scope file"),
            ("rrsync.keys", "no key:"),
            ("rrsync.db", "schema"),
            ("rrsync.signing", "no signing key:"),
            ("rrsync.toml", "no settings file"),
        ],
    )
    def test_a_missing_file(self, place: Place, missing: str, sign: str) -> None:
        """Named, with what to do."""
        (place.folder / missing).unlink()
        fault = self._fault(place)
        assert sign in fault
        assert "rrsync init" in fault

    def test_a_scope_with_an_unknown_path(self, place: Place) -> None:
        """Named."""
        with (place.folder / "scopes" / "libraries.txt").open("a", encoding="utf-8") as file:
            file.write("Schoenmaat\n")
        assert "Schoenmaat" in self._fault(place)

    @pytest.mark.parametrize("data", [b"no entry", b"[1]", b'{"ts":"2026"}'])
    def test_a_damaged_log(self, settled: Place, data: bytes) -> None:
        """A fault, whatever the bytes are now."""
        settled.tamper("UPDATE entry SET data = ? WHERE seq = (SELECT max(seq) FROM entry)", data)
        said = settled.run("check", "--json")
        assert said.code == 2
        assert {each["what"]: each["state"] for each in said.document}["access log of demo"] == "fault"

    def test_a_clock_that_is_behind_the_log(self, place: Place) -> None:
        """Times in the log would go backwards."""
        machine = system_runtime()
        ahead = replace(machine, clock=lambda: machine.clock() + timedelta(hours=1))
        with open_services(load(place.config), ahead) as services:
            services.access_log.append([Draft("demo", Kind.RUN_OPEN, "", run="later")])
        assert self._fault(place).startswith("clock: ")
