"""Figures for people: grouped, titled, with unit, direction and meaning, and without keys."""

from avtar_ros.metrics import known_figures
from avtar_ros.plain_figures import figures_text


def test_figures_are_grouped_by_task_whatever_their_order() -> None:
    figures = {"depth.rmse_m": 0.2879, "edges.f1": 0.89, "normals.mean_deg": 10.74, "depth.delta1": 0.935, "fps": 30.0}
    lines = figures_text(figures, known_figures()).splitlines()
    assert [line for line in lines if not line.startswith("  ")] == [
        "Depth", "Surface normals", "Edges", "↑ higher is better, ↓ lower is better"
    ]
    assert lines[1].split()[:4] == ["RMSE", "0.288", "m", "↓"]
    assert "10.7° ↓" in lines[4]
    assert "share of pixels within 25 %" in lines[2]
    assert "depth.rmse_m" not in "".join(lines)


def test_nothing_measured_says_nothing() -> None:
    assert figures_text({"fps": 3.0}, known_figures()) == ""
