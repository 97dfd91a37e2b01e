"""The mutations of `make mutations`, which takes too long to run with the tests."""

import pytest

from tests.conftest import ROOT
from tests.mutations import MUTATIONS, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[each.what for each in MUTATIONS])
def test_every_mutation_still_finds_its_place(mutation: Mutation) -> None:
    assert mutation.old in (ROOT / "pipeline" / mutation.file).read_text()
    assert mutation.new != mutation.old
