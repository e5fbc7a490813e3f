"""Our own WSDL as zeep reads it: the operation that builds a service's envelopes. Nothing is fetched or sent.

The only module that imports zeep, which takes half a second and 40 MB: ``soap`` imports it for the first envelope.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from zeep import Client, Settings, Transport

from rrsync.errors import ConfigError
from rrsync.registry.request import Service


def read_operation(asked: Service) -> Any:
    """Return zeep's operation of a service.

    Raises:
        ConfigError: the WSDL names a file outside its own folder.
    """
    with as_file(files("rrsync") / "wsdl" / asked.operation) as folder:
        zeep = Client(  # type: ignore[no-untyped-call]  # zeep leaves it untyped
            str(folder / f"{asked.name}.wsdl"),
            transport=_Folder(folder),
            settings=Settings(strict=True, xml_huge_tree=False, forbid_external=True),
        )
    binding: Any = zeep.service._binding  # noqa: SLF001 — zeep's own way from a service to a message
    return binding.get(asked.name)


class _Folder(Transport):
    """A transport that reads the files of one folder, and nothing else."""

    def __init__(self, folder: Path) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # zeep leaves it untyped
        self._folder = folder.resolve()

    def load(self, url: str) -> bytes:
        path = Path(url).resolve()
        if not path.is_relative_to(self._folder):
            raise ConfigError("The register's interface names a file outside its own folder")
        return path.read_bytes()

    def post(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("zeep sends nothing")  # pragma: no cover
