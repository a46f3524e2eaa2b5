"""How good maps are: the metrics of several tasks at once, streaming and in NumPy, shared by training and replay."""

from __future__ import annotations

from collections.abc import Sequence

from avtar_ros.tasks import TASKS, Maps
from avtar_ros.tasks.metric import Figure, MetricError, MetricOptions, TaskMetric


def known_figures() -> dict[str, Figure]:
    """What the figures of all tasks mean, by key."""
    return {key: figure for task in TASKS.values() for key, figure in task.figures.items()}


def needs_truth(key: str) -> bool:
    """Whether a figure is one of maps against the truth."""
    return any(
        key in metric.FIGURES for task in TASKS.values() for metric in (*task.metrics, *task.metrics_of_recordings)
    )


class StreamingMetrics:
    """The metrics of several tasks at once."""

    def __init__(self, tasks: Sequence[str], classes: int, max_depth_m: float | None = None) -> None:
        options = MetricOptions(classes, max_depth_m)
        self._metrics: dict[str, list[TaskMetric]] = {
            task: [metric(options) for metric in TASKS[task].metrics] for task in tasks
        }

    def update(self, prediction: Maps, truth: Maps, to_scale: bool = True) -> None:
        """Add a batch of maps (B, H, W[, 3]); tasks without truth are skipped.

        Where predictions are not `to_scale`, as the camera is not known, only what does not see scale is measured.

        Raises MetricError if a prediction and its truth differ in shape, or class ids do not fit.
        """
        for task, metrics in self._metrics.items():
            if task not in truth:
                continue
            if prediction[task].shape != truth[task].shape:
                raise MetricError(
                    f"{task}: prediction is {prediction[task].shape}, truth {truth[task].shape}. "
                    "Bring the truth to the prediction's size first."
                )
            for metric in metrics:
                if to_scale or not metric.sees_scale:
                    metric.update(prediction[task], truth[task])

    def compute(self) -> dict[str, float]:
        """All figures so far by key; only of tasks whose truth had known pixels."""
        metrics = [metric for several in self._metrics.values() for metric in several]
        return {key: value for metric in metrics for key, value in metric.compute().items()}
