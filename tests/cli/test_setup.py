"""``rrsync init`` and ``rrsync check``: what is made, what is never touched, and what is found out."""

from __future__ import annotations

import os
import resource
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from rrsync.app.runtime import Runtime, system_runtime
from rrsync.app.services import open_services
from rrsync.config.load import load
from rrsync.core.log_entry import Draft, Kind
from tests.cli.conftest import Place
from tests.registry import authority

MADE = ["rrsync.db", "rrsync.keys", "rrsync.signing", "rrsync.toml", "scopes/libraries.txt"]


def _files(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()
    }


def _certificate(path: Path, *, days: int, begun: int = 400) -> None:
    """Write a certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bibliotheek.example")])
    now = datetime.now(UTC).replace(hour=12)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(now - timedelta(days=begun))
    issued = built.not_valid_after(now + timedelta(days=days)).sign(key, hashes.SHA256())
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(secret + issued.public_bytes(Encoding.PEM))


class TestInit:
    """Makes what is missing."""

    def test_an_empty_folder_gets_all_it_needs(self, empty: Place) -> None:
        """Settings, keys, scope and database, and a word on what comes next."""
        said = empty.run("init")
        assert (said.code, said.err) == (0, "")
        assert sorted(_files(empty.folder)) == MADE
        assert "Made rrsync.keys." in said.out
        assert "Next: `rrsync check`" in said.out
        assert empty.run("check").code == 0

    def test_nobody_else_can_read_the_keys(self, empty: Place) -> None:
        """Whatever the umask says."""
        before = os.umask(0)
        try:
            empty.run("init")
        finally:
            os.umask(before)
        assert (empty.folder / "rrsync.keys").stat().st_mode & 0o777 == 0o600

    def test_a_second_run_touches_nothing(self, place: Place) -> None:
        """Not one file is written again."""
        before = _files(place.folder)
        said = place.run("init")
        assert said.code == 0
        assert "Made" not in said.out
        assert _files(place.folder) == before

    @pytest.mark.parametrize("missing", ["rrsync.toml", "scopes/libraries.txt"])
    def test_only_what_is_missing_is_made(self, place: Place, missing: str) -> None:
        """The other files stay as they are."""
        (place.folder / missing).unlink()
        before = _files(place.folder)
        said = place.run("init")
        assert said.code == 0
        assert f"Made {missing}." in said.out
        after = _files(place.folder)
        assert after.pop(missing)
        assert after == before

    def test_new_keys_are_refused_for_a_database_with_data(self, place: Place) -> None:
        """They could not read it."""
        (place.folder / "rrsync.keys").unlink()
        said = place.run("init")
        assert said.code == 2
        assert "Restore the key file from your backup" in said.err
        assert not (place.folder / "rrsync.keys").exists()

    def test_keys_that_others_can_read_are_left_for_a_person_to_mend(self, place: Place) -> None:
        """Making new ones would lose the data."""
        (place.folder / "rrsync.keys").chmod(0o640)
        said = place.run("init")
        assert said.code == 2
        assert "chmod 600 rrsync.keys" in said.err

    def test_keys_from_elsewhere_are_not_made_again(self, empty: Place, imported_demo: Path) -> None:
        """Keys in the environment are keys."""
        empty.env(KEYRING=(imported_demo / "rrsync.keys").read_text(encoding="ascii"))
        assert empty.run("init").code == 0
        assert not (empty.folder / "rrsync.keys").exists()

    @pytest.mark.parametrize("how", ["before", "after", "environment"])
    def test_settings_elsewhere_take_everything_with_them(self, empty: Place, how: str) -> None:
        """A path in the settings is relative to their file, wherever the command was typed."""
        there = empty.folder / "there" / "own.toml"
        if how == "environment":
            empty.env(CONFIG=str(there))
        option = [] if how == "environment" else ["--config", str(there)]
        words = [*option, "init"] if how == "before" else ["init", *option]
        assert empty.run(*words).code == 0
        assert sorted(_files(empty.folder)) == sorted(f"there/{name}" for name in [*MADE[:3], "own.toml", MADE[4]])
        assert empty.run("--config", str(there), "check").code == 0

    def test_what_cannot_be_made_is_one_sentence(self, empty: Place) -> None:
        """A file where a folder should be."""
        (empty.folder / "file").touch()
        said = empty.run("init", "--config", "file/rrsync.toml")
        assert said.code == 2
        assert said.err.startswith("rrsync: rrsync.toml cannot be made")
        assert said.err.count("\n") == 1

    @pytest.mark.parametrize("room", [0, 64])
    def test_a_full_disk_leaves_no_half_file(self, empty: Place, room: int) -> None:
        """What cannot be written whole is not there, and is made the next time."""
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
        try:
            said = empty.run("init")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert said.code == 2
        assert "cannot be made: File too large" in said.err
        assert not list(empty.folder.rglob("*"))
        assert empty.run("init").code == 0
        assert empty.run("check").code == 0

    def test_a_file_that_comes_meanwhile_is_not_replaced(self, empty: Place) -> None:
        """Nor one that a dangling link stands for."""
        (empty.folder / "rrsync.toml").symlink_to("elsewhere.toml")
        said = empty.run("init")
        assert said.code == 2
        assert "rrsync.toml cannot be made: File exists" in said.err
        assert [path.name for path in empty.folder.iterdir()] == ["rrsync.toml"]


class TestCheck:
    """Says what is wrong before it matters."""

    def test_all_is_well(self, place: Place) -> None:
        """Every line is ok, and the register was asked nothing."""
        register = place.register()
        said = place.run("check")
        assert said.code == 0, said.out
        assert all(line.startswith("ok ") for line in said.out.splitlines())
        document = place.run("check", "--json").document
        assert {each["what"] for each in document} == {
            "settings",
            "keys",
            "database",
            "clock",
            "register",
            "authorisation of demo",
            "access log of demo",
        }
        assert not register.counts

    def _faults(self, place: Place) -> list[str]:
        said = place.run("check")
        assert (said.code, said.err) == (2, "")
        return [line for line in said.out.splitlines() if line.startswith("fault ")]

    @pytest.mark.parametrize(
        ("old", "new", "sign"),
        [
            (
                "valid_until = 2099-12-31",
                "valid_until = 2019-12-31",
                "in force from 2009-05-18 to 2019-12-31, not today",
            ),
            ("valid_from = 2009-05-18", "valid_from = 2098-01-01", "not today"),
            ("valid_from = 2009-05-18", "valid_from = 2100-01-01", "after valid_until"),
            ('["member-administration", "desk"]', '["desk"]', "the night can never ask"),
            ('"http://127.0.0.1:8080/"', '"nowhere"', "endpoint"),
            ('"http://127.0.0.1:8080/"', '"http://register.example/"', "endpoint"),
            ("sign = false", "sign = true", "needs a certificate"),
            ('environment = "simulator"', 'environment = "acceptance"', "acceptance"),
        ],
    )
    def test_what_would_stop_a_night_is_a_fault(self, place: Place, old: str, new: str, sign: str) -> None:
        """An authorisation that is over or not begun, a register that cannot be asked."""
        place.settings(old, new)
        (line,) = self._faults(place)
        assert sign in line

    def test_a_library_without_authorisation_is_a_fault(self, place: Place) -> None:
        """It is never asked about."""
        text = (place.folder / "rrsync.toml").read_text(encoding="utf-8")
        text = text[: text.index("[library.authorisation]")]
        (place.folder / "rrsync.toml").write_text(text, encoding="utf-8")
        (line,) = self._faults(place)
        assert "authorisation of demo: there is none" in line

    @pytest.mark.parametrize(
        ("days", "state", "todo", "code"),
        [
            (-1, "fault", "ask for a new one", 2),
            (1, "warning", "URGENT", 0),
            (7, "warning", "URGENT", 0),
            (8, "warning", "this week", 0),
            (14, "warning", "this week", 0),
            (15, "warning", "now", 0),
            (30, "warning", "now", 0),
            (31, "warning", "plan", 0),
            (60, "warning", "plan", 0),
            (61, "ok", "61 days", 0),
        ],
    )
    @pytest.mark.parametrize(("what", "key"), [("certificate", "certificate"), ("trust store", "trust")])
    def test_certificates_are_looked_at_in_time(
        self, place: Place, what: str, key: str, days: int, state: str, todo: str, code: int
    ) -> None:
        """Ours, and who may sign replies: from two months before the end, more and more pressing, and no fault yet."""
        _certificate(place.folder / "paper.pem", days=days)
        place.settings(f'{key} = ""', f'{key} = "paper.pem"')
        said = place.run("check")
        assert said.code == code
        (line,) = [line for line in said.out.splitlines() if f"{what}: " in line]
        assert line.startswith(state)
        assert todo in line

    def test_a_certificate_of_tomorrow_is_a_fault(self, place: Place) -> None:
        """It cannot be used yet."""
        _certificate(place.folder / "client.pem", days=400, begun=-1)
        place.settings('certificate = ""', 'certificate = "client.pem"')
        assert any("it only counts from" in line for line in self._faults(place))

    def test_a_certificate_without_its_key_is_a_fault(self, place: Place) -> None:
        """With what to do."""
        _certificate(place.folder / "client.pem", days=400)
        text = (place.folder / "client.pem").read_text(encoding="ascii")
        (place.folder / "client.pem").write_text(text[text.index("-----BEGIN CERT") :], encoding="ascii")
        place.settings('certificate = ""', 'certificate = "client.pem"')
        assert any("private_key" in line for line in self._faults(place))

    def test_a_passphrase_comes_from_the_environment(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without it, PKCS#12 cannot be read; no settings file ever holds it."""
        paper = authority.issue("rrsync", now=authority.today())
        (place.folder / "client.p12").write_bytes(paper.packed("secret"))
        place.settings('certificate = ""', 'certificate = "client.p12"')
        assert any("RRSYNC_CERTIFICATE_PASSPHRASE" in line for line in self._faults(place))
        monkeypatch.setenv("RRSYNC_CERTIFICATE_PASSPHRASE", "secret")
        assert place.run("check").code == 0

    @pytest.mark.parametrize(("new", "state"), [(400, "warning"), (3, "warning"), (-2, "fault")])
    def test_an_old_certificate_beside_a_new_one_is_to_be_taken_out(self, place: Place, new: int, state: str) -> None:
        """The one that lasts longest says how pressing it is."""
        _certificate(place.folder / "old.pem", days=-5)
        _certificate(place.folder / "new.pem", days=new)
        both = (place.folder / "old.pem").read_bytes() + (place.folder / "new.pem").read_bytes()
        (place.folder / "trust.pem").write_bytes(both)
        place.settings('trust = ""', 'trust = "trust.pem"')
        (line,) = [line for line in place.run("check").out.splitlines() if "trust store: " in line]
        assert line.startswith(state)
        assert ("take out what ended: 1 of 2" in line) == (new == 400)

    @pytest.mark.parametrize("content", [None, "no certificate"])
    def test_a_certificate_that_is_none_is_a_fault(self, place: Place, content: str | None) -> None:
        """Missing, or no PEM."""
        if content is not None:
            (place.folder / "client.pem").write_text(content, encoding="ascii")
        place.settings('certificate = ""', 'certificate = "client.pem"')
        assert any("client.pem" in line for line in self._faults(place))

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
    def test_a_missing_file_is_a_fault(self, place: Place, missing: str, sign: str) -> None:
        """Named, with what to do."""
        (place.folder / missing).unlink()
        (line,) = self._faults(place)
        assert sign in line
        assert "rrsync init" in line

    def test_a_scope_the_register_does_not_know_is_a_fault(self, place: Place) -> None:
        """Before anybody is asked about."""
        with (place.folder / "scopes" / "libraries.txt").open("a", encoding="utf-8") as file:
            file.write("Schoenmaat\n")
        (line,) = self._faults(place)
        assert "Schoenmaat" in line

    @pytest.mark.parametrize("data", [b"no entry", b"[1]", b'{"ts":"2026"}'])
    def test_a_log_that_was_altered_is_a_fault(self, settled: Place, data: bytes) -> None:
        """Library, entry and cause are named; whatever the bytes are now, nothing breaks."""
        settled.tamper("UPDATE entry SET data = ? WHERE seq = (SELECT max(seq) FROM entry)", data)
        assert any("access log of demo" in line and "does not verify" in line for line in self._faults(settled))

    def test_a_clock_that_is_behind_the_log_is_a_fault(self, place: Place) -> None:
        """Times in the log would go backwards."""
        runtime = system_runtime()
        ahead = Runtime(lambda: runtime.clock() + timedelta(hours=1), runtime.new_reference, runtime.random)
        with open_services(load(place.folder / "rrsync.toml"), ahead) as app:
            app.access_log.append([Draft("demo", Kind.RUN_OPEN, "", run="later")])
        (line,) = self._faults(place)
        assert "clock: it is behind the last entry" in line
