"""The embedded concepts and what files add to them, under one rule: a name that is taken stays where it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ..query import TermKind
from . import text as words
from .concepts import Concept, ambiguities, word_list
from .ontology import Entry, Gene, Heading

_MAX_WORDS = 8
# What is shorter means something else in most texts: symbols, aliases of letters alone, other aliases, cell lines.
_SHORTEST_SYMBOL, _SHORTEST_WORD, _SHORTEST_ALIAS, _SHORTEST_LINE = 3, 5, 4, 4
# Up to this length a name of letters alone is an abbreviation, to be written as it is.
_SHORT = 3
# Terms that group others and that nobody asks for by name.
_GROUPING = ("grouping_class", "non_informative", "upper_level", "early_development")
_PLAIN_LISTS = ("stopwords", "plain_words", "group_words", "denying_words", "control_words", "common_words")


class Additions:
    """Concepts in the making. Files are added in any order; ``concepts`` gives the whole, the embedded ones first."""

    def __init__(self, embedded: Iterable[Concept]) -> None:
        self._concepts = list(embedded)
        self.n_embedded = len(self._concepts)
        self._place = {name: at for at, c in enumerate(self._concepts) for name in (c.id, *c.xrefs) if name}
        # Key of a name → the concept that has it; ambiguous names are nobody's.
        self._owner: dict[str, int] = {}
        for at, concept in enumerate(self._concepts):
            for name in (concept.label, *concept.synonyms):
                self._owner.setdefault(_key(name.removeprefix("=")), at)
        self._owner.update({_key(item.name): -1 for item in ambiguities()})
        # Parents of every term that was read, kept or not, so that a gap in the middle can be bridged.
        self._above: dict[str, list[str]] = {}
        self._mesh_ids: dict[str, list[int]] = {}

    def concepts(self) -> Iterator[Concept]:
        """Every concept, parents led on to the nearest that are here."""
        for concept in self._concepts:
            above = (*concept.parents, *self._above.get(concept.id, ()))
            parents = dict.fromkeys(kept for parent in above for kept in self._kept(parent, set()))
            parents.pop(concept.id, None)
            yield replace(concept, parents=tuple(parents))

    def add_terms(self, kind: TermKind, terms: Sequence[Entry]) -> int:
        """Add or extend concepts; gives how many terms are in the vocabulary now."""
        taken = 0
        for term in terms:
            self._above[term.id] = term.parents
            at = self._known(kind, term)
            short = kind == "cell_line" and len(term.name) < _SHORTEST_LINE
            if at is None and not short and not set(term.subsets) & set(_GROUPING):
                at = self._new(kind, term.id, term.name, _longer(term.synonyms))
            elif at is not None:
                self._extend(at, [term.name, *_longer(term.synonyms)], term.id)
            if at is not None:
                taken += 1
                for xref in term.xrefs:
                    if xref.upper().startswith("MESH:"):
                        self._mesh_ids.setdefault(xref[5:], []).append(at)
        return taken

    def add_genes(self, genes: Sequence[Gene]) -> int:
        """Add approved genes; an alias that several have is none's."""
        seen: dict[str, int] = {}
        for gene in genes:
            for symbol in {symbol.casefold() for symbol in (gene.symbol, *gene.symbols)}:
                seen[symbol] = seen.get(symbol, 0) + 1
        for gene in genes:
            own = [_gene_name(s) for s in gene.symbols if _is_alias(s) and seen[s.casefold()] == 1]
            at = self._place.get(gene.id)
            if at is None and len(gene.symbol) >= _SHORTEST_SYMBOL:
                xrefs = (f"NCBIGene:{gene.entrez}",) if gene.entrez else ()
                at = self._new("gene", gene.id, _gene_name(gene.symbol), [*own, gene.name], xrefs)
            elif at is not None:
                self._extend(at, own, gene.id)
        return sum(gene.id in self._place for gene in genes)

    def add_mapping(self, pairs: Iterable[tuple[str, str]]) -> int:
        """Add identifiers of the same thing elsewhere; gives how many concepts are concerned."""
        concerned = set()
        for subject, target in pairs:
            for here, there in ((subject, target), (target, subject)):
                at = self._place.get(here)
                if at is None:
                    continue
                concerned.add(at)
                if there.casefold().startswith("mesh:"):
                    self._mesh_ids.setdefault(there[5:], []).append(at)
                elif there not in self._place:
                    self._place[there] = at
                    concept = self._concepts[at]
                    self._concepts[at] = replace(concept, xrefs=(*concept.xrefs, there))
        return len(concerned)

    def add_headings(self, headings: Sequence[Heading]) -> int:
        """Give concepts without a MeSH heading theirs: by identifier, else by name. Give how many have one now."""
        by_name = {_key(name): h.heading for h in reversed(headings) for name in (*h.entries, h.heading)}
        by_id = {at: h.heading for h in headings for at in self._mesh_ids.get(h.id, ())}
        known = {heading.heading for heading in headings}
        for at, concept in enumerate(self._concepts):
            names = [_key(name.removeprefix("=")) for name in (concept.label, *concept.synonyms)]
            heading = by_id.get(at) or next((by_name[name] for name in names if name in by_name), "")
            if heading and not concept.mesh and concept.kind not in ("gene", "assay"):
                self._concepts[at] = replace(concept, mesh=heading)
        return sum(concept.mesh in known for concept in self._concepts)

    def _known(self, kind: TermKind, term: Entry) -> int | None:
        """The concept that is this term already: by identifier, or by an identifier elsewhere."""
        for identifier in (term.id, *term.xrefs):
            at = self._place.get(identifier)
            if at is not None and self._concepts[at].kind == kind:
                return at
        return None

    def _new(
        self,
        kind: TermKind,
        identifier: str,
        label: str,
        synonyms: Iterable[str],
        xrefs: tuple[str, ...] = (),
    ) -> int | None:
        """A concept of its own; None where its label is taken or no name to be found by."""
        at = len(self._concepts)
        marked = self._claim([label], at)
        if not marked:
            return None
        self._concepts.append(
            Concept(kind, identifier, marked[0], tuple(self._claim(synonyms, at)), xrefs=xrefs)
        )
        self._place[identifier] = at
        return at

    def _extend(self, at: int, names: Iterable[str], identifier: str) -> None:
        concept = self._concepts[at]
        xrefs = concept.xrefs if identifier in (concept.id, *concept.xrefs) else (*concept.xrefs, identifier)
        synonyms = (*concept.synonyms, *self._claim(names, at))
        self._concepts[at] = replace(concept, synonyms=synonyms, xrefs=xrefs)
        self._place[identifier] = at

    def _claim(self, names: Iterable[str], at: int) -> list[str]:
        """Take those names for a concept that can be found by and that nobody has yet."""
        claimed = []
        for name in filter(None, map(_usable, names)):
            key = _key(name.removeprefix("="))
            if key not in self._owner:
                self._owner[key] = at
                claimed.append(name)
        return claimed

    def _kept(self, identifier: str, seen: set[str]) -> Iterator[str]:
        if identifier in seen:
            return
        seen.add(identifier)
        at = self._place.get(identifier)
        if at is not None:
            yield self._concepts[at].id
        else:
            for parent in self._above.get(identifier, ()):
                yield from self._kept(parent, seen)


def _longer(synonyms: Iterable[str]) -> list[str]:
    """Without abbreviations of up to four letters: nearly all of them mean something else in most texts."""
    return [name for name in synonyms if len(name) >= _SHORTEST_WORD]


def _is_alias(symbol: str) -> bool:
    """Whether an alias can be told from a word or another abbreviation (ECM, TF, MRI, C1, spatial)."""
    if symbol.isalpha():
        return len(symbol) >= _SHORTEST_WORD and not symbol.islower()
    return len(symbol) >= _SHORTEST_ALIAS


def _gene_name(symbol: str) -> str:
    """A symbol of letters alone is taken only with these capitals: CAT, SET and REST are words too."""
    return f"={symbol}" if symbol.isalpha() else symbol


def _usable(marked: str) -> str | None:
    """A name as it may be found by; None for one that is a plain word, too long, or no name at all."""
    name = marked.removeprefix("=")
    norms = [token.norm for token in words.tokens(name)]
    if not norms or len(norms) > _MAX_WORDS or len("".join(norms)) < 2 or "|" in name:
        return None
    if norms[-1] == "s":
        return None  # "protein S" is written like "proteins"
    if all(_is_plain(norm) for norm in norms):
        return None
    if len(norms) == 1 and len(norms[0]) <= _SHORT and norms[0].isalpha():
        return None if name.islower() else f"={name}"
    return marked


def _is_plain(norm: str) -> bool:
    lists = [word_list(name) for name in _PLAIN_LISTS]
    return norm.isdigit() or any(norm in listed or words.singular(norm) in listed for listed in lists)


def _key(name: str) -> str:
    """What two spellings of one name share: no case, no boundaries, no plurals."""
    return words.key([words.singular(token.norm) for token in words.tokens(name)])
