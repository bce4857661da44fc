"""Names that every docstring example may use without importing them."""

import numpy as np
import pytest

import numfmt as nf


@pytest.fixture(autouse=True)
def _doctest_names(doctest_namespace: dict[str, object]) -> None:
    doctest_namespace["np"] = np
    doctest_namespace["nf"] = nf
