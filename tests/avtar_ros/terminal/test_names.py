"""What comes from outside can be neither a path nor a command to a terminal."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from avtar_ros.terminal.names import file_name, file_path, kept_name, printable, printable_lines

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


@given(st.one_of(TEXTS, st.sampled_from(["..", ".", "/", "../../x", "a/b", "\x1b[2J", "/etc/passwd", "\udcff"])))
def test_a_name_that_is_kept_is_one_name_too(text: str) -> None:
    name = kept_name(text)
    assert Path("folder", name).resolve().parent == Path("folder").resolve()
    assert name.isprintable()
    assert 0 < len(name.encode()) <= 140


def test_names_of_files_in_any_script_are_kept() -> None:
    for name in ("Küche (2)", "深度 1", ".hidden", "a" * 120):
        assert kept_name(name) == name
    assert kept_name("a" * 250) != "a" * 250


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
