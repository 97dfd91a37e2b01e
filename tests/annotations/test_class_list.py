"""Class lists in the forms that people have them, and what is refused in one line."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import score
from pipeline.annotations.class_list import read_class_list

SIT = {1: "sit", 2: "stand"}


def classes(folder, text, name="classes.txt"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_class_list(path)


@pytest.mark.parametrize(
    "text",
    [
        'item { name: "sit" id: 1 } item { name: "stand" id: 2 }',
        'item {\n  id: 1\n  name: "sit"\n}\nlabel { name: "stand" label_id: 2 label_type: X }',
        "item: { name: 'sit'; id: 1 }, item < id: 2, name: 'st' 'and' >",
        'item { name: "sit" # id: 9 in the old list\n id: 1 }\n# item { name: "x" id: 3 }\n'
        'item { name: "stand" id: 2 }',
        'item { id: 1 name: "sit" keypoints { id: 7 label: "nose" } }item{id:2 name:"stand"}',
        "id,name\n1,sit\n2,stand\n",
        '1,"sit"\r\n2,stand\r\n',
        "1: sit\n2: stand\n",
        "label_id,label_name,label_type\n1,sit,MOVE\n2,stand,MOVE\n",
        "sit\nstand\n\n",
        b"\xef\xbb\xbfsit\nstand",
        b'\xef\xbb\xbfitem { name: "sit" id: 1 } item { name: "stand" id: 2 }',
    ],
)
def test_every_form_gives_the_same_classes(tmp_path, text):
    assert classes(tmp_path, text) == SIT


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('item { name: "sit {on a chair}" id: 1 }', {1: "sit {on a chair}"}),
        ('item { name: "no # comment" id: 1 }', {1: "no # comment"}),
        (r'item { name: "say \"a\" or \\b" id: 1 }', {1: r'say "a" or \b'}),
        ("""item { name: "it's" id: 1 }""", {1: "it's"}),
        (r'item { name: "pay $\foo$ now" id: 12 }', {12: r"pay $\foo$ now"}),
        ('item { name: "last" id: 10000 }', {10_000: "last"}),
        ("talk to (e.g., self)\n", {1: "talk to (e.g., self)"}),
        ("1,talk to (e.g., self)\n", {1: "talk to (e.g., self)"}),
        ("e\u0301te\u0301\n", {1: "\u00e9t\u00e9"}),
    ],
)
def test_names_are_what_the_file_says(tmp_path, text, expected):
    assert classes(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found no class"),
        ('item { name: "a" }', "class 1: found no name or no id"),
        ("item { name: stand id: 1 }", "class 1: found no name or no id"),
        ('item {name: "a" id: 1}' * 2, "class 2: id 1 given twice"),
        ('item { name: "a" id: 0 }', "class 1: found id 0, expected a whole number from 1 to"),
        ('item { name: "z" id: 99999999999999999999 }', "found id 99999999999999999999, expected"),
        (
            'item { name: "a" id: 10001 }',
            "found id 10001, expected a whole number from 1 to 10,000",
        ),
        ('item { name: "a" id: -1 }', "found id -1, expected"),
        ('item { name: "a" id: 1.5 }', "found id 1.5, expected"),
        ('item { name: "" id: 1 }', "class 1: found the name ''"),
        ('item { name: "a id: 1 }', "line 1: found a quote that is not closed"),
        ('item { name: "a" id: 1 } itm { name: "b" id: 2 }', "found 'itm' outside of every"),
        ('item { name: "a" id: 1 } item { name: "b" id: 2', "outside of every class"),
        ("0,sit\n1,stand\n", "line 1: found id 0, expected"),
        ("1,sit\nstand\n", "line 2: found 'stand', expected an id and a name"),
        ("sit\nstand\nsit\n", "line 3: 'sit' given twice"),
        ("sit".encode("utf-16"), "found UTF-16 text, expected UTF-8"),
        (b"caf\xe9\n", "found bytes that are not UTF-8 at 3"),
        (b"a\0b", "found NUL bytes, expected UTF-8"),
    ],
)
def test_anything_else_is_one_line_that_says_where(tmp_path, text, message):
    with pytest.raises(ValueError, match=r"classes\.txt: ") as refusal:
        classes(tmp_path, text)

    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_ground_truth_file_is_no_class_list(tmp_path):
    with pytest.raises(ValueError, match=r"line 1: found 'v1,0902,0\.1"):
        classes(tmp_path, "v1,0902,0.1,0.1,0.5,0.9,1\n", "train.csv")


@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200).map(str.encode),
        st.lists(
            st.sampled_from(
                [*"{}<>:;,\"'#\n\\", "item", "label", " name: ", " id: ", '"a"', "1", "0", "x"]
            ),
            max_size=40,
        ).map(lambda parts: "".join(parts).encode()),
    )
)
@settings(deadline=None, max_examples=300)
def test_any_bytes_are_a_class_list_or_one_line(tmp_path_factory, text):
    folder = tmp_path_factory.getbasetemp()
    found, said = read_or_refusal(folder, text)

    assert all(1 <= number <= 10_000 and name for number, name in found.items())
    if not found:
        assert said.startswith(f"{folder / 'classes.txt'}: ")
        assert "\n" not in said


def read_or_refusal(folder, text):
    try:
        return classes(folder, text), ""
    except ValueError as error:
        return {}, str(error)


@pytest.mark.parametrize("text", ["item {" * 150_000, "item" + " " * 900_000, "a" * 900_000])
def test_long_lists_that_are_none_take_no_time(tmp_path, text):
    with pytest.raises(ValueError, match="found no class"):
        classes(tmp_path, text, "classes.pbtxt")


def test_published_odd_class_lists_are_one_line_or_text(external):
    folder = external("cases/files")

    with pytest.raises(ValueError, match="found id 99999999999999999999, expected a whole number"):
        read_class_list(folder / "class_id_20_digits.pbtxt")
    assert read_class_list(folder / "class_mathtext.pbtxt") == {12: r"pay $\foo$ now"}


@pytest.mark.parametrize("case", ["class_list_comment", "class_list_braces"])
def test_published_cases_score_over_their_two_classes(case, external, tmp_path):
    folder = external("cases") / case
    flags = {"--ground-truth": "t.csv", "--detections": "d.csv", "--labels": "c.pbtxt"}
    words = [word for flag, file in flags.items() for word in (flag, str(folder / file))]

    score.main([*words, "--out", str(tmp_path / "out.json")])

    found = json.loads((tmp_path / "out.json").read_text())
    assert (found["mAP"], list(found["per_class"])) == (1.0, ["1", "2"])
