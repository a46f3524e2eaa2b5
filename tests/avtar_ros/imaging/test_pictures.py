"""Folders of pictures are read as people see them."""

from __future__ import annotations

from pathlib import Path

from avtar_ros.imaging.pictures import in_order


def test_numbers_in_names_count_by_value_and_hidden_files_not_at_all() -> None:
    names = ["a/frame_10.jpg", "a/frame_9.jpg", "a/._frame_1.jpg", "a/Frame_2.jpg", "a/.DS_Store", "a/frame_010.jpg"]
    assert [str(path) for path in in_order(map(Path, names))] == [
        "a/Frame_2.jpg", "a/frame_9.jpg", "a/frame_010.jpg", "a/frame_10.jpg",
    ]


def test_superscripts_and_other_scripts_are_no_trouble() -> None:
    assert len(in_order([Path("x²"), Path("x2"), Path("x٣"), Path("xa")])) == 4
