"""Words of a question and the keys under which names are looked up.

A key is a name without case, hyphens and spaces, so that "RNA-seq", "RNAseq" and "RNA seq" meet; ``breaks`` remember
where the name had a boundary, so that "is let" does not meet "islet".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma",
    "ς": "sigma", "τ": "tau", "υ": "upsilon", "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega",
}  # fmt: skip
# British spellings, and those of older papers, as parts of words.
_SPELLINGS = (
    ("tumour", "tumor"), ("aemia", "emia"), ("aemic", "emic"), ("haem", "hem"), ("oesoph", "esoph"),
    ("oestr", "estr"), ("oedema", "edema"), ("paed", "ped"), ("foet", "fet"), ("rrhoea", "rrhea"),
    ("coeliac", "celiac"), ("behaviour", "behavior"), ("fibre", "fiber"), ("caecum", "cecum"), ("gynaec", "gynec"),
    ("orthopaed", "orthoped"), ("ageing", "aging"), ("sulph", "sulf"), ("isation", "ization"), ("anaes", "anes"),
    ("ising", "izing"), ("ised", "ized"),
)  # fmt: skip
_NO_PLURAL = ("ss", "us", "is", "ies", "xes", "ches", "shes")


@dataclass(frozen=True, slots=True)
class Token:
    """One word: as written, its place, and as it is compared."""

    text: str
    start: int
    end: int
    norm: str


def tokens(text: str) -> list[Token]:
    """The words of a text, in order; everything between them is a boundary."""
    return [Token(m[0], m.start(), m.end(), normal(m[0])) for m in _WORD.finditer(text)]


@lru_cache(maxsize=20_000)
def normal(word: str) -> str:
    """A word as it is compared: no case, accents or possessive, Greek letters by name, American spelling."""
    word = re.sub(r"['’]s?$", "", re.sub(r"['’]s\b", "", unicodedata.normalize("NFKC", word).casefold()))
    word = "".join(_GREEK.get(letter, letter) for letter in word)
    word = "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))
    for british, american in _SPELLINGS:
        if british in word:
            word = word.replace(british, american)
    return re.sub(r"\W", "", word)


@lru_cache(maxsize=20_000)
def singular(norm: str) -> str:
    """A normal word without its plural ending."""
    if len(norm) > 5 and norm.endswith("ae"):
        return norm[:-1]  # hyphae, larvae, papillae
    if len(norm) < 4 or not norm.endswith("s") or not norm.isalpha():
        return norm
    if norm.endswith("ies"):
        return norm[:-3] + "y" if len(norm) > 5 else norm
    if norm.endswith(("xes", "ches", "shes")):
        return norm[:-2]
    return norm if norm.endswith(_NO_PLURAL) else norm[:-1]


def key(norms: Sequence[str]) -> str:
    """The key of consecutive normal words."""
    return "".join(norms)


def breaks(text: str) -> frozenset[int]:
    """Where, within the key of a name, one of its words ends and the next begins."""
    found, length = set(), 0
    for word in _WORD.finditer(text):
        length += len(normal(word[0]))
        found.add(length)
        found |= _digit_breaks(word[0], length)
    return frozenset(found)


def _digit_breaks(word: str, end: int) -> set[int]:
    """Places between letters and digits: "MCF7" may be written "MCF 7"."""
    norm = normal(word)
    start = end - len(norm)
    return {start + i for i in range(1, len(norm)) if norm[i].isdigit() != norm[i - 1].isdigit()}
