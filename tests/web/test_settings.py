"""What can be set of the pages, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rrsync.app.web_services import grants
from rrsync.config.load import load, oidc_secret
from rrsync.config.settings import Settings, WebSettings
from rrsync.core.desk_quota import Limits
from rrsync.core.roles import Role
from rrsync.errors import ConfigError

Make = Callable[[str], Settings]

OIDC = """\
[web.oidc]
issuer = "https://op.example/op"
client_id = "rrsync"
role_claim = "rrsync_rol_3d"
roles = { RRSync-Balie = "desk" }
"""


def test_what_holds_without_settings(make: Make) -> None:
    """This machine alone, plain HTTP, nobody to log in with, the usual limits."""
    web = make("").web
    assert (web.origin, web.is_here, web.oidc) == ("http://127.0.0.1:8000", True, None)
    assert web.limits.limits == Limits()


def test_a_provider_and_what_its_claims_are_worth(make: Make, tmp_path: Path) -> None:
    """Texts of roles, codes of organisations, and the file of who signed its certificate beside the settings."""
    settings = make(f'[web]\norganisation = "OVO000009"\n{OIDC}ca = "op.pem"\nname_claim = "vo_email"')
    found = grants(settings)
    assert found is not None
    assert found.roles == {"RRSync-Balie": Role.DESK}
    assert found.libraries == {"OVO000001": "hasselt", "OVO000002": "genk"}
    assert (found.house, found.role_claim, found.name_claim) == ("OVO000009", "rrsync_rol_3d", "vo_email")
    assert settings.web.oidc is not None
    assert settings.web.oidc.ca == tmp_path / "op.pem"
    assert settings.web.oidc.scopes == ["openid", "vo", "profile"]
    assert grants(make("")) is None


@pytest.mark.parametrize(
    ("said", "origin"),
    [
        ({"public_url": "https://rrsync.example/"}, "https://rrsync.example"),
        ({"public_url": "https://RRSYNC.example:443"}, "https://rrsync.example"),
        ({"public_url": "https://rrsync.example:8443"}, "https://rrsync.example:8443"),
        ({"host": "::1", "port": 80}, "http://[::1]"),
        ({"host": "localhost", "port": 81}, "http://localhost:81"),
        ({"host": "0.0.0.0", "public_url": "https://rrsync.example"}, "https://rrsync.example"),
    ],
)
def test_what_a_browser_calls_the_pages(said: dict[str, object], origin: str) -> None:
    """Without the usual port, in small letters: as it says it in its requests."""
    assert WebSettings.model_validate(said).origin == origin


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ('[web]\nhost = "0.0.0.0"', "public_url must be"),
        ('[web]\nhost = "0.0.0.0"\npublic_url = "http://127.0.0.1:8000"', "public_url must be"),
        ('[web]\npublic_url = "http://rrsync.example"', "must be https://"),
        ('[web]\npublic_url = "https://"', "must be https://"),
        ('[web]\npublic_url = "https://an@rrsync.example"', "must be https://"),
        ('[web]\npublic_url = "https://rrsync.example/rrsync"', "must end after the host"),
        ('[web]\npublic_url = "https://rrsync.example?x"', "must end after the host"),
        ("[web]\nport = 0", "web.port"),
        ("[web.limits]\nper_minute = 0", "web.limits.per_minute"),
        ("[web.limits]\nsoft = 1.5", "web.limits.soft"),
        (OIDC.replace("https://op", "http://op"), "web.oidc.issuer"),
        (OIDC.replace("/op", "/op?x"), "web.oidc.issuer"),
        (OIDC.replace("/op", "/op#x"), "web.oidc.issuer"),
        (OIDC.replace("desk", "chef"), "web.oidc.roles"),
        (OIDC.replace(' RRSync-Balie = "desk" ', ""), "web.oidc.roles"),
        (f'{OIDC}scopes = ["profile"]', "web.oidc.scopes"),
        (f'{OIDC}secret = "hunter2"', "unknown key: web.oidc.secret"),
        ('[web]\norganisation = "OVO000001"', "one organisation code"),
    ],
)
def test_what_cannot_be_is_refused(make: Make, text: str, sign: str) -> None:
    """In one sentence that repeats no value."""
    with pytest.raises(ConfigError) as refused:
        make(text)
    assert sign in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "text", [OIDC.replace("https://op.example", "http://127.0.0.1:1"), '[web]\npublic_url = "http://127.0.0.1:8000"']
)
def test_outside_the_simulator_everything_has_tls(tmp_path: Path, text: str) -> None:
    """The pages, and who logs people in."""
    path = tmp_path / "rrsync.toml"
    path.write_text(f'{text}\n[registry]\nenvironment = "production"', encoding="utf-8")
    with pytest.raises(ConfigError, match="must be https:// outside the simulator"):
        load(path)
    path.write_text(f'{OIDC}\n[registry]\nenvironment = "production"', encoding="utf-8")
    assert load(path).web.oidc


def test_the_secret_is_no_setting(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes from the environment, or from systemd's credential, which goes first."""
    make("")
    monkeypatch.setenv("RRSYNC_OIDC_SECRET", "one")
    assert oidc_secret() == "one"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "rrsync.oidc").write_text("two\n", encoding="ascii")
    assert oidc_secret() == "two"
