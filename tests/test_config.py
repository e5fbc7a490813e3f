"""The settings: where they are found, which values are refused, and that no message contains a value."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from rrsync.config.load import certificate_passphrase, load, named_file, read_keys, settings_template, smtp_password
from rrsync.config.settings import FileAnchorSettings, MailAnchorSettings, Settings, WitnessAnchorSettings
from rrsync.core.signed_note import Signer
from rrsync.errors import ConfigError

SECRET: Final = "hunter2hunter2"
TEMPLATE: Final = settings_template()
ENDPOINT: Final = '"http://127.0.0.1:8080/"'

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("RRSYNC_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes the usual settings with pieces replaced, or other settings."""

    def write(*pairs: tuple[str, str], text: str = TEMPLATE) -> Path:
        for old, new in pairs:
            assert text.count(old) == 1
            text = text.replace(old, new)
        path = tmp_path / "rrsync.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def elsewhere(environment: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return the changes for another environment, with its form of the sender."""
    name = "demo.example/bibliotheek"
    sender = f"{name}-aip" if environment == "acceptance" else name
    return ('environment = "simulator"', f'environment = "{environment}"'), (f'"{name}"', f'"{sender}"')


def _refused(path: Path | None) -> str:
    """Return the message of settings that are refused."""
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert refused.value.exit_code == 2
    assert SECRET not in str(refused.value)
    return str(refused.value)


class TestFile:
    """The settings file."""

    def test_the_named_file_is_first(self, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Else that of ``RRSYNC_CONFIG``, else that in the working directory."""
        monkeypatch.chdir(tmp_path)
        assert named_file(None) == Path("rrsync.toml")
        monkeypatch.setenv("RRSYNC_CONFIG", "")
        assert named_file(None) == Path("rrsync.toml")
        monkeypatch.setenv("RRSYNC_CONFIG", "/elsewhere/own.toml")
        assert named_file(None) == Path("/elsewhere/own.toml")
        assert named_file(Path("mine.toml")) == Path("mine.toml")
        assert "/elsewhere/own.toml" in _refused(None)
        assert load(write()).language == "nl"

    def test_the_template_is_the_defaults(self, write: Write) -> None:
        """The file that ``rrsync init`` writes contains the default values."""
        settings = load(write())
        for name in ("language", "night"):
            assert getattr(settings, name) == getattr(Settings(), name)
        usual = Settings().registry
        address = usual.address("GeefPersoon-02.02", "persoon")
        assert settings.registry == usual.model_copy(update={"endpoint": address})
        assert load(write(text="")).library == []

    def test_a_file_that_is_no_toml(self, tmp_path: Path) -> None:
        """The message names the file."""
        path = tmp_path / "rrsync.toml"
        for content in (b"language = ", b"\xff\xfe", b"[store\n", b'language = "nl"\nlanguage = "en"'):
            path.write_bytes(content)
            assert _refused(path).startswith("rrsync.toml ")

    def test_a_missing_or_unreadable_file(self, tmp_path: Path) -> None:
        """A missing file, a folder, a name that the system refuses."""
        assert "`rrsync init`" in _refused(tmp_path / "no.toml")
        for path in (tmp_path, Path("x" * 5000)):
            _refused(path)


class TestValues:
    """An unknown key or an invalid value is one sentence, without the value."""

    @pytest.mark.parametrize(
        ("old", "new", "sign"),
        [
            ("[night]", f'[nights]\nkey = "{SECRET}"\n[night]', "unknown key: nights"),
            ("[night]", f'[night]\nkey = "{SECRET}"', "unknown key: night.key"),
            ('id = "demo"', f'id = "demo"\nkey = "{SECRET}"', "unknown key: library.0.key"),
            ("[store]", f'[store]\npassword = "{SECRET}"', "unknown key: store.password"),
            ("max_in_flight = 16", f'max_in_flight = "{SECRET}"', "registry.max_in_flight"),
            ("max_in_flight = 16", "max_in_flight = 0", "registry.max_in_flight"),
            ("max_per_second = 8.0", "max_per_second = 0", "registry.max_per_second"),
            ("deadline_s = 45", "deadline_s = 601", "registry.deadline_s"),
            ('source = "RR"', f'source = "{SECRET}"', "registry.source"),
            ('language = "nl"', f'language = "{SECRET}"', "language"),
            ('url = "sqlite:///rrsync.db"', "url = 5", "store.url"),
            ('endpoint = "http://127.0.0.1:8080/"', "endpoint = 5", "registry.endpoint"),
            ('id = "demo"', 'id = "De Mo"', "library.0.id"),
            ('sender = "demo.example/bibliotheek"', 'sender = ""', "library.0.sender"),
            ("stale_after_days = 30", "stale_after_days = 36501", "night.stale_after_days"),
            ("valid_until = 2099-12-31", "valid_until = 2009-05-17", "authorisation: valid_from is after valid_until"),
            ("valid_from = 2009-05-18", 'valid_from = "gisteren"', "library.0.authorisation.valid_from"),
            ('purposes = ["member-administration", "desk"]', "purposes = []", "library.0.authorisation.purposes"),
            ('decision = "RR 28/2009"', "", "library.0.authorisation.decision"),
        ],
    )
    def test_in_the_file(self, write: Write, old: str, new: str, sign: str) -> None:
        """The message names the key."""
        message = _refused(write((old, new)))
        assert sign in message
        assert message.startswith("rrsync.toml ")
        assert "\n" not in message

    def test_a_table_that_is_no_table(self, write: Write) -> None:
        """A value instead of a table."""
        assert "registry" in _refused(write(text="registry = 5\n"))

    def test_two_libraries_of_one_id(self, write: Write) -> None:
        """The message names the id."""
        block = TEMPLATE[TEMPLATE.index("[[library]]") :]
        assert "id demo" in _refused(write(text=TEMPLATE + block))

    def test_settings_are_frozen(self, write: Write) -> None:
        """They are values."""
        with pytest.raises(ValueError, match="frozen"):
            load(write()).registry.sign = True

    @pytest.mark.parametrize("setting", ['opening_hours = "mo-xx 09:00"', 'case_pattern = "["'])
    def test_rules_of_a_library(self, write: Write, setting: str) -> None:
        """Invalid hours or patterns are refused."""
        key = setting.partition(" ")[0]
        assert key in _refused(write(('capacity = "1300" ', f'{setting}\ncapacity = "1300" ')))


class TestEnvironment:
    """The environment overrides the file."""

    def test_a_key_overrides_the_file(self, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        """The other keys are those of the file."""
        monkeypatch.setenv("RRSYNC_REGISTRY__ENDPOINT", "http://localhost:8081/")
        monkeypatch.setenv("RRSYNC_LANGUAGE", "en")
        settings = load(write(("deadline_s = 45", "deadline_s = 7")))
        assert settings.registry.address("GeefPersoon-02.02", "persoon") == "http://localhost:8081/"
        assert (settings.registry.deadline_s, settings.language) == (7.0, "en")
        assert settings.library[0].id == "demo"

    def test_a_table_or_a_list_is_json(self, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        """The endpoints, or all libraries."""
        monkeypatch.setenv("RRSYNC_REGISTRY__ENDPOINT", '{"GeefPersoon": "http://[::1]:8081/p"}')
        monkeypatch.setenv("RRSYNC_LIBRARY", '[{"id": "a", "name": "A", "sender": "a.example", "capacity": "1"}]')
        settings = load(write())
        assert settings.registry.address("GeefPersoon-02.02", "persoon") == "http://[::1]:8081/p"
        assert [library.id for library in settings.library] == ["a"]

    @pytest.mark.parametrize(
        ("name", "value", "sign"),
        [
            ("RRSYNC_REGISTRY__ENDPIONT", SECRET, "registry.endpiont"),
            ("RRSYNC_REGSTRY__ENDPOINT", SECRET, "RRSYNC_REGSTRY__ENDPOINT"),
            ("RRSYNC_REGISTRY__MAX_IN_FLIGHT", SECRET, "registry.max_in_flight"),
            ("RRSYNC_LANGUAGE", SECRET, "language"),
            ("RRSYNC_STORE", SECRET, "store"),
            ("RRSYNC_LIBRARY", f"[{SECRET}", "library"),
        ],
    )
    def test_invalid_variables(
        self, write: Write, monkeypatch: pytest.MonkeyPatch, name: str, value: str, sign: str
    ) -> None:
        """A misspelled variable is not ignored."""
        monkeypatch.setenv(name, value)
        message = _refused(write())
        assert sign in message
        assert "environment" in message

    def test_variables_of_others_are_ignored(self, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        """Kubernetes sets variables with the name of a service; our own two are not settings."""
        for name in ("RRSYNC_PORT", "RRSYNC_SERVICE_HOST", "RRSYNC_KEYRING", "RRSYNC_CONFIG"):
            monkeypatch.setenv(name, "x")
        monkeypatch.setenv("OTHER__REGISTRY", "x")
        assert load(write()).library


class TestPaths:
    """Relative paths are relative to the settings file."""

    def test_every_path(self, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Database, keys, scope and certificates; an empty path is none."""
        monkeypatch.chdir("/")
        settings = load(write(('certificate = ""', 'certificate = "pki/own.pem"'), ('ca = ""', 'ca = "/etc/ca.pem"')))
        assert settings.store.url == f"sqlite:///{tmp_path}/rrsync.db"
        assert settings.keys.file == tmp_path / "rrsync.keys"
        assert settings.library[0].authorisation is not None
        assert settings.library[0].authorisation.scope == tmp_path / "scopes" / "libraries.txt"
        assert settings.registry.certificate == tmp_path / "pki" / "own.pem"
        assert settings.registry.ca == Path("/etc/ca.pem")
        assert settings.registry.private_key is None

    @pytest.mark.parametrize(
        ("url", "wanted"),
        [
            ("sqlite+pysqlite:///a.db", "sqlite+pysqlite:///{folder}/a.db"),
            ("sqlite:////var/a.db", "sqlite:////var/a.db"),
            ("sqlite://", "sqlite://"),
            ("postgresql+psycopg://user@host/db", "postgresql+psycopg://user@host/db"),
        ],
    )
    def test_databases(self, write: Write, tmp_path: Path, url: str, wanted: str) -> None:
        """Only a SQLite file has a path."""
        settings = load(write(("sqlite:///rrsync.db", url)))
        assert settings.store.url == wanted.format(folder=tmp_path)

    def test_a_relative_settings_file(self, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its paths are absolute."""
        write()
        monkeypatch.chdir(tmp_path)
        assert load(Path("rrsync.toml")).keys.file == tmp_path / "rrsync.keys"

    def test_a_library_without_authorisation(self, write: Write) -> None:
        """It has no scope."""
        text = TEMPLATE[: TEMPLATE.index("[library.authorisation]")]
        assert load(write(text=text)).library[0].authorisation is None


class TestEndpoint:
    """One address for all services, or one for each."""

    def test_a_table(self, write: Write) -> None:
        """A service without an address cannot be asked."""
        table = 'endpoint = { GeefPersoon = "http://127.0.0.2/" }'
        settings = load(write(('endpoint = "http://127.0.0.1:8080/"', table)))
        assert settings.registry.address("GeefPersoon-02.02", "persoon") == "http://127.0.0.2/"
        with pytest.raises(ConfigError, match="Other"):
            settings.registry.address("Other-01.00", "persoon")

    @pytest.mark.parametrize("form", ['"{}"', '{{ GeefPersoon = "http://127.0.0.1/", Other = "{}" }}'])
    def test_a_simulator_is_on_this_machine(self, write: Write, form: str) -> None:
        """Any other address is refused, anywhere in the table."""
        for address in (
            "https://register.example/",
            "http://register.example/",
            "https://0.0.0.0/",
            "https://128.0.0.1/",
            "https://127.0.0.1.example/",
            "https://localhost.example/",
            "https://127.0.0.1@register.example/",
            "https://register.example#@127.0.0.1/",
            "https://register.example\\\\@127.0.0.1/",
            "https://[::1",
            "https://[2001:db8::1]/",
            "https:///p",
            "127.0.0.1",
            "",
        ):
            message = _refused(write((ENDPOINT, form.format(address))))
            assert "endpoint" in message
            assert "this machine" in message

    @pytest.mark.parametrize("environment", ["simulator", "acceptance", "production"])
    def test_this_machine_needs_no_tls(self, write: Write, environment: str) -> None:
        """Nothing leaves it; a proxy on it may have the certificates."""
        for host in ("127.0.0.1", "127.9.9.9:1", "localhost:8080", "LOCALHOST", "[::1]:8080"):
            registry = load(write(*elsewhere(environment), ("http://127.0.0.1:8080/", f"http://{host}/"))).registry
            assert registry.address("GeefPersoon-02.02", "persoon") == f"http://{host}/"

    @pytest.mark.parametrize("environment", ["acceptance", "production"])
    def test_the_register_needs_tls(self, write: Write, environment: str) -> None:
        """National numbers never cross a network in clear."""
        said = elsewhere(environment)
        for scheme in ("http", "HTTP"):
            address = ("http://127.0.0.1:8080/", f"{scheme}://register.example/")
            assert "https://" in _refused(write(*said, address))
        assert load(write(*said, ("http://127.0.0.1:8080/", "https://register.example/"))).library

    @pytest.mark.parametrize(
        ("environment", "operation", "domain", "address"),
        [
            (
                "acceptance",
                "GeefPersoon-02.02",
                "persoon",
                "https://magdapersoondienst-aip.vlaanderen.be/GeefPersoonDienst-02.02/soap/WebService",
            ),
            (
                "production",
                "RegistreerInschrijving-02.01",
                "repertorium",
                "https://magdarepertoriumdienst.vlaanderen.be/RegistreerInschrijvingDienst-02.01/soap/WebService",
            ),
            ("simulator", "RegistreerUitschrijving-02.00", "repertorium", "http://127.0.0.1:8080/"),
        ],
    )
    def test_the_default_address(
        self, write: Write, environment: str, operation: str, domain: str, address: str
    ) -> None:
        """From the environment and the name and version of the service (MAGDA fact sheet §1.5)."""
        left_out = ('endpoint = "http://127.0.0.1:8080/"', "")
        assert load(write(*elsewhere(environment), left_out)).registry.address(operation, domain) == address

    @pytest.mark.parametrize(
        ("environment", "host"),
        [
            ("acceptance", "magdapersoondienst.vlaanderen.be"),
            ("production", "magdapersoondienst-aip.vlaanderen.be"),
            ("production", "MAGDApersoondienst-AIP.vlaanderen.be."),
        ],
    )
    @pytest.mark.parametrize("form", ['"https://{}/x"', '{{ GeefPersoon = "https://{}:443/x" }}'])
    def test_an_address_of_the_other_environment(self, write: Write, environment: str, host: str, form: str) -> None:
        """Refused: acceptance never asks about real people, and production about nobody else."""
        said = _refused(write(*elsewhere(environment), (ENDPOINT, form.format(host))))
        assert environment in said

    @pytest.mark.parametrize(
        ("environment", "sender"), [("acceptance", "demo.example/b"), ("production", "demo.example/b-aip")]
    )
    def test_a_sender_of_the_other_environment(self, write: Write, environment: str, sender: str) -> None:
        """Refused: a library has one sender for each."""
        said = ('environment = "simulator"', f'environment = "{environment}"')
        assert "sender of demo" in _refused(write(said, ("demo.example/bibliotheek", sender)))


class TestTrust:
    """Certificates for signing and verifying."""

    def test_signing_and_verifying_need_certificates(self, write: Write, tmp_path: Path) -> None:
        """A certificate to sign with, and a trust store to verify with."""
        assert "certificate" in _refused(write(("sign = false", "sign = true")))
        for policy in ("if_present", "required"):
            verify = ('verify = "never"', f'verify = "{policy}"')
            assert "trust" in _refused(write(verify))
            assert load(write(verify, ('trust = ""', 'trust = "magda.pem"'))).registry.trust == tmp_path / "magda.pem"

    def test_the_passphrase_is_a_credential(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """From the systemd credential, else from the environment; never a setting."""
        assert certificate_passphrase() == ""
        monkeypatch.setenv("RRSYNC_CERTIFICATE_PASSPHRASE", "from the environment")
        assert certificate_passphrase() == "from the environment"
        (tmp_path / "rrsync.certificate").write_text(f"{SECRET}\n", encoding="ascii")
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        assert certificate_passphrase() == SECRET


class TestDigest:
    """The hash of the settings in the access log."""

    @pytest.mark.parametrize(
        "url", ["postgresql+psycopg://{}@host/db", "postgresql+psycopg://host/db?user=u&password={}"]
    )
    def test_it_contains_no_secret(self, write: Write, url: str) -> None:
        """Another password gives the same hash, so that nobody can use it to guess one."""
        one, other = (load(write(("sqlite:///rrsync.db", url.format(f"{word}:{word}")))) for word in ("a", "b"))
        assert one.digest == other.digest
        assert len(one.digest) == 64

    def test_it_distinguishes_settings(self, write: Write) -> None:
        """Another database, limit or decision gives another hash."""
        usual = load(write()).digest
        assert load(write()).digest == usual
        for pair in (
            ("rrsync.db", "other.db"),
            ("max_in_flight = 16", "max_in_flight = 15"),
            ("RR 28/2009", "RR 1/2020"),
        ):
            assert load(write(pair)).digest != usual


class TestKeys:
    """The key file, else the systemd credential, else the environment."""

    def test_in_that_order(self, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The first that exists."""
        settings = load(write())
        with pytest.raises(ConfigError, match="from your backup"):
            read_keys(settings)
        monkeypatch.setenv("RRSYNC_KEYRING", "from the environment")
        assert read_keys(settings) == "from the environment"
        folder = tmp_path / "credentials"
        folder.mkdir()
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
        assert read_keys(settings) == "from the environment"
        (folder / "rrsync.keys").write_text("from systemd", encoding="ascii")
        assert read_keys(settings) == "from systemd"
        settings.keys.file.touch(mode=0o600)
        settings.keys.file.write_text("from the file", encoding="ascii")
        assert read_keys(settings) == "from the file"

    def test_unusable_key_files(self, write: Write) -> None:
        """Files that other users can access, with the command to repair them, and files that are no text."""
        settings = load(write())
        settings.keys.file.touch()
        for mode in (0o640, 0o604, 0o620, 0o610):
            settings.keys.file.chmod(mode)
            with pytest.raises(ConfigError, match=r"chmod 600 rrsync\.keys"):
                read_keys(settings)
        settings.keys.file.chmod(0o600)
        settings.keys.file.write_bytes(b"\xff" + SECRET.encode())
        with pytest.raises(ConfigError) as refused:
            read_keys(settings)
        assert SECRET not in str(refused.value)

    def test_an_empty_folder_of_credentials(
        self, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An empty variable is not the working directory."""
        there = tmp_path / "there"
        there.mkdir()
        (there / "rrsync.keys").write_text("somebody's", encoding="ascii")
        monkeypatch.chdir(there)
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", "")
        with pytest.raises(ConfigError, match="from your backup"):
            read_keys(load(write()))


def _with(anchor: str) -> tuple[str, str]:
    """Return the change that adds an anchor."""
    return "[[library]]", f"[[log.anchor]]\n{anchor}\n[[library]]"


class TestAnchors:
    """The anchors of checkpoints."""

    WITNESS = Signer("witness.example/w1", bytes(32))

    def test_each_kind(self, write: Write, tmp_path: Path) -> None:
        """A path is relative to the settings file."""
        key = self.WITNESS.cosigner.text
        said = (
            'kind = "file"\npath = "there/anchors"\n[[log.anchor]]\nkind = "mail"\nhost = "smtp.example"\n'
            'sender = "a@b.example"\nto = "dpo@b.example"\nca = "ca.pem"\n[[log.anchor]]\nkind = "witness"\n'
            f'url = "https://witness.example/"\nkey = "{key}"\n'
        )
        file, mail, witness = load(write(_with(said))).log.anchor
        assert (file.kind, mail.kind, witness.kind) == ("file", "mail", "witness")
        assert isinstance(file, FileAnchorSettings)
        assert file.path == tmp_path / "there" / "anchors"
        assert isinstance(mail, MailAnchorSettings)
        assert (mail.port, mail.tls, mail.ca) == (587, "starttls", tmp_path / "ca.pem")
        assert isinstance(witness, WitnessAnchorSettings)
        assert witness.ca is None

    @pytest.mark.parametrize(
        ("anchor", "sign"),
        [
            ('kind = "pigeon"\n', "kind"),
            ('kind = "file"\n', "path"),
            ('kind = "file"\npath = "a"\nurl = "b"\n', "unknown key"),
            ('kind = "mail"\nhost = "h"\nsender = "nobody"\nto = "a@b"\n', "sender"),
            ('kind = "mail"\nhost = "h"\nsender = "a@b"\nto = "a b@c"\n', "to"),
            ('kind = "mail"\nhost = "h"\nsender = "a@b"\nto = "a@c"\ntls = "maybe"\n', "tls"),
            ('kind = "witness"\nurl = "https://w.example/"\nkey = "w.example+1+x"\n', "public key"),
            (f'kind = "witness"\nurl = "https://w.example/"\nkey = "{WITNESS.key.text}"\n', "public key"),
            (f'kind = "witness"\nurl = "http://w.example/"\nkey = "{WITNESS.cosigner.text}"\n', "https://"),
        ],
    )
    def test_invalid_anchors(self, write: Write, anchor: str, sign: str) -> None:
        """The message names the key or the rule."""
        assert sign in _refused(write(_with(anchor)))

    def test_the_mail_password_is_no_setting(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It comes from the systemd credential, else from the environment."""
        assert smtp_password() == ""
        monkeypatch.setenv("RRSYNC_SMTP_PASSWORD", "from the environment")
        assert smtp_password() == "from the environment"
        (tmp_path / "rrsync.smtp").write_text("from systemd\n", encoding="ascii")
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        assert smtp_password() == "from systemd"
        (tmp_path / "rrsync.smtp").write_bytes(b"\xff")
        with pytest.raises(ConfigError, match="mail password"):
            smtp_password()
