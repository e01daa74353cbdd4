"""The genes of the synthetic studies: real symbols and identifiers, so that a result can be looked up.

``genes.tsv`` is an excerpt of HGNC's complete set of 2018 (https://www.genenames.org, CC0): symbol, Entrez
and Ensembl identifiers, location and name of the genes in ``programs`` and of some families that fill an
array.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

HUMAN, MOUSE, RAT = "Homo sapiens", "Mus musculus", "Rattus norvegicus"
TAXID: Mapping[str, int] = {HUMAN: 9606, MOUSE: 10090, RAT: 10116}

# Most rodent symbols are the human ones with one capital; these are not, or have no rodent gene.
_RODENT_ONLY = {
    "CYP2B6": "Cyp2b10",
    "SERPINA1": "Serpina1a",
    "SERPINA3": "Serpina3n",
    "OAS1": "Oas1a",
    "HBB": "Hbb-bt",
}
_MOUSE_ONLY = {"TP53": "Trp53", "TP53INP1": "Trp53inp1", "CYP3A4": "Cyp3a11", "HBA1": "Hba-a1", "SCD": "Scd1"}
_RAT_ONLY = {"CYP3A4": "Cyp3a9", "SCD": "Scd"}
_NOT_IN_RODENTS = re.compile(
    r"HLA-.*|CXCL8|IL26|IL32|IL37|IFNL1|RPS4Y1|EIF1AY|S100A12|FCGR3B|KLK[23]|ZNF\d+|UGT2B1[0157]|UGT2B28|HBA2|TNFRSF10[ACD]"
    r"|CCL1[3458]|CCL23|CXCL[136]|CD1[ABE]|CD58|PI3|S100A7|SERPINB4|HNRNPCL\d|ADAM20|GSTT4|KCNJ18|C4A|CYP2A13|MMP26|.*-AS\d"
)
# GRO-alpha and -beta are Cxcl1 and Cxcl2 in rodents too; the others of their family are not.
_IN_RODENTS_ALL_THE_SAME = ("CXCL1",)


class Gene(NamedTuple):
    """A gene by its symbol in the organism's own spelling; identifiers are human ones, empty for rodents."""

    symbol: str
    entrez_id: str
    ensembl_id: str
    location: str
    name: str
    human_symbol: str


@cache
def genes(organism: str = HUMAN) -> tuple[Gene, ...]:
    """Every gene of the table that the organism has, by human symbol."""
    text = files(__package__).joinpath("genes.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines()[1:])
    human = [Gene(s, entrez, ensembl, place, name, s) for s, entrez, ensembl, place, name in rows]
    if organism == HUMAN:
        return tuple(human)
    return tuple(
        Gene(symbol, "", "", "", gene.name, gene.symbol)
        for gene in human
        if (symbol := symbol_in(organism, gene.symbol)) is not None
    )


def symbol_in(organism: str, human_symbol: str) -> str | None:
    """How the organism's own nomenclature writes the gene, or None if it has no such gene."""
    if organism == HUMAN:
        return human_symbol
    if _NOT_IN_RODENTS.fullmatch(human_symbol) and human_symbol not in _IN_RODENTS_ALL_THE_SAME:
        return None
    special = _RODENT_ONLY | (_MOUSE_ONLY if organism == MOUSE else _RAT_ONLY)
    return special.get(human_symbol, human_symbol.capitalize())
