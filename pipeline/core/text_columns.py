"""Columns of texts without a Python object for each: by Arrow, several times faster."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

Texts: TypeAlias = "pd.Series[str] | pd.Index[str]"


def positions(texts: Texts, among: Texts) -> npt.NDArray[np.int64]:
    """[texts] where each stands among the others, -1 where it does not; of equal ones the first."""
    # An empty table may hold its texts as anything.
    values, among_values = (pa.array(each.astype("str"), pa.string()) for each in (texts, among))
    found = pc.index_in(values, value_set=among_values)
    numbers: npt.NDArray[np.int64] = pc.fill_null(found, -1).to_numpy().astype(np.int64)
    return numbers


def spelled_out(texts: "pd.Series[str]") -> "pd.Series[str]":
    """Texts as texts, whether or not they come as categories; pandas would go through objects."""
    if not isinstance(texts.dtype, pd.CategoricalDtype):
        return texts.astype("str")
    categories = texts.cat.categories.astype("str").array
    return pd.Series(categories.take(texts.cat.codes.to_numpy()), texts.index, name=texts.name)
