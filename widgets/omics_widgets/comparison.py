"""Which groups to compare: what the sample sheet proposes first, everything editable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ipywidgets import HTML, Dropdown, HBox, RadioButtons, VBox
from traitlets import Dict, Instance

from omics_nb.display.markup import clean, el
from omics_nb.display.numbers import counted
from omics_nb.errors import DesignError
from omics_nb.records import Contrast, Proposal, Study

from .checks import Checks
from .parts import block, button, marked, visible
from .samples import SampleGroups

#: The column that the samples get which a person put into groups one by one.
OWN_GROUPS = "chosen groups"
_OWN = -1
_MOST_LEVELS = 60
_SIDES = ("tested", "reference")


class ComparisonPicker(VBox):
    """Asks for a platform and a ``Contrast``; calls ``compare()`` when the person asks for the comparison.

    ``comparison`` is all that was chosen, as an address can hold it: ``choose(comparison)`` brings it back.
    """

    contrast = Instance(Contrast, allow_none=True)
    comparison = Dict()
    _study: Study
    _own: dict[str, str] | None = None

    def __init__(self, compare: Callable[[], None]) -> None:
        self._proposals: tuple[Proposal, ...] = ()
        self._quiet = False
        self._comparable: list[str] = []
        self.proposed = marked(RadioButtons(), "omics-field", "omics-proposals")
        self.platform = _field("Platform", "omics-platform")
        self.factor = _field("Compare by", "omics-factor")
        self.tested = _field("Tested group", "omics-tested")
        self.reference = _field("Reference group", "omics-reference")
        self.adjust = marked(Checks("Adjust for (optional)"), "omics-adjust")
        self._paired = HTML()
        self.swap = button("Swap groups", self._swap, "omics-swap", tooltip="Exchange tested and reference")
        self.compare = button("Find genes that differ", compare, "omics-compare", primary=True)
        self.samples = SampleGroups(self._sample_moved)
        self._advice = HTML()
        self._meaning = HTML()
        fields = [self.platform, self.factor, self.tested, self.reference, self.swap]
        super().__init__(
            [
                self._advice,
                self.proposed,
                marked(HBox(fields), "omics-fields"),
                self.adjust,
                self._paired,
                self.samples,
                self._meaning,
                self.compare,
            ]
        )
        self.proposed.observe(self._proposal_taken, "value")
        self.platform.observe(self._platform_changed, "value")
        self.factor.observe(self._factor_changed, "value")
        for group in (self.tested, self.reference):
            group.observe(self._group_changed, "value")
        self.adjust.observe(self._adjusted, "value")

    @property
    def controls(self) -> list[Any]:
        return [
            *(self.proposed, self.platform, self.factor, self.tested, self.reference),
            *(self.swap, self.adjust, self.samples, self.compare),
        ]

    @property
    def study(self) -> Study:
        """The study, with the groups of samples that were put together one by one as the column ``OWN_GROUPS``."""
        return self._study.with_factors(self.groups)

    @property
    def groups(self) -> dict[str, dict[str, str]]:
        """The column ``OWN_GROUPS``, sample → group, where samples were put together one by one; else nothing."""
        if self._own is None or self.contrast is None:
            return {}
        names = {"tested": self.contrast.tested, "reference": self.contrast.reference}
        return {OWN_GROUPS: {key: names.get(to, "") for key, to in self._own.items()}}

    @property
    def design(self) -> str | None:
        """The formula, where the person adjusts for other columns; None leaves it to the analysis."""
        from omics_nb.analysis.formula import quoted

        if not self.adjust.value or self.contrast is None:
            return None
        return "~ " + " + ".join(quoted(name) for name in (*self.adjust.value, self.contrast.factor))

    def show(self, study: Study, proposals: Sequence[Proposal]) -> None:
        """The groups of a study; the first proposal is taken, or the first factor where there is none."""
        self._study, self._own = study, None
        self._proposals = tuple(proposal for proposal in proposals if proposal.platform in study.matrices)
        self._quiet = True
        _offer(self.platform, [(name, name) for name in study.matrices])
        visible(self.platform, len(study.matrices) > 1)
        many = len(study.matrices) > 1  # then the same comparison is proposed for each platform
        options = [(proposal_text(p, platform=many), index) for index, p in enumerate(self._proposals)]
        self.proposed.options = [*options, ("My own choice of groups", _OWN)]
        visible(self.proposed, bool(self._proposals))
        self._advice.value = block(el("p", _advice(self._proposals), class_="omics-dim"))
        self._quiet = False
        self.take(0 if self._proposals else _OWN)

    def choose(self, wanted: Mapping[str, Any]) -> None:
        """A comparison as ``comparison`` gave it; DesignError if this study has no such groups.

        It may come from an address, so nothing of it is believed.
        """
        platform, contrast, own, adjust = _read(wanted, self._study)
        self._quiet = True
        self.platform.value = platform
        self._offer_factors(None if own else contrast)
        self._own = own or None
        if own:
            self.contrast = contrast
            self._assign_samples(None)
            self.samples.assign(own, tested=contrast.tested, reference=contrast.reference)
        self._adjust_for(adjust)
        self.proposed.value = self._as_proposed()
        self._quiet = False
        self._settle()

    def take(self, index: int) -> None:
        """Fill the fields from a proposal; -1 leaves them to the person."""
        self._quiet, self._own = True, None
        self.proposed.value = index
        if index == _OWN:
            self._offer_factors()
        else:
            proposal = self._proposals[index]
            self.platform.value = proposal.platform
            self._offer_factors(proposal.contrast)
            self._adjust_for(_suggested(proposal, self.adjust.names))
        self._quiet = False
        self._settle()

    def _adjust_for(self, names: Iterable[str]) -> None:
        self.adjust.value = tuple(name for name in self.adjust.names if name in set(names))

    def levels(self, factor: str) -> dict[str, int]:
        """Level → number of samples with values on the chosen platform, in the order of the samples."""
        samples = self._study.matrix(self.platform.value).columns
        column = self._study.factor(factor).reindex(samples)
        return {str(level): int(n) for level, n in column.value_counts(sort=False).items() if str(level)}

    def _offer_factors(self, contrast: Contrast | None = None) -> None:
        kept = [name for name in map(str, self._study.samples.columns) if self._can_be_compared(name)]
        if contrast is not None and contrast.factor not in kept:
            kept.append(contrast.factor)
        self._comparable = kept
        _offer(self.factor, [(clean(name), name) for name in kept], contrast.factor if contrast else None)
        self._offer_levels(contrast)

    def _can_be_compared(self, factor: str) -> bool:
        levels = self.levels(factor)
        return 2 <= len(levels) <= _MOST_LEVELS and max(levels.values()) > 1

    def _offer_levels(self, contrast: Contrast | None = None) -> None:
        levels = self.levels(self.factor.value) if self.factor.value else {}
        options = [(f"{clean(level)} ({counted(n, 'sample')})", level) for level, n in levels.items()]
        others = [name for name in self._comparable if name != self.factor.value]
        self.adjust.offer(others, map(clean, others), ticked=self.adjust.value)
        visible(self.adjust, bool(others))
        first, second, *_ = [*levels, None, None]
        _offer(self.reference, options, contrast.reference if contrast else first)
        _offer(self.tested, options, contrast.tested if contrast else second)

    def _proposal_taken(self, change: dict[str, Any]) -> None:
        if not self._quiet and change["new"] is not None and change["new"] != _OWN:
            self.take(change["new"])

    def _platform_changed(self, _: Any) -> None:
        self._changed_by_person(self._offer_factors)

    def _factor_changed(self, _: Any) -> None:
        self._changed_by_person(self._offer_levels)

    def _group_changed(self, _: Any) -> None:
        self._changed_by_person(lambda: None)

    def _swap(self) -> None:
        def swap() -> None:
            self.tested.value, self.reference.value = self.reference.value, self.tested.value

        self._changed_by_person(swap)

    def _changed_by_person(self, follow: Callable[[], None]) -> None:
        if self._quiet:
            return
        self._quiet, self._own = True, None
        follow()
        self.proposed.value = self._as_proposed()
        self._quiet = False
        self._settle()

    def _as_proposed(self) -> int:
        """Which proposal the fields say, or that it is none."""
        chosen = (self.platform.value, self._chosen())
        return next((i for i, p in enumerate(self._proposals) if (p.platform, p.contrast) == chosen), _OWN)

    def _adjusted(self, _: Any) -> None:
        if not self._quiet:
            self._say_pairs()
            self.comparison = self._told()

    def _say_pairs(self) -> None:
        """Why something is adjusted for that the person has not chosen."""
        at = self.proposed.value
        proposal = self._proposals[at] if at is not None and at != _OWN else None
        names = _suggested(proposal, self.adjust.names) if proposal else ()
        told = [f"{name!r} pairs the samples of the two groups" for name in names]
        ticked = set(names) <= set(self.adjust.value)
        deed = (
            "so it is adjusted for; untick it to do without."
            if ticked
            else "so adjusting for it would be better."
        )
        self._paired.value = (
            block(el("p", f"{clean(' and '.join(told))}, {deed}", role="status")) if told else ""
        )

    def _sample_moved(self, groups: dict[str, str]) -> None:
        """The person's own groups; they keep the names of those that they began as."""
        self._own = groups
        self._quiet = True
        self.proposed.value = _OWN
        self._quiet = False
        self._settle()

    def _sizes(self) -> Counter[str]:
        """How many samples are in each list."""
        return Counter(self.samples.groups.values())

    def _assign_samples(self, contrast: Contrast | None) -> None:
        sheet = self._study.samples.loc[self._study.matrix(self.platform.value).columns]
        if [sample["key"] for sample in self.samples.samples] != [str(key) for key in sheet.index]:
            self.samples.show(sheet)
        if contrast is None:
            return
        by_level = {contrast.reference: "reference", contrast.tested: "tested"}
        levels = self._study.factor(contrast.factor).reindex(sheet.index)
        groups = {str(key): by_level.get(level, "out") for key, level in levels.items()}
        self.samples.assign(groups, tested=contrast.tested, reference=contrast.reference)

    def _chosen(self) -> Contrast | None:
        if self._own is not None and self.contrast is not None:
            return self.contrast._replace(factor=OWN_GROUPS)
        if self.factor.value is None or self.tested.value is None or self.reference.value is None:
            return None
        return Contrast(self.factor.value, self.tested.value, self.reference.value)

    def _settle(self) -> None:
        self.contrast = self._chosen()
        if self._own is None:
            self._assign_samples(self.contrast)
        usable = self.contrast is not None and self.contrast.tested != self.contrast.reference
        filled = all(self._sizes()[name] for name in ("tested", "reference"))
        self.compare.disabled = not (usable and filled)
        self._meaning.value = block(el("p", self._meant(), role="status"))
        self._say_pairs()
        self.comparison = self._told()

    def _told(self) -> dict[str, Any]:
        """All that is chosen, as JSON can hold it."""
        if self.contrast is None:
            return {}
        told: dict[str, Any] = {"platform": self.platform.value, "contrast": list(self.contrast)}
        if self.adjust.value:
            told["adjust"] = list(self.adjust.value)
        if self._own is not None:
            own = self._own.items()
            told["groups"] = {name: [key for key, to in own if to == name] for name in _SIDES}
        return told

    def _meant(self) -> object:
        if self.contrast is None:
            return "No column of the sample sheet has two groups that could be compared."
        _, tested, reference = self.contrast
        if tested == reference:
            return "Choose two different groups."
        sizes = [counted(self._sizes()[name], "sample") for name in ("tested", "reference")]
        if "0 samples" in sizes:
            return "Each side needs samples: move some there."
        return [
            "A positive log fold change will mean: higher in ",
            *(el("strong", tested), f" ({sizes[0]}) than in "),
            *(el("strong", reference), f" ({sizes[1]})."),
        ]


def _read(wanted: Mapping[str, Any], study: Study) -> tuple[str, Contrast, dict[str, str], tuple[str, ...]]:
    """Platform, contrast, the group of each sample where samples were put together, and what is adjusted for."""
    from omics_nb.analysis.design import check_contrast

    contrast: Any = wanted.get("contrast")
    groups, adjust = wanted.get("groups") or {}, wanted.get("adjust") or ()
    if not _texts(contrast) or len(contrast) != 3 or not _texts(adjust):
        raise DesignError(
            f"a comparison has a contrast of three texts and columns to adjust for, not {contrast!r}, {adjust!r}"
        )
    if not isinstance(groups, Mapping) or not all(_texts(keys) for keys in groups.values()):
        raise DesignError(f"groups are lists of samples by the name of their side, not {groups!r}")
    named = wanted.get("platform")
    if not isinstance(named, str | None):
        raise DesignError(f"the platform of a comparison is a text, not {named!r}")
    platform = study.choose_platform(named)
    own = {key: side for side in _SIDES for key in groups.get(side, ())}
    if own:
        known = {str(key): own.get(str(key), "out") for key in study.matrix(platform).columns}
        return platform, Contrast(OWN_GROUPS, *contrast[1:]), known, tuple(adjust)
    checked = check_contrast(study.accession, study.samples, Contrast(*contrast))
    return platform, checked, {}, tuple(adjust)


def _texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


def _offer(field: Dropdown, options: list[tuple[str, str]], value: str | None = None) -> None:
    """Options of a field, and which of them is chosen: ``value``, or the first."""
    field.options = options
    field.value = options[0][1] if value is None and options else value


def _field(label: str, name: str) -> Dropdown:
    return marked(Dropdown(description=label, style={"description_width": "initial"}), "omics-field", name)


def _suggested(proposal: Proposal, names: Sequence[str]) -> tuple[str, ...]:
    """Of these columns those that the proposal's design has beside its factor."""
    from omics_nb.analysis.formula import quoted

    terms = [term.strip() for term in (proposal.design or "").removeprefix("~").split("+")]
    return tuple(name for name in names if quoted(name) in terms)


def _advice(proposals: Sequence[Proposal]) -> str:
    if proposals:
        return "The sample sheet suggests these comparisons. Look at the groups before you trust one."
    return "The sample sheet suggests no comparison by itself; choose the groups."


def proposal_text(proposal: Proposal, *, platform: bool = False) -> str:
    """A proposal in one line: groups, sizes, the platform if that is asked for, reason."""
    factor, tested, reference = proposal.contrast
    where = f" on {proposal.platform}" if platform else ""
    sizes = f"{proposal.n_tested} vs {proposal.n_reference} samples"
    return clean(f"{factor}: {tested} vs {reference}{where} ({sizes}) – {proposal.reason}")
