"""The settings: where they are found, what may stand in them, and what is never said about them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rrsync.cli.setup import TEMPLATE
from rrsync.config.load import certificate_passphrase, load, named_file, read_keys, smtp_password
from rrsync.config.settings import FileAnchorSettings, MailAnchorSettings, Settings, WitnessAnchorSettings
from rrsync.core.signed_note import Signer
from rrsync.errors import ConfigError

SECRET = "hunter2hunter2"

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("RRSYNC_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return what writes the usual settings with pieces replaced, or others altogether."""

    def write(*pairs: tuple[str, str], text: str = TEMPLATE) -> Path:
        for old, new in pairs:
            assert text.count(old) == 1
            text = text.replace(old, new)
        path = tmp_path / "rrsync.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def elsewhere(environment: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return what makes the usual settings those of another environment, under the name that fits it."""
    name = "demo.example/bibliotheek"
    sender = f"{name}-aip" if environment == "acceptance" else name
    return ('environment = "simulator"', f'environment = "{environment}"'), (f'"{name}"', f'"{sender}"')


def _refused(path: Path | None) -> str:
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert refused.value.exit_code == 2
    assert SECRET not in str(refused.value)
    return str(refused.value)


class TestFile:
    """Where the settings are found, and what is no settings file."""

    def test_the_one_named_goes_first(self, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Named, else ``RRSYNC_CONFIG``, else the working directory."""
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
        """What ``rrsync init`` writes says what would hold without it."""
        settings = load(write())
        for name in ("language", "night"):
            assert getattr(settings, name) == getattr(Settings(), name)
        usual = Settings().registry
        address = usual.address("GeefPersoon-02.02", "persoon")
        assert settings.registry == usual.model_copy(update={"endpoint": address})
        assert load(write(text="")).library == []

    @pytest.mark.parametrize("content", [b"language = ", b"\xff\xfe", b"[store\n", b'language = "nl"\nlanguage = "en"'])
    def test_what_is_no_toml_is_refused(self, tmp_path: Path, content: bytes) -> None:
        """One sentence that names the file."""
        path = tmp_path / "rrsync.toml"
        path.write_bytes(content)
        assert _refused(path).startswith("rrsync.toml is no valid TOML: ")

    def test_a_missing_file_is_refused(self, tmp_path: Path) -> None:
        """With both ways out."""
        assert "--config, or run `rrsync init`" in _refused(tmp_path / "no.toml")
        assert "There is no settings file" in _refused(tmp_path)

    def test_a_file_that_cannot_be_read_is_refused(self) -> None:
        """Whatever the system has against it."""
        assert "The settings file cannot be read" in _refused(Path("x" * 5000))


class TestValues:
    """An unknown key or a value that cannot be is one sentence; a value is never repeated."""

    @pytest.mark.parametrize(
        ("old", "new", "sign"),
        [
            ("[night]", f'[nights]\nkey = "{SECRET}"\n[night]', "does not know: nights"),
            ("[night]", f'[night]\nkey = "{SECRET}"', "does not know: night.key"),
            ('id = "demo"', f'id = "demo"\nkey = "{SECRET}"', "does not know: library.0.key"),
            ("[store]", f'[store]\npassword = "{SECRET}"', "does not know: store.password"),
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
        """The sentence names the key."""
        said = _refused(write((old, new)))
        assert sign in said
        assert said.startswith("rrsync.toml or the environment has a ")
        assert "\n" not in said

    def test_a_table_that_is_no_table(self, write: Write) -> None:
        """A value where a table belongs."""
        assert "registry" in _refused(write(text="registry = 5\n"))

    def test_two_libraries_of_one_id(self, write: Write) -> None:
        """Members of one would be taken for the other's."""
        block = TEMPLATE[TEMPLATE.index("[[library]]") :]
        assert _refused(write(text=TEMPLATE + block)).startswith("rrsync.toml: two libraries have the id demo.")

    def test_settings_are_not_changed_by_mistake(self, write: Write) -> None:
        """They are values."""
        with pytest.raises(ValueError, match="frozen"):
            load(write()).registry.sign = True


class TestEnvironment:
    """Any key can be set by the environment, which goes before the file."""

    def test_a_key_goes_before_the_file(self, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        """The others stay the file's."""
        monkeypatch.setenv("RRSYNC_REGISTRY__ENDPOINT", "http://localhost:8081/")
        monkeypatch.setenv("RRSYNC_LANGUAGE", "en")
        settings = load(write(("deadline_s = 45", "deadline_s = 7")))
        assert settings.registry.address("GeefPersoon-02.02", "persoon") == "http://localhost:8081/"
        assert (settings.registry.deadline_s, settings.language) == (7.0, "en")
        assert settings.library[0].id == "demo"

    def test_a_table_or_a_list_is_json(self, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        """As a table of endpoints, or the libraries as a whole."""
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
    def test_what_cannot_be_is_refused(
        self, write: Write, monkeypatch: pytest.MonkeyPatch, name: str, value: str, sign: str
    ) -> None:
        """A misspelled variable is not passed over in silence."""
        monkeypatch.setenv(name, value)
        said = _refused(write())
        assert sign in said
        assert "environment" in said

    def test_what_others_set_is_left_alone(self, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        """Kubernetes gives a service's neighbours variables of its name; our own two are no settings."""
        for name in ("RRSYNC_PORT", "RRSYNC_SERVICE_HOST", "RRSYNC_KEYRING", "RRSYNC_CONFIG"):
            monkeypatch.setenv(name, "x")
        monkeypatch.setenv("OTHER__REGISTRY", "x")
        assert load(write()).library


class TestPaths:
    """Relative paths are relative to the settings file."""

    def test_every_path(self, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Database, keys, scope and certificates; what is empty is none."""
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
        """Only a file has a place."""
        settings = load(write(("sqlite:///rrsync.db", url)))
        assert settings.store.url == wanted.format(folder=tmp_path)

    def test_the_file_may_be_named_relatively(
        self, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its folder is still a whole path."""
        write()
        monkeypatch.chdir(tmp_path)
        assert load(Path("rrsync.toml")).keys.file == tmp_path / "rrsync.keys"

    def test_a_library_without_authorisation_has_no_scope(self, write: Write) -> None:
        """Nothing is made up for it."""
        text = TEMPLATE[: TEMPLATE.index("[library.authorisation]")]
        assert load(write(text=text)).library[0].authorisation is None


class TestEndpoint:
    """One address for all services, or one each."""

    def test_a_table(self, write: Write) -> None:
        """A service that it does not name cannot be asked."""
        table = 'endpoint = { GeefPersoon = "http://127.0.0.2/" }'
        settings = load(write(('endpoint = "http://127.0.0.1:8080/"', table)))
        assert settings.registry.address("GeefPersoon-02.02", "persoon") == "http://127.0.0.2/"
        with pytest.raises(ConfigError, match=r"no address for Other\. .*Add it to the table"):
            settings.registry.address("Other-01.00", "persoon")

    @pytest.mark.parametrize(
        "address",
        [
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
        ],
    )
    @pytest.mark.parametrize("form", ['"{}"', '{{ GeefPersoon = "http://127.0.0.1/", Other = "{}" }}'])
    def test_a_simulator_is_on_this_machine(self, write: Write, address: str, form: str) -> None:
        """Whatever is not, is not asked, in whichever place of the table it stands."""
        said = _refused(write(('"http://127.0.0.1:8080/"', form.format(address))))
        assert "endpoint" in said
        assert "this machine" in said

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9:1", "localhost:8080", "LOCALHOST", "[::1]:8080"])
    @pytest.mark.parametrize("environment", ["simulator", "acceptance", "production"])
    def test_this_machine_may_be_asked_without_tls(self, write: Write, host: str, environment: str) -> None:
        """Nothing leaves it; a proxy beside us may hold the certificates."""
        registry = load(write(*elsewhere(environment), ("http://127.0.0.1:8080/", f"http://{host}/"))).registry
        assert registry.address("GeefPersoon-02.02", "persoon") == f"http://{host}/"

    @pytest.mark.parametrize("environment", ["acceptance", "production"])
    def test_the_register_is_asked_over_tls_only(self, write: Write, environment: str) -> None:
        """Numbers never go in clear over a network."""
        said = elsewhere(environment)
        for scheme in ("http", "HTTP"):
            address = ("http://127.0.0.1:8080/", f"{scheme}://register.example/")
            assert "endpoint must be https" in _refused(write(*said, address))
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
    def test_without_one_it_is_the_environments_own(
        self, write: Write, environment: str, operation: str, domain: str, address: str
    ) -> None:
        """MAGDA's address of a service follows from its name and version (MAGDA fact sheet §1.5)."""
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
    def test_one_of_the_other_environment_is_refused(
        self, write: Write, environment: str, host: str, form: str
    ) -> None:
        """Acceptance never asks about real people, and production asks about nobody else."""
        said = _refused(write(*elsewhere(environment), ('"http://127.0.0.1:8080/"', form.format(host))))
        assert f"is no host of MAGDA's {environment} environment" in said

    @pytest.mark.parametrize(
        ("environment", "sender"), [("acceptance", "demo.example/b"), ("production", "demo.example/b-aip")]
    )
    def test_so_is_a_sender_of_the_other(self, write: Write, environment: str, sender: str) -> None:
        """MAGDA gives a library a name for each."""
        said = ('environment = "simulator"', f'environment = "{environment}"')
        assert "the sender of demo must" in _refused(write(said, ("demo.example/bibliotheek", sender)))


class TestTrust:
    """What signing and verifying need."""

    def test_a_signature_needs_a_certificate(self, write: Write) -> None:
        """There is nothing to sign with, else."""
        assert "needs a certificate" in _refused(write(("sign = false", "sign = true")))

    @pytest.mark.parametrize("policy", ["if_present", "required"])
    def test_to_verify_needs_somebody_to_trust(self, write: Write, policy: str, tmp_path: Path) -> None:
        """A store of its own, relative to the settings."""
        asked = ('verify = "never"', f'verify = "{policy}"')
        assert "needs trust" in _refused(write(asked))
        assert load(write(asked, ('trust = ""', 'trust = "magda.pem"'))).registry.trust == tmp_path / "magda.pem"

    def test_the_passphrase_is_a_credential(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """From systemd's credential, else from the environment; never a setting."""
        assert certificate_passphrase() == ""
        monkeypatch.setenv("RRSYNC_CERTIFICATE_PASSPHRASE", "from the environment")
        assert certificate_passphrase() == "from the environment"
        (tmp_path / "rrsync.certificate").write_text(f"{SECRET}\n", encoding="ascii")
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        assert certificate_passphrase() == SECRET


class TestDigest:
    """The hash that opens a run in the access log."""

    @pytest.mark.parametrize(
        "url", ["postgresql+psycopg://{}@host/db", "postgresql+psycopg://host/db?user=u&password={}"]
    )
    def test_holds_no_secret(self, write: Write, url: str) -> None:
        """Another password is the same hash: it is of no use to who wants to guess one."""
        one, other = (load(write(("sqlite:///rrsync.db", url.format(f"{word}:{word}")))) for word in ("a", "b"))
        assert one.digest == other.digest
        assert len(one.digest) == 64

    def test_tells_settings_apart(self, write: Write) -> None:
        """Another database, purpose or limit is another hash."""
        usual = load(write()).digest
        assert load(write()).digest == usual
        for pair in (
            ("rrsync.db", "other.db"),
            ("max_in_flight = 16", "max_in_flight = 15"),
            ("RR 28/2009", "RR 1/2020"),
        ):
            assert load(write(pair)).digest != usual


class TestKeys:
    """The key file, else systemd's credential, else the environment."""

    def test_in_that_order(self, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each stands back for the one before it."""
        settings = load(write())
        with pytest.raises(ConfigError, match="There is no key:") as refused:
            read_keys(settings)
        assert "restore its key file from your backup" in str(refused.value)
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

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610])
    def test_a_file_that_others_may_touch_is_refused(self, write: Write, mode: int) -> None:
        """With what to type."""
        settings = load(write())
        settings.keys.file.touch()
        settings.keys.file.chmod(mode)
        with pytest.raises(ConfigError, match=r"Others can read the key file\. .*chmod 600 rrsync\.keys"):
            read_keys(settings)

    def test_a_file_that_is_no_text_is_refused(self, write: Write) -> None:
        """Its bytes are not shown."""
        settings = load(write())
        settings.keys.file.touch(mode=0o600)
        settings.keys.file.write_bytes(b"\xff" + SECRET.encode())
        with pytest.raises(ConfigError, match="The key file cannot be read") as refused:
            read_keys(settings)
        assert SECRET not in str(refused.value)

    def test_no_credential_is_looked_for_where_there_is_no_folder(
        self, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An empty variable does not mean the working directory."""
        there = tmp_path / "there"
        there.mkdir()
        (there / "rrsync.keys").write_text("somebody's", encoding="ascii")
        monkeypatch.chdir(there)
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", "")
        with pytest.raises(ConfigError, match="There is no key:"):
            read_keys(load(write()))


def _with(anchor: str) -> tuple[str, str]:
    """Return the piece of the settings that an anchor goes before."""
    return "[[library]]", f"[[log.anchor]]\n{anchor}\n[[library]]"


class TestAnchors:
    """Where checkpoints are kept: what can be used, and what is refused with its sentence."""

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
            ('kind = "file"\npath = "a"\nurl = "b"\n', "does not know"),
            ('kind = "mail"\nhost = "h"\nsender = "nobody"\nto = "a@b"\n', "sender"),
            ('kind = "mail"\nhost = "h"\nsender = "a@b"\nto = "a b@c"\n', "to"),
            ('kind = "mail"\nhost = "h"\nsender = "a@b"\nto = "a@c"\ntls = "maybe"\n', "tls"),
            ('kind = "witness"\nurl = "https://w.example/"\nkey = "w.example+1+x"\n', "public key"),
            (f'kind = "witness"\nurl = "https://w.example/"\nkey = "{WITNESS.key.text}"\n', "no witness's public key"),
            (f'kind = "witness"\nurl = "http://w.example/"\nkey = "{WITNESS.cosigner.text}"\n', "https://"),
        ],
    )
    def test_what_cannot_be_used(self, write: Write, anchor: str, sign: str) -> None:
        """One sentence, before anything happens."""
        assert sign in _refused(write(_with(anchor)))

    def test_the_mail_password_is_no_setting(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It comes from systemd's credential, else from the environment."""
        assert smtp_password() == ""
        monkeypatch.setenv("RRSYNC_SMTP_PASSWORD", "from the environment")
        assert smtp_password() == "from the environment"
        (tmp_path / "rrsync.smtp").write_text("from systemd\n", encoding="ascii")
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        assert smtp_password() == "from systemd"
        (tmp_path / "rrsync.smtp").write_bytes(b"\xff")
        with pytest.raises(ConfigError, match="mail password file cannot be read"):
            smtp_password()

    @pytest.mark.parametrize(
        ("setting", "sign"),
        [('opening_hours = "mo-xx 09:00"', "opening_hours"), ('case_pattern = "["', "no regular expression")],
    )
    def test_what_is_usual_in_a_library(self, write: Write, setting: str, sign: str) -> None:
        """Hours that are none and a pattern that is none are refused."""
        assert sign in _refused(write(('capacity = "1300" ', f'{setting}\ncapacity = "1300" ')))
