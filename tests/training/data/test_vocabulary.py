"""Class vocabularies map onto each other by name and by tables."""

from __future__ import annotations

import pytest
import yaml

from avtar_ros.meaning import UNLABELLED
from training.data.classes import CITYSCAPES_16, CITYSCAPES_19, NYUD_40, numbered
from training.data.vocabulary import FOLDER, NOTHING, onto, renamed, table, tables, vocabularies, vocabulary
from training.errors import TrainingError

ROOMS = vocabulary("rooms13")
SIZES = {
    "rooms13": 13, "nyu40": 40, "nyu13": 13, "cityscapes": 19, "taskonomy": 17, "ade20k": 150, "coco_stuff": 171,
    "coco_panoptic": 133,
}


def named(table_name: str, own_name: str) -> str:
    """What a class of the table's source becomes."""
    own = vocabulary(table_name.partition("_to_")[0])
    new = table(table_name, own).ids[[c.name for c in own].index(own_name)]
    return "unlabelled" if new == UNLABELLED else ROOMS[new].name


def test_vocabularies_have_their_published_sizes_and_no_name_twice() -> None:
    assert {name: len(known) for name, known in vocabularies().items()} == SIZES
    for known in vocabularies().values():
        assert len({c.name for c in known}) == len(known)
    ade = [c.name for c in vocabulary("ade20k")]
    assert [ade[i] for i in (0, 8, 19, 89, 149)] == ["wall", "windowpane", "chair", "television receiver", "flag"]
    assert [c.name for c in vocabulary("coco_stuff")][79:82] == ["toothbrush", "banner", "blanket"]


@pytest.mark.parametrize("name", tables())
def test_a_table_has_every_class_of_its_source_once(name: str) -> None:
    source, _, target = name.partition("_to_")
    rows = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    listed = [own for row in rows.values() for own in row]
    assert sorted(listed) == sorted(c.name for c in vocabulary(source))
    assert rows.keys() <= {c.name for c in vocabulary(target)} | {NOTHING}


def test_what_things_are() -> None:
    assert named("ade20k_to_rooms13", "armchair") == "chair"
    assert named("ade20k_to_rooms13", "windowpane") == "window"
    assert named("ade20k_to_rooms13", "sky") == "unlabelled"
    assert named("nyu40_to_rooms13", "floor mat") == "floor"
    assert named("nyu13_to_rooms13", "furniture") == "unlabelled", "it may be a chair's, a table's or a cabinet's"
    assert named("coco_panoptic_to_rooms13", "wall-other-merged") == "wall"


def test_classes_map_by_name_however_it_is_written() -> None:
    own, target = ["Dining_Table", "Sofa", "ceiling", "unicorn"], ["sofa", "dining table", "ceiling"]
    found = onto(numbered(own), numbered(target))
    assert found.ids == (1, 0, 2, UNLABELLED)
    assert found.lookup[:5].tolist() == [1, 0, 2, 255, 255]
    assert found.lookup[255] == 255
    onto_16 = onto(CITYSCAPES_19, CITYSCAPES_16)
    assert [CITYSCAPES_16[i] for i in onto_16.ids if i != 255] == list(CITYSCAPES_16)
    assert onto_16.without_counterpart(CITYSCAPES_19) == ["terrain", "truck", "train"]


def test_a_table_is_taken_where_both_vocabularies_are_known() -> None:
    assert onto(NYUD_40, ROOMS) == table("nyu40_to_rooms13", NYUD_40)
    assert onto(ROOMS, ROOMS).ids == tuple(range(13))


def test_a_table_knows_some_of_its_classes_by_name_and_all_by_position() -> None:
    ade = vocabulary("ade20k")
    assert table("ade20k_to_rooms13", numbered(["SOFA ", "wall"])).ids == (6, 0)
    nameless = numbered(f"LABEL_{i}" for i in range(150))
    assert table("ade20k_to_rooms13", nameless).ids == table("ade20k_to_rooms13", ade).ids
    with pytest.raises(TrainingError, match=r"does not know LABEL_0, .* and 2 more, of 10 classes; it is of the 150"):
        table("ade20k_to_rooms13", numbered(f"LABEL_{i}" for i in range(10)))
    with pytest.raises(TrainingError, match="there is no table of classes 'a_to_b'; known: ade20k_to_rooms13"):
        table("a_to_b", ade)


def test_a_mapping_of_names_makes_classes_of_its_own_or_goes_before_what_names_say() -> None:
    own = numbered(["couch", "sofa bed", "wall", "gnome"])
    alone = renamed(own, {"couch": "sofa", "sofa bed": "sofa", "wall": "wall"})
    assert [c.name for c in alone.classes] == ["sofa", "wall"]
    assert alone.ids == (0, 0, 1, UNLABELLED)
    among = renamed(own, {"couch": "sofa", "sofa bed": None, "gnome": "object"}, ROOMS)
    assert among.classes == ROOMS
    assert [ROOMS[i].name if i != UNLABELLED else None for i in among.ids] == ["sofa", None, "wall", "object"]
    with pytest.raises(TrainingError, match="there is no class coach; known: couch, sofa bed"):
        renamed(own, {"coach": "sofa"})
    with pytest.raises(TrainingError, match="there is no class settee to map onto"):
        renamed(own, {"couch": "settee"}, ROOMS)
    with pytest.raises(TrainingError, match="no classes called 'rooms14'; known: rooms13"):
        vocabulary("rooms14")
