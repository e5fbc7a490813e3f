"""Every row of the fault catalogue: each fault is injected for real, and what comes of it is what was promised."""

from __future__ import annotations

import pytest

from tests.faults.catalogue import Case, Row, Trial, all_rows

ROWS = all_rows()
CASES = [pytest.param(row, case, id=name, marks=pytest.mark.proof) for row in ROWS for name, case in row.cases]


@pytest.mark.parametrize(("row", "case"), CASES)
def test_a_fault_of_the_catalogue(row: Row, case: Case | None, trial: Trial) -> None:
    """Outcome, tries, database, log and exit code are what the row says, and nobody's data stands in clear."""
    if case is None:
        pytest.skip(row.elsewhere)
    trial.is_first = not case.name
    case.inject(trial)
    if not trial.has_run:
        trial.night()
    case.expect(trial)


def test_every_row_is_there_once() -> None:
    """Numbers 1 to 80, each in one row, which has its proof or says where that is."""
    assert [row.number for row in ROWS] == list(range(1, 81))
    for row in ROWS:
        assert bool(row.elsewhere) != (row.inject is not None and row.expect is not None), row.id
