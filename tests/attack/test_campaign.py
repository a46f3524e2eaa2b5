"""The attack at a fraction of its size; `make attack` runs more of it, with a live node and kills."""

from __future__ import annotations

import pytest

from tests.attack.campaign import PARTS, Part, run_part


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_nothing_ends_in_anything_but_an_error_of_ours(part: Part) -> None:
    outcome = run_part(part, 0.02, seed=2)
    assert outcome.tried == round(part.full * 0.02)
    assert outcome.failed == 0, outcome.faults


def test_what_fails_is_found() -> None:
    def attempts(rng: object, folder: object):
        while True:
            yield lambda: 1 / 0

    outcome = run_part(Part("division", 10, attempts), 1.0)
    assert (outcome.tried, outcome.failed) == (10, 10)
    assert "ZeroDivisionError" in outcome.faults[0]
