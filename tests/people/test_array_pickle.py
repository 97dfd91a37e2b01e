import pickle
import pickletools
import struct
import sys
import tracemalloc

import numpy as np
import pytest

from pipeline.people.array_pickle import load_arrays

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
        (b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\n(I0\ntS'b'\ntR.", "something"),
        (b"S'x'\nQ.", "outside the file"),
        (b"\x80\x02\x82\x01.", "extension 1"),
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
        PYTHON_2.replace(b"U\x01<", b"U\x01?"),
        b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b".",  # a text larger than all memory
        b"]q\x00h\x00a.",  # a list inside itself
    ],
)
def test_damaged_files_are_one_line(tmp_path, content):
    with pytest.raises(ValueError, match=r"proposals\.pkl: found no readable pickle") as error:
        loaded(tmp_path, content)

    assert "\n" not in str(error.value)


def test_an_address_far_beyond_the_file_costs_no_memory(tmp_path):
    # The usual interpreter would make a table of 4 billion addresses here.
    assert loaded(tmp_path, b"\x80\x04Nr\xff\xff\xff\x7f.") is None


@pytest.mark.parametrize("opcode", [pickle.BYTEARRAY8, pickle.BINBYTES8, pickle.BINUNICODE8])
def test_an_announced_length_costs_no_memory(tmp_path, opcode):
    content = b"\x80\x05" + opcode + struct.pack("<Q", 600_000_000) + b"."

    peak_bytes = peak_of_refusal(
        tmp_path, content, "found 1 bytes, expected 600000000 as announced"
    )

    assert peak_bytes < 1_000_000


def test_a_text_that_many_arrays_name_is_not_copied_as_often(tmp_path):
    text = pickle.BINUNICODE + struct.pack("<I", 20_000) + b"x" * 20_000 + b"q\x00"
    encode = b"c_codecs\nencode\nq\x01"
    content = b"\x80\x02]" + text + b"0" + encode + b"0(" + b"h\x01h\x00\x85R" * 4000 + b"e."

    peak_bytes = peak_of_refusal(tmp_path, content, f"more than the {len(content)} bytes")

    assert peak_bytes < 1_000_000  # all copies take 80 MB


def peak_of_refusal(tmp_path, content, message):
    """How many bytes were taken at once until the file was refused."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=message):
            loaded(tmp_path, content)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_values_that_hold_each_other_many_times_are_not_unfolded(tmp_path):
    value = [0.5]
    for _ in range(40):
        value = [value, value]  # 2 ** 40 numbers when written out

    found = loaded(tmp_path, pickle.dumps({"v,1": value}))

    assert found["v,1"][0] is found["v,1"][1]


def test_the_sample_of_python_2_is_what_it_says():
    assert [op.name for op, _, _ in pickletools.genops(PYTHON_2)].count("REDUCE") == 2
    assert sys.byteorder == "little"
