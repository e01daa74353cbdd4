"""What NCBI made of a search, compared with what was sent; readings as NCBI's recorded replies have them."""

from __future__ import annotations

import pytest

from omics_nb.terms.translation import differences

SENT = '("Neuroblastoma"[MESH] OR "neuroblastoma"[ALL]) AND "Homo sapiens"[ORGN] AND 6:1000000[NSAM] AND gse[ETYP]'
READ = (
    '("neuroblastoma"[MeSH Terms] OR "neuroblastoma"[All Fields]) AND "Homo sapiens"[Organism]'
    ' AND 00000000006[Number of Samples] : 00001000000[Number of Samples] AND "gse"[Entry Type]'
)


def test_a_search_that_is_read_as_it_was_sent_has_no_differences() -> None:
    assert differences(SENT, READ) == ()
    assert differences(SENT, "") == ()


@pytest.mark.parametrize(
    ("sent", "read", "said"),
    [
        ("array[GTYP]", "array[All Fields]", "NCBI searched “array” in All Fields, not in DataSet Type."),
        (
            '"region"[ALL] AND gse[ETYP]',
            '("geographic locations"[MeSH Terms] OR region[All Fields]) AND gse[Entry Type]',
            "NCBI also searched “geographic locations” in MeSH Terms.",
        ),
        (
            '"x"[ALL] AND "Homo sapiens"[porgn]',
            "x[All Fields]",
            "NCBI's reading of the search lacks “homo sapiens” in Organism.",
        ),
    ],
)
def test_another_field_an_addition_and_a_lack_are_said(sent: str, read: str, said: str) -> None:
    assert differences(sent, read) == (said,)


def test_what_ncbi_says_that_it_dropped_is_not_said_twice() -> None:
    assert differences('"fleegle"[MESH] AND gse[ETYP]', "gse[Entry Type]", ['"fleegle"[MeSH Terms]']) == ()
    # One synonym of several that occurs nowhere changes nothing.
    assert differences('("a"[ALL] OR "b"[ALL])', "(a[All Fields])") == ()
