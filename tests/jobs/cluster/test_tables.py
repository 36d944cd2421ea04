"""Statements that are others in a shared book."""

from __future__ import annotations

import pytest

from app.jobs.cluster.tables import reworded


def test_words_are_changed_where_they_stand_once() -> None:
    assert reworded("SELECT a WHERE b", " WHERE", ", c WHERE") == "SELECT a, c WHERE b"


@pytest.mark.parametrize("statement", ["SELECT a", "SELECT a WHERE b WHERE"])
def test_a_statement_that_has_other_words_now_is_refused(statement: str) -> None:
    with pytest.raises(ValueError, match="WHERE"):
        reworded(statement, " WHERE", ", c WHERE")
