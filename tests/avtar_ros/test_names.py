"""What comes from outside can be neither a path nor a command to a terminal."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from avtar_ros.names import file_name, file_path, printable, printable_lines

TEXTS = st.text(st.characters(), max_size=400)


@given(TEXTS)
def test_a_file_name_is_one_name_whatever_the_text(text: str) -> None:
    name = file_name(text)
    assert Path("folder", name).resolve().parent == Path("folder").resolve()
    assert not name.startswith(".")
    assert 0 < len(name.encode()) <= 140


@given(TEXTS, TEXTS)
def test_different_texts_have_different_file_names(a: str, b: str) -> None:
    assert (file_name(a) == file_name(b)) == (a == b)


def test_names_as_people_give_them_stay() -> None:
    for name in ("camera", "front_left", "room-1.mcap", "v1.2+x@y"):
        assert file_name(name) == name
    assert file_path("/camera/color") == Path("camera/color")
    assert ".." not in file_path("/../../x").parts
    assert not file_path("/../../x").is_absolute()


@given(TEXTS)
def test_printed_names_hold_nothing_that_a_terminal_obeys(text: str) -> None:
    assert printable(text).isprintable()
    assert len(printable(text)) <= 301


def test_escapes_newlines_and_turned_text_are_shown() -> None:
    assert printable("a\x1b[31mb\nc\u202ed\udce1") == r"a\x1b[31mb\nc\u202ed\udce1"
    assert printable_lines("two\nlines\x07") == "two\nlines\\x07"
    assert printable("größe 深度") == "größe 深度"
