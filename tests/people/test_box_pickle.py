"""Pickles of person boxes: what is read, what is refused, and that nothing of them is run."""

import pickle
import pickletools
import struct
import sys
from collections import OrderedDict, defaultdict
from functools import partial

import numpy as np
import pytest

from pipeline.people import box_pickle
from pipeline.people.box_pickle import load_arrays

# What Python 2 with numpy 1.x wrote for {"v,0902": np.array([[0.5, 0.25]])}, protocol 2.
PYTHON_2 = (
    b"\x80\x02}q\x01U\x06v,0902q\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\n"
    b"q\x04K\x00\x85q\x05U\x01bq\x06\x87q\x07Rq\x08(K\x01K\x01K\x02\x86q\tcnumpy\ndtype\nq\n"
    b"U\x02f8q\x0bK\x00K\x01\x87q\x0cRq\r(K\x03U\x01<q\x0eNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
    b"K\x00tq\x0fb\x89U\x10\x00\x00\x00\x00\x00\x00\xe0?\x00\x00\x00\x00\x00\x00\xd0?q\x10tq\x11bs."
)


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function, *values):
        self.call = function, values

    def __reduce__(self):
        return self.call


def loaded(tmp_path, content):
    path = tmp_path / "proposals.pkl"
    path.write_bytes(content)
    return load_arrays(path)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", ["<f8", ">f4", "<i8", "|u1"])
def test_arrays_of_every_protocol_are_read(tmp_path, protocol, kind):
    arrays = {
        "v,0902": np.arange(10).reshape(2, 5).astype(kind),
        "w,0903": np.asfortranarray(np.arange(6).reshape(3, 2).astype(kind)),
        "x,0904": np.empty((0, 5), kind),
    }

    found = loaded(tmp_path, pickle.dumps(arrays, protocol=protocol))

    assert list(found) == list(arrays)
    for key, array in arrays.items():
        np.testing.assert_array_equal(found[key], array)


def test_plain_values_and_numpy_scalars_are_read(tmp_path):
    value = {"a": [1, 2.5, "ü", b"\xff", None, True], "b": ({"c": np.float32(0.5)},)}

    found = loaded(tmp_path, pickle.dumps(value))

    assert found == {"a": [1, 2.5, "ü", b"\xff", None, True], "b": [{"c": 0.5}]}


@pytest.mark.parametrize("module", [b"numpy.core", b"numpy._core"])
def test_python_2_and_both_names_of_numpys_core_are_read(tmp_path, module):
    found = loaded(tmp_path, PYTHON_2.replace(b"numpy.core", module))

    np.testing.assert_array_equal(found["v,0902"], [[0.5, 0.25]])


def test_a_call_is_refused_by_name_and_not_made(tmp_path):
    canary = tmp_path / "canary"

    with pytest.raises(ValueError, match=r"found a pickle that calls io\.open, expected only"):
        loaded(tmp_path, pickle.dumps({"v,1": Calls(open, str(canary), "w")}))

    assert not canary.exists()


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", "os.system"),
        (b"(S'true'\nios\nsystem\n.", "os.system"),
        (b"cbuiltins\ngetattr\n.", "builtins.getattr"),
        (b"cnumpy\nload\n.", "numpy.load"),
        (b"S'x'\nQ.", "outside the file"),
    ],
)
def test_other_ways_to_call_are_refused(tmp_path, content, named):
    with pytest.raises(ValueError, match=f"calls .*{named}"):
        loaded(tmp_path, content)


@pytest.mark.parametrize("array", [np.array([None]), np.array(["a"]), np.zeros(2, "f8,i4")])
def test_arrays_of_anything_but_numbers_are_refused(tmp_path, array):
    with pytest.raises(ValueError, match="for an array of"):
        loaded(tmp_path, pickle.dumps({"v,1": array}))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a pickle",
        pickle.dumps({"v,1": np.zeros((2, 5))})[:-40],
        PYTHON_2.replace(b"K\x01K\x02\x86", b"K\x09K\x09\x86"),  # more cells than numbers
        b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b".",  # a text larger than all memory
        b"]q\x00h\x00a.",  # a list inside itself
    ],
)
def test_damaged_files_are_one_line(tmp_path, content):
    with pytest.raises(ValueError, match=r"proposals\.pkl: found no readable pickle") as error:
        loaded(tmp_path, content)

    assert "\n" not in str(error.value)


def test_a_file_over_the_limit_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(box_pickle, "MAX_BYTES", 10)

    with pytest.raises(ValueError, match=r"proposals\.pkl: found 52 bytes, expected at most 10"):
        loaded(tmp_path, b" " * 52)


@pytest.mark.parametrize("kind", [OrderedDict, partial(defaultdict, list)])
def test_dictionaries_of_the_standard_library_are_read(tmp_path, kind):
    value = kind({"v,0902": [0.5]})

    assert loaded(tmp_path, pickle.dumps(value)) == {"v,0902": [0.5]}


def test_values_that_hold_each_other_many_times_are_not_unfolded(tmp_path):
    value = [0.5]
    for _ in range(40):
        value = [value, value]  # 2 ** 40 numbers when written out

    found = loaded(tmp_path, pickle.dumps({"v,1": value}))

    assert found["v,1"][0] is found["v,1"][1]


def test_the_sample_of_python_2_is_what_it_says():
    assert [op.name for op, _, _ in pickletools.genops(PYTHON_2)].count("REDUCE") == 2
    assert sys.byteorder == "little"
