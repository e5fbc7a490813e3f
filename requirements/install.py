"""Install a lock of this folder into the Python that runs this script, with the uv that uv.txt pins.

    python requirements/install.py locked -r requirements/run.txt     install what the lock lists, and nothing else
    python requirements/install.py package --editable .               install the package, without its dependencies
    python requirements/install.py compile requirements/build.in      write a lock

pip installs only uv, which has no dependencies. pip does not install the locks: an old pip resolves an extra anew
against the index, and refuses a complete lock as soon as a newer version is published. uv resolves nothing here. It
installs a lock as it stands, from wheels.

uv does not read pip's settings (pip.conf, PIP_*). This script passes them on, so a machine that uses a mirror needs no
other settings. A setting of uv itself has priority.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import ssl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

PIP: Final = (sys.executable, "-m", "pip", "--disable-pip-version-check")
AS_LOCKED: Final = ("--no-deps", "--require-hashes", "--only-binary", ":all:")
COMMANDS: Final = {
    # A hash identifies the file, so it does not matter which index serves it.
    "locked": ("pip", "install", *AS_LOCKED, "--index-strategy", "unsafe-best-match"),
    "package": ("pip", "install", "--no-deps", "--no-build-isolation"),
    "compile": ("pip", "compile"),
}

#: A setting of pip -> the environment variable of uv that says the same, and its other names.
VARIABLES: Final = {
    "index-url": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "extra-index-url": ("UV_INDEX", "UV_EXTRA_INDEX_URL"),
    "find-links": ("UV_FIND_LINKS",),
    "trusted-host": ("UV_INSECURE_HOST",),
    "cert": ("SSL_CERT_FILE",),
    "client-cert": ("SSL_CLIENT_CERT",),
    "proxy": ("ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"),
    "timeout": ("UV_HTTP_TIMEOUT",),
}


def main(command: str = "", *arguments: str) -> None:
    """Replace this process by uv, which runs the command with pip's settings."""
    if command not in COMMANDS:
        sys.exit(__doc__)
    install_uv()
    settings = pip_settings()
    uv = str(Path(sys.executable).with_name("uv"))
    no_index = ["--no-index"] if settings.get("no-index", "").lower() in {"1", "on", "t", "true", "y", "yes"} else []
    options = [*COMMANDS[command], "--quiet", "--python", sys.executable, *no_index, *arguments]
    os.execve(uv, [uv, *options], {**os.environ, **uv_variables(settings, os.environ)})  # noqa: S606


def install_uv() -> None:
    """Install the pinned uv with pip, and first pip with ensurepip where there is none."""
    pin = str(Path(__file__).with_name("uv.txt"))
    try:
        if importlib.util.find_spec("pip") is None:
            subprocess.run([sys.executable, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([*PIP, "--quiet", "install", *AS_LOCKED, "-r", pin], check=True)  # noqa: S603
    except subprocess.CalledProcessError:
        sys.exit(f"pip could not install uv (see above). Nothing else was installed. The Python was {sys.executable}.")


def pip_settings() -> dict[str, str]:
    """Return pip's settings for `pip install`: the environment over [install], and [install] over [global]."""
    done = subprocess.run([*PIP, "config", "list"], check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    lines = [line.partition("=") for line in done.stdout.splitlines()]
    settings = {"cert": os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or ""}
    for section in ("global.", "install.", ":env:."):
        for name, _, value in lines:
            if name.startswith(section) and value != "''":
                settings[name.removeprefix(section).removeprefix("default-")] = str(ast.literal_eval(value))
    return settings


def uv_variables(settings: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that pass pip's settings to uv, without those that are set for uv already."""
    variables = {
        names[0]: _in_uv_form(name, settings[name])
        for name, names in VARIABLES.items()
        if settings.get(name) and not any(environment.get(each) for each in names)
    }
    if _system_has_certificates() and not environment.get("UV_SYSTEM_CERTS"):
        variables["UV_SYSTEM_CERTS"] = "true"  # as a new pip does; SSL_CERT_FILE has priority
    return variables


def _in_uv_form(name: str, value: str) -> str:
    match name:
        case "extra-index-url" | "trusted-host":
            return " ".join(value.split())
        case "find-links":
            places = [os.path.expanduser(place) for place in value.split()]  # noqa: PTH111 (a place may be a URL)
            # pip ignores a folder that is missing; uv does not.
            return ",".join(place for place in places if "://" in place or Path(place).is_dir())
        case "timeout":
            return str(int(float(value)))
        case _:
            return value


def _system_has_certificates() -> bool:
    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile or (paths.capath and any(Path(paths.capath).iterdir())))


if __name__ == "__main__":
    main(*sys.argv[1:])
