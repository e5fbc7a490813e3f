"""The locks, and the script that installs them: what is locked is installed, whatever newer versions an index has."""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import pytest

from requirements.install import pip_settings, uv_variables

ROOT: Final = Path(__file__).resolve().parent.parent
LOCKS: Final = sorted((ROOT / "requirements").glob("*.txt"))
PIN: Final = re.compile(r"^([a-z0-9._-]+)==([^ ]+)", re.MULTILINE)

#: A package -> the lines of its metadata that say what it requires and offers. There is no gamma.
PACKAGES: Final = {"alpha": "Requires-Dist: beta[extra]\nRequires-Dist: gamma\n", "beta": "Provides-Extra: extra\n"}


class TestLocks:
    """Every requirement is pinned by hash, and no lock says where packages come from."""

    @pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
    def test_a_lock_pins_by_hash_and_names_no_address(self, lock: Path) -> None:
        """Every requirement has a version and a hash; no line names a place to download from."""
        text = lock.read_text(encoding="utf-8")
        assert "://" not in text
        assert not re.search(r"^\s*-(?!-hash=)", text, re.MULTILINE)
        for entry in re.split(r"\n(?=\S)", text.strip()):
            assert PIN.match(entry), entry
            assert "--hash=sha256:" in entry

    def test_pip_installs_one_requirement_only(self) -> None:
        """An old pip may resolve requirements of requirements anew; uv has none."""
        assert [name for name, _ in PIN.findall((ROOT / "requirements" / "uv.txt").read_text())] == ["uv"]

    def test_what_runs_and_what_builds_is_what_was_tested(self) -> None:
        """Every pin to run or build with is a pin to develop with, in the same version."""
        pins = {lock.stem: set(PIN.findall(lock.read_text())) for lock in LOCKS}
        assert pins["run"] <= pins["dev"]
        assert pins["build"] <= pins["dev"]

    def test_every_dependency_is_locked(self) -> None:
        """What pyproject.toml names is in the lock to run with."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        wanted = {re.split(r"[\[<>=!~; ]", name)[0] for name in project["dependencies"]}
        assert wanted <= {name for name, _ in PIN.findall((ROOT / "requirements" / "run.txt").read_text())}


def _wheel(index: Path, name: str, version: int) -> Path:
    """Write a wheel that holds one empty module, into its own folder of an index."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{PACKAGES[name]}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{each},,\n" for each in [*files, f"{info}/RECORD"])
    wheel = index / name / f"{name}-{version}-py3-none-any.whl"
    wheel.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel, "w") as archive:
        for each, text in files.items():
            archive.writestr(each, text)
    return wheel


def _source(index: Path, name: str, marker: Path) -> Path:
    """Write a source package of version 1 that writes a file as soon as its build is started."""
    files = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n",
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": f"open({str(marker)!r}, 'w').close()\n",
    }
    source = index / name / f"{name}-1.tar.gz"
    with tarfile.open(source, "w:gz") as archive:
        for each, text in files.items():
            member = tarfile.TarInfo(f"{name}-1/{each}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return source


class Machine:
    """A machine with a package index of its own, a lock of first versions, and a folder to install into."""

    def __init__(self, folder: Path, address: str) -> None:
        """Make an index that has a second version of all, and one that has nothing else."""
        self.folder = folder
        self.address = address
        self.target = folder / "target"
        self.lock = folder / "lock.txt"
        self.locked = [_wheel(folder / "index", name, 1) for name in PACKAGES]
        for name in PACKAGES:
            _wheel(folder / "index", name, 2)
            _wheel(folder / "newer", name, 2)
        self.write_lock()

    def write_lock(self, *, hashed: bool = True, pinned: bool = True) -> None:
        """Lock the first versions, as their files are now."""
        entries = [
            file.parent.name
            + "==1" * pinned
            + f" --hash=sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}" * hashed
            for file in self.locked
        ]
        self.lock.write_text("\n".join(entries) + "\n")

    @property
    def folders(self) -> str:
        """The index as pip's `find-links` names it."""
        return " ".join(str(self.folder / "index" / name) for name in PACKAGES)

    def install(self, configuration: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the project's installer with pip configured by a file and by variables, and uv not at all."""
        pip_conf = self.folder / "pip.conf"
        pip_conf.write_text(configuration)
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not re.match(r"PIP_|UV_|.*_PROXY$", name, re.IGNORECASE)
        }
        return subprocess.run(
            [sys.executable, ROOT / "requirements" / "install.py", "locked", "--target", self.target, "-r", self.lock],
            cwd=self.folder,
            env={
                **inherited,
                "PIP_CONFIG_FILE": str(pip_conf),
                "UV_CACHE_DIR": str(self.folder / "cache"),
                **variables,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def installed(self) -> list[str]:
        """What is installed, in which version."""
        return sorted(path.name.removesuffix(".dist-info") for path in self.target.glob("*.dist-info"))


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Yield a machine whose indexes are also served over HTTP."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Machine(tmp_path, f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()


class TestInstall:
    """The installer puts in place what the lock lists, from where pip is told to look."""

    def test_from_folders_without_an_index(self, machine: Machine) -> None:
        """The locked versions are installed although newer ones are there, and a missing folder is ignored."""
        done = machine.install(f"[global]\nno-index = true\nfind-links = {machine.folders} /nowhere\n")
        assert (done.returncode, machine.installed()) == (0, ["alpha-1", "beta-1"]), done.stderr

    def test_from_a_mirror(self, machine: Machine) -> None:
        """The index that pip's configuration names is the one that is asked."""
        done = machine.install(f"[global]\nindex-url = {machine.address}/index\n")
        assert (done.returncode, machine.installed()) == (0, ["alpha-1", "beta-1"]), done.stderr

    def test_from_the_second_of_two_indexes(self, machine: Machine) -> None:
        """An index that has only newer versions does not hide the one that has the locked ones."""
        done = machine.install(PIP_EXTRA_INDEX_URL=f"{machine.address}/newer", PIP_INDEX_URL=f"{machine.address}/index")
        assert (done.returncode, machine.installed()) == (0, ["alpha-1", "beta-1"]), done.stderr

    def test_without_an_index_none_is_asked(self, machine: Machine) -> None:
        """An index that pip may not ask is not asked."""
        done = machine.install(PIP_NO_INDEX="1", PIP_INDEX_URL=f"{machine.address}/index")
        assert done.returncode != 0
        assert machine.installed() == []

    def test_no_source_is_built(self, machine: Machine, tmp_path: Path) -> None:
        """A locked source package is refused, and none of its code runs."""
        machine.locked[0].unlink()
        machine.locked[0] = _source(tmp_path / "index", "alpha", tmp_path / "it ran")
        machine.write_lock()
        done = machine.install(PIP_INDEX_URL=f"{machine.address}/index")
        assert done.returncode != 0
        assert not (tmp_path / "it ran").exists()

    @pytest.mark.parametrize("fault", ["changed wheel", "no hash", "no version"])
    def test_refused(self, machine: Machine, fault: str) -> None:
        """Nothing is installed from a lock that does not pin everything, nor from a file other than the locked one."""
        match fault:
            case "changed wheel":
                with zipfile.ZipFile(machine.locked[-1], "a") as archive:
                    archive.writestr("added.py", "")
            case "no hash":
                machine.write_lock(hashed=False)
            case _:
                machine.write_lock(pinned=False)
        done = machine.install(PIP_NO_INDEX="1", PIP_FIND_LINKS=machine.folders)
        assert done.returncode != 0
        assert machine.installed() == []


class TestSettings:
    """uv gets what pip is told, unless it is told otherwise itself."""

    def test_priorities(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The environment comes before [install], and [install] before [global]; an empty variable does not count."""
        pip_conf = tmp_path / "pip.conf"
        pip_conf.write_text(
            "[global]\nproxy = a\ncert = a\nindex-url = a\n[install]\nproxy = b\ncert = b\n[list]\nproxy = c\n"
        )
        monkeypatch.setenv("PIP_CONFIG_FILE", str(pip_conf))
        monkeypatch.setenv("PIP_CERT", "c")
        monkeypatch.setenv("PIP_INDEX_URL", "")
        found = pip_settings()
        assert (found["index-url"], found["proxy"], found["cert"]) == ("a", "b", "c")

    @pytest.mark.parametrize(
        ("setting", "value", "variable", "expected"),
        [
            ("index-url", "https://a.example/simple", "UV_DEFAULT_INDEX", "https://a.example/simple"),
            (
                "extra-index-url",
                "\nhttps://a.example\nhttps://b.example",
                "UV_INDEX",
                "https://a.example https://b.example",
            ),
            (
                "find-links",
                "https://a.example\nhttps://b.example",
                "UV_FIND_LINKS",
                "https://a.example,https://b.example",
            ),
            ("trusted-host", "a.example\nb.example:8443", "UV_INSECURE_HOST", "a.example b.example:8443"),
            ("cert", "/etc/our authority.pem", "SSL_CERT_FILE", "/etc/our authority.pem"),
            ("client-cert", "/etc/client.pem", "SSL_CLIENT_CERT", "/etc/client.pem"),
            ("proxy", "http://proxy.example:3128", "ALL_PROXY", "http://proxy.example:3128"),
            ("timeout", "15.5", "UV_HTTP_TIMEOUT", "15"),
        ],
    )
    def test_one_setting(self, setting: str, value: str, variable: str, expected: str) -> None:
        """Each setting has a variable and a form of its own; a variable that is set already stays."""
        assert uv_variables({setting: value}, {}).get(variable) == expected
        assert variable not in uv_variables({setting: value}, {variable: "own"})

    def test_an_older_name_counts_too(self) -> None:
        """The index has two variables of uv; one of them is enough."""
        assert "UV_DEFAULT_INDEX" not in uv_variables(
            {"index-url": "https://a.example"}, {"UV_INDEX_URL": "https://b.example"}
        )
