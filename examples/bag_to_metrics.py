"""How good a model is on a recording that knows the truth: python examples/bag_to_metrics.py models/demo.mcap"""

from __future__ import annotations

import sys
from pathlib import Path

from avtar_ros.bags.reading import open_bag
from avtar_ros.bags.recorded_frames import RecordedCamera
from avtar_ros.engines.opening import open_engine
from avtar_ros.metrics import StreamingMetrics, known_figures
from avtar_ros.perception import Perception
from avtar_ros.resources import DEMO_MODEL, find_resource
from avtar_ros.tasks import TASKS


def main(path: Path) -> None:
    with open_bag(path) as bag, open_engine(find_resource(DEMO_MODEL)) as engine:
        perception = Perception(engine)
        metrics = StreamingMetrics(engine.card.tasks, len(engine.card.classes))
        for recorded in RecordedCamera.find(bag, engine.card.tasks).frames():
            (maps,) = perception([recorded.frame])
            height, width = recorded.frame.image.shape[:2]
            truth = {task: TASKS[task].resize(true, width, height) for task, true in recorded.truth.items()}
            metrics.update(
                {task: task_map[None] for task, task_map in maps.items()},
                {task: true[None] for task, true in truth.items()},
            )
    known = known_figures()
    for key, value in metrics.compute().items():
        print(f"{TASKS[key.partition('.')[0]].title}, {known[key].title}: {known[key].text(value)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
