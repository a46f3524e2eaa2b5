"""The furniture of path-traced rooms: what it is used as, how large it is, and who made it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.data.path_traced_rooms.catalogue import FURNITURE, Catalogue, Entry, load_table
from training.data.path_traced_rooms.credits import LICENCES, credits_text
from training.data.path_traced_rooms.obj import read_model
from training.data.synthetic_rooms.classes import BED, CABINET, CHAIR, CLASSES, DOOR, SOFA, TABLE
from training.errors import TrainingError

needs_furniture = pytest.mark.skipif(
    not any(FURNITURE.glob("*.sh3f")), reason="sweethome3d-furniture is not installed"
)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue()


def entry(name: str, category: str = "Kitchen", model: str = "x") -> Entry:
    return Entry(Path("a.sh3f"), model, name, category, "a.obj", (1.0, 1.0, 1.0), 0.0, None, "nobody")


def test_a_models_id_goes_before_its_name_and_its_category() -> None:
    table = load_table()
    assert table.look_up(entry("Stool")).role == "chair"  # type: ignore[union-attr]
    assert table.look_up(entry("Table", model="living_room_table")).role == "coffee_table"  # type: ignore[union-attr]
    assert "outdoors" in str(table.look_up(entry("Table", "Exterior")))
    assert table.look_up(entry("Rattan table", "Exterior")).role == "coffee_table"  # type: ignore[union-attr]
    assert table.look_up(entry("a thing that nobody has")) is None


def test_a_folder_without_furniture_is_refused_with_the_line_that_installs_it(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="apt install sweethome3d-furniture"):
        Catalogue(tmp_path)


def test_a_file_that_is_no_library_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.sh3f").write_bytes(b"no zip")
    with pytest.raises(TrainingError, match=r"broken\.sh3f: not a furniture library"):
        Catalogue(tmp_path)


@needs_furniture
def test_every_model_is_used_or_left_out_for_a_reason(catalogue: Catalogue) -> None:
    assert catalogue.unmapped() == []
    used = sum(len(models) for models in catalogue.by_role.values())
    left_out = sum(len(models) for models in catalogue.left_out().values())
    assert used + left_out == len(catalogue.entries) and used > 500


@needs_furniture
def test_furniture_is_as_large_as_furniture(catalogue: Catalogue) -> None:
    heights = {SOFA: (0.55, 1.1), CHAIR: (0.3, 1.25), TABLE: (0.35, 2.0), BED: (0.15, 2.0), CABINET: (0.3, 2.4)}
    for models in catalogue.by_role.values():
        for model, class_id in models:
            low, high = heights.get(class_id, (0.0, 4.0))
            assert low <= model.size[2] <= high, (model.id, CLASSES[class_id].name, model.size)
    widths = [model.size[0] for model, _ in catalogue.by_role["door"]]
    assert 0.8 < np.median(widths) < 1.4 and all(class_id == DOOR for _, class_id in catalogue.by_role["door"])


@needs_furniture
@pytest.mark.parametrize("role", ["sofa", "lower_cabinet", "thing"])
def test_a_model_has_the_size_of_its_catalogue_and_stands_on_the_floor(catalogue: Catalogue, role: str) -> None:
    model = catalogue.by_role[role][0][0]
    corners = np.concatenate([part.corners.reshape(-1, 3) for part in read_model(model)])
    assert np.ptp(corners, axis=0) == pytest.approx(model.size, rel=1e-3)
    assert corners[:, 2].min() == pytest.approx(0, abs=1e-5)
    assert (corners[:, :2].min(axis=0) + corners[:, :2].max(axis=0)) == pytest.approx([0, 0], abs=1e-4)


@needs_furniture
def test_a_sofa_faces_forwards_and_its_normals_are_unit_vectors(catalogue: Catalogue) -> None:
    parts = read_model(next(model for model, _ in catalogue.by_role["sofa"] if model.id == "couch"))
    corners = np.concatenate([part.corners for part in parts])
    high = corners.mean(axis=1)[:, 2] > 0.8 * corners[..., 2].max()
    assert corners.mean(axis=1)[high, 1].mean() > 0.1, "the backrest is at the back, +y"
    normals = np.concatenate([part.normals for part in parts])
    assert np.linalg.norm(normals, axis=2) == pytest.approx(1, abs=1e-3)


@needs_furniture
def test_all_libraries_and_their_authors_are_credited(catalogue: Catalogue) -> None:
    text = credits_text(catalogue)
    assert {model.library.stem for model in catalogue.entries} == set(LICENCES)
    for models in catalogue.by_role.values():
        for model, _ in models:
            assert model.creator in text


@needs_furniture
def test_the_notice_names_them_too(catalogue: Catalogue) -> None:
    notice = " ".join((Path(__file__).parents[4] / "NOTICE").read_text(encoding="utf-8").split())
    for line in credits_text(catalogue).splitlines()[3:]:
        assert " ".join(line.split()) in notice
