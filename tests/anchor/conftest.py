"""A certificate that is made once."""

from __future__ import annotations

import pytest

from tests.anchor.scene import Trust, certified


@pytest.fixture(scope="session")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    """Give a certificate for this machine, and who signed it."""
    return certified(tmp_path_factory.mktemp("trust"))
