"""avtar-replay --rerun: what Rerun's own reader finds in the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from avtar_ros.replay.cli import main
from avtar_ros.tasks import TASKS
from tests.tiny_bags import stamps, write_truth_bag

pytest.importorskip("rerun", reason="needs the extra `rerun`")


def test_images_maps_and_figures_are_in_the_file_at_their_stamps(tmp_path: Path, tiny_model: Path) -> None:
    from rerun.chunk import RrdReader

    bag = write_truth_bag(tmp_path / "rooms.mcap", frames=4)
    arguments = ["--model", str(tiny_model), "--out", str(tmp_path / "out"), "--threads", "1"]
    assert main([str(bag), *arguments, "--rerun", str(tmp_path / "seen/run.rrd")]) == 0
    assert [path.name for path in (tmp_path / "seen").iterdir()] == ["run.rrd"]
    rows: dict[str, list[int]] = {}
    static = set()
    for chunk in RrdReader(tmp_path / "seen/run.rrd").stream():
        if chunk.is_static:
            static.add(chunk.entity_path)
        else:
            stamp = chunk.to_record_batch().column("stamp")
            rows.setdefault(chunk.entity_path, []).extend(value.value for value in stamp)
    assert "/" in static  # names and colours of the classes
    for entity in ("/camera", "/camera/image", *(f"/camera/{task}" for task in TASKS), "/figures/depth/rmse_m"):
        assert sorted(rows[entity]) == stamps(4), entity
