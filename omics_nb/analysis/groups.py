"""Which samples to compare: what the sample sheet suggests, in the words that submitters use.

Where no characteristic divides the samples, groups are read from titles or source names: the words that
several samples share and not all do, without replicate numbers ("A375 24h Control rep1", "A375 24h
Vemurafenib rep2" → "Control", "Vemurafenib"). They become the columns ``title group`` and ``source group``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..records import Contrast, Proposal, Study
from .pairing import pairing_of

if TYPE_CHECKING:
    import pandas as pd

TITLE_GROUP = "title group"
SOURCE_GROUP = "source group"
_MOST_PROPOSALS = 12

# Columns that name where or from whom a sample came, not what was done to it.
_NUISANCE = re.compile(
    r"\b(batch|subjects?|patients?|donors?|individuals?|participants?|case|pair|pairs|litter|cage|replicates?|rep|"
    r"run|lane|flow "
    r"?cell|chip|slide|plate|array|barcode|library|hybridi[sz]ation|experiment|scan|date|day of|center|"
    r"centre|site|operator|well|id|identifier|ids|number|no|index|name|geo|accession|rin|bmi|weight|survival|"
    r"passages?|description)\b",
    re.IGNORECASE,
)
_PERSON = re.compile(r"\b(age|sex|gender|race|ethnicity|ancestry)\b", re.IGNORECASE)
_CONDITION = re.compile(
    r"\b(treat\w*|agents?|drugs?|compounds?|stimul\w*|disease\w*|diagnosis|condition|status|state|genotype|variation|"
    r"phenotype|group|infect\w*|stress|dose|exposure|knock\w*|sirna|shrna|transfect\w*|tumou?r|protocol|perturbation|"
    r"diet|mutation|resistance|response|class|sample type|hypoxia|oxygen)\b",
    re.IGNORECASE,
)
# Words for what one compares with; the earlier in the list, the surer.
_REFERENCE = (
    r"(?:un|non[- ]?)treated|no[- ]treatment|vehicles?|dmso|placebo|sham|mock",
    r"controls?|ctrl|ctl|ctr|si(?:control|ctrl|nt|luc)|sh(?:control|ctrl)|scr|scrambled?|empty vector",
    r"wild[- ]?type|wt|\+/\+|non[- ]?targeting",
    r"normal|healthy|unaffected|benign|normoxia|normoxic|disease[- ]free",
    r"un(?:stimulated|infected|transfected|exposed|induced|stressed|injured|perturbed)|naive|naïve|baseline",
    r"parental|resting|pbs|saline|solvent|ethanol|etoh|none|pre[- ]?treatment|before",
    r"non[- ](?!small|hodgkin|alcoholic|coding|specific)\w+|negative|adjacent|sensitive|quiescent",
)
_ZERO = re.compile(
    r"0 ?(?:h|hr|hrs|hours?|min|minutes?|d|days?|weeks?|[unµμ]?m|[unµμ]?g/ml|mg/kg|gy|%)?|(?:day|time) ?0",
    re.IGNORECASE,
)
_REFERENCE_WORDS = tuple(
    re.compile(rf"(?<![\w/+-])(?:{words})(?![\w/+])", re.IGNORECASE) for words in _REFERENCE
)
# Words that number samples and tell nothing of their condition.
_REPLICATE = re.compile(
    r"\b(?:bio(?:logical)?|tech(?:nical)?)?[ -]*(?:rep(?:licate|eat)?s?|batch|sample|no\.?|exp(?:eriment)?)"
    r"[ .#-]*(?:\d+|[a-z])\b|\b(?:bio(?:logical)?|tech(?:nical)?)[ -]*rep(?:licate|eat)?s?\b|"
    r"\brep(?:licate|eat)?s?\b|\bn ?= ?\d+\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Candidate:
    proposal: Proposal
    rank: tuple[int, int, int, int]


def is_nuisance(name: str) -> bool:
    """The name of a column that tells where a sample came from (batch, patient, run), not what was done to
    it.
    """
    return bool(_NUISANCE.search(_spaced(name)))


def is_condition(name: str) -> bool:
    """The name of a column that tells what was done to a sample or what ails it."""
    return bool(_CONDITION.search(_spaced(name)))


def is_person(name: str) -> bool:
    """The name of a column that tells a trait of the person or animal."""
    return bool(_PERSON.search(_spaced(name)))


def with_groups(samples: pd.DataFrame) -> pd.DataFrame:
    """The sample sheet with ``title group`` and ``source group``, where titles or source names hold
    groups.
    """
    derived = {
        name: groups
        for name, column in ((TITLE_GROUP, "title"), (SOURCE_GROUP, "source_name"))
        if column in samples.columns and name not in samples.columns
        if (groups := text_groups([str(value) for value in samples[column]]))
    }
    return samples.assign(**derived) if derived else samples


def with_proposed_groups(study: Study) -> Study:
    """The study, its sheet with those groups of titles or source names that a proposal compares."""
    proposed = {proposal.contrast.factor for proposal in propose_contrasts(study)}
    new = [
        name for name in (TITLE_GROUP, SOURCE_GROUP) if name in proposed and name not in study.samples.columns
    ]
    if not new:
        return study
    sheet = with_groups(study.samples)
    return replace(study, samples=study.samples.assign(**{name: sheet[name] for name in new}))


def text_groups(texts: Sequence[str]) -> list[str]:
    """A group for each text, from the words that some share and not all; empty where the texts hold no
    groups.

    There are groups where two or more have at least two members each, and fewer than half as many groups as
    texts.
    """
    words = [_words(text) for text in texts]
    seen = Counter(word.casefold() for of_text in words for word in dict.fromkeys(of_text))
    kept = [[word for word in of_text if seen[word.casefold()] > 1] for of_text in words]
    groups = _without_common_ends(kept)
    spelled: dict[str, str] = {}
    groups = [spelled.setdefault(group.casefold(), group) for group in groups]
    sizes = Counter(groups)
    if not 2 <= len(sizes) <= max(2, len(texts) // 2) or min(sizes.values()) < 2:
        return []
    # What carries none of the telling words is the rest: named by what it is not.
    return [group or "other" for group in groups]


def _without_common_ends(texts: Sequence[Sequence[str]]) -> list[str]:
    """Texts without the words that all of them begin and end with."""
    folded = {tuple(word.casefold() for word in words) for words in texts}
    shortest = min(len(words) for words in folded)
    first = 0
    while first < shortest and len({words[first] for words in folded}) == 1:
        first += 1
    last = 0
    while last < shortest - first and len({words[len(words) - 1 - last] for words in folded}) == 1:
        last += 1
    return [" ".join(words[first : len(words) - last]) for words in texts]


def propose_contrasts(study: Study) -> tuple[Proposal, ...]:
    """Comparisons that the samples suggest, the likeliest first; empty where nothing fits.

    Each platform that has a matrix is looked at by itself (every platform of the samples where none has).
    Columns that name batches, patients and the like are no conditions; age, sex and the like come last. A
    reference is known by words such as control, vehicle, wild type, normal or 0 h.
    """
    platforms = tuple(study.matrices) or study.platforms
    found = [candidate for platform in platforms for candidate in _of_platform(study, platform)]
    found.sort(key=lambda candidate: candidate.rank)
    return tuple(candidate.proposal for candidate in found[:_MOST_PROPOSALS])


def reference_level(levels: Sequence[str]) -> tuple[str, str] | None:
    """The level that reads like a reference, with the words that say so; None where none or several do."""
    for level in levels:
        if _ZERO.fullmatch(level.strip()):
            return level, level.strip()
    for pattern in _REFERENCE_WORDS:
        matches = [(level, match[0]) for level in levels if (match := pattern.search(_spaced(level)))]
        if len(matches) == 1:
            return matches[0]
        if len(matches) > 1 and len(matches) < len(levels):
            # "control" beside "control + drug": the reference is the one with nothing added.
            shortest = sorted(matches, key=lambda pair: len(pair[0]))
            return shortest[0] if len(shortest[0][0]) < len(shortest[1][0]) else None
    return None


def _of_platform(study: Study, platform: str) -> Iterator[_Candidate]:
    if platform in study.matrices:
        samples = study.samples.loc[list(study.matrices[platform].columns)]
    else:
        samples = study.samples[study.samples["platform"] == platform]
    own = {"title", "source_name", "organism", "platform", SOURCE_GROUP, TITLE_GROUP}
    columns = [str(name) for name in samples.columns if name not in own]
    found = [candidate for name in columns for candidate in _of_column(samples[name], name, platform)]
    if not any(candidate.rank[0] < 2 for candidate in found):
        # Read from all samples, not from those of this platform: an analysis looks the levels up in the whole sheet.
        sheet = with_groups(study.samples).loc[samples.index]
        for name in (SOURCE_GROUP, TITLE_GROUP):
            if name in sheet.columns:
                found += _of_column(sheet[name], name, platform)
    sheet = with_groups(samples)
    yield from (replace(candidate, proposal=_paired(candidate.proposal, sheet)) for candidate in found)


def _paired(proposal: Proposal, sheet: pd.DataFrame) -> Proposal:
    """The proposal, with a design that uses pairs where a column pairs the groups."""
    contrast = proposal.contrast
    found = pairing_of(sheet, contrast) if contrast.factor in sheet.columns else None
    if found is None:
        return proposal
    column, n_pairs = found
    names = [
        f"`{name}`" if not re.fullmatch(r"[A-Za-z_][\w.]*", name) else name
        for name in (column, contrast.factor)
    ]
    said = f"{proposal.reason}; {column!r} pairs the groups ({n_pairs} pairs)"
    return replace(proposal, reason=said, design=f"~ {names[0]} + {names[1]}")


def _of_column(column: pd.Series[str], name: str, platform: str) -> list[_Candidate]:
    values = [str(value).strip() for value in column]
    sizes = Counter(value for value in values if value)
    if is_nuisance(name) or not 2 <= len(sizes) <= max(2, len(values) // 2):
        return []
    usable = [level for level, n in sizes.items() if n >= 2]
    if len(usable) < 2:
        return []
    known = reference_level(usable)
    if known is None and len(usable) > 2:
        return []
    kind = 0 if is_condition(name) else 1
    if known is None:
        kind += 2
    if is_person(name):
        kind = 6
    reference = known[0] if known else usable[0]
    reason = _reason(name, known, reference)
    tested = sorted((level for level in usable if level != reference), key=lambda level: -sizes[level])
    return [
        _Candidate(
            Proposal(Contrast(name, level, reference), reason, sizes[level], sizes[reference], platform),
            (kind, position, -min(sizes[level], sizes[reference]), -len(values)),
        )
        for position, level in enumerate(tested)
    ]


def _reason(name: str, known: tuple[str, str] | None, reference: str) -> str:
    where = {
        TITLE_GROUP: "the sample titles fall into groups",
        SOURCE_GROUP: "the source names of the samples fall into groups",
    }.get(name, f"{name!r} differs between samples")
    if known is None:
        return f"{where}; which side is the reference is not said, {reference!r} is listed first"
    return f"{where}; {known[1]!r} is a usual word for a reference"


def _words(text: str) -> list[str]:
    plain = text.replace("’", "'").replace("‘", "'")
    plain = _REPLICATE.sub(" ", _split_underscores(plain))
    words = [word.strip(",;:|") for word in plain.split()]
    return [word for word in words if word and not re.fullmatch(r"[#(]?\d+[.)]?|[-–+&/|]", word)]


def _split_underscores(text: str) -> str:
    return re.sub(r"_+", " ", text)


def _spaced(name: str) -> str:
    """Words apart: ``cellType_id`` reads as ``cell Type id``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.sub(r"[_.]+", " ", name))
