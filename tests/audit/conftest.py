"""What the tests of a log that is shown and proven start from: a whole installation."""

from tests.night.conftest import library_night as library_night  # noqa: PLC0414 — a fixture, for all tests of this folder
