"""The rate limit: never more than allowed, and no fewer than can be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avtar_ros.node.rate_limit import RateLimit

SECOND = 1_000_000_000


@given(gaps_ns=st.lists(st.integers(0, SECOND), min_size=1), rate=st.floats(0.1, 200))
def test_over_any_time_no_more_come_through_than_the_rate_and_one(gaps_ns: list[int], rate: float) -> None:
    limit, now_ns, through = RateLimit(), SECOND, []
    for gap_ns in gaps_ns:
        now_ns += gap_ns
        if limit.allows(now_ns, rate):
            through.append(now_ns)
    for i, start_ns in enumerate(through):
        for count, end_ns in enumerate(through[i:], 1):
            assert count <= (end_ns - start_ns) / SECOND * rate + 1.26


@given(jitter=st.lists(st.floats(-0.1, 0.1), min_size=60, max_size=60), rate=st.sampled_from([10.0, 15.0, 30.0]))
def test_of_a_camera_at_twice_the_rate_every_second_frame_comes_through(jitter: list[float], rate: float) -> None:
    limit = RateLimit()
    period_ns = SECOND / (2 * rate)
    passed = [limit.allows(round(SECOND + (i + shift) * period_ns), rate) for i, shift in enumerate(jitter)]
    assert abs(sum(passed) - 30) <= 1


@given(jitter=st.lists(st.floats(-0.1, 0.1), min_size=60, max_size=60))
def test_of_a_camera_at_the_rate_itself_hardly_a_frame_is_lost(jitter: list[float]) -> None:
    limit = RateLimit()
    passed = [limit.allows(round(SECOND + (i + shift) * SECOND / 30), 30.0) for i, shift in enumerate(jitter)]
    assert sum(passed) >= 59


@pytest.mark.parametrize("rate", [0.0, 1e9])
def test_without_a_limit_all_come_through(rate: float) -> None:
    limit = RateLimit()
    assert all(limit.allows(now_ns, rate) for now_ns in range(1, 100))


def test_a_limit_that_is_raised_acts_after_the_next_frame() -> None:
    limit = RateLimit()
    assert limit.allows(SECOND, 0.01)
    assert not limit.allows(2 * SECOND, 0.01)
    assert limit.allows(2 * SECOND, 0)
