"""Files that are no settings, and the lines of keys."""

from pathlib import Path
from time import process_time

import pytest

from pipeline.settings.yaml_file import line_of, read_yaml

BOMB = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {b: 1, b: 2}", r"line 1: .*key .b.*, expected each key once"),
        ("a: [1, 2", r"line 1: .*, expected YAML 1\.2"),
        ("a: *b", r"line 1: .*undefined alias.*, expected YAML 1\.2"),
        ("- 1", "found list, expected keys and values"),
        ("", "found NoneType, expected keys and values"),
        ("a: " + "[" * 5000 + "]" * 5000, "found too many values inside values"),
        (BOMB, "found over 100,000 values"),
        ("a: &a [*a]", "found over 100,000 values"),
        ("\n".join(f"key{n}: 1" for n in range(20_000)), r"found \d+,\d+ bytes, expected at most"),
        ("a: 2001-99-99", "not YAML: month must be in 1..12"),
        ("? [1, 2]\n: 3\n? {a: 1}\n: 2", "line 3: found unhashable key"),
        ("a: !!python/object:os.system {}", "line 1"),
    ],
)
def test_what_is_no_settings_file_is_one_line_within_seconds(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    start = process_time()

    with pytest.raises(ValueError, match=message) as caught:
        read_yaml(path)

    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert process_time() - start < 2


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(b"a: \xff\xfe")

    with pytest.raises(ValueError, match="bytes that are not UTF-8 at 3"):
        read_yaml(path)


def test_a_line_is_that_of_the_key_or_of_its_nearest_owner(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(
        "first: 1\nouter:\n  # remark\n  inner: {key: 2}\n  items:\n    - a: 1\n    - b: 2\n"
    )

    assert line_of(path, ["first"]) == 1
    assert line_of(path, ["outer", "inner", "key"]) == 4
    assert line_of(path, ["outer", "items", 1, "b"]) == 7
    assert line_of(path, ["outer", "missing"]) == 2
    assert line_of(path, ["missing"]) == 1
