"""The tasks as training knows them: a record each, of the same name as in `avtar_ros.tasks`, in a file of its own."""

from training.tasks.depth import LEARNT_DEPTH
from training.tasks.edges import LEARNT_EDGES
from training.tasks.learnt_task import LearntTask
from training.tasks.normals import LEARNT_NORMALS
from training.tasks.segmentation import LEARNT_SEGMENTATION

__all__ = ["LEARNT", "LearntTask"]

LEARNT: dict[str, LearntTask] = {
    learnt.task.name: learnt for learnt in (LEARNT_SEGMENTATION, LEARNT_DEPTH, LEARNT_NORMALS, LEARNT_EDGES)
}
