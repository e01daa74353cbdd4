"""The checks of an analysis that has not run yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .markup import card, el, facts, source_line, table
from .numbers import VERDICTS
from .plain import source_text, wrap
from .study import verdict_mark

if TYPE_CHECKING:
    from ..analysis.precheck import Precheck


def precheck_html(found: Precheck) -> str:
    rows = [(check.name, verdict_mark(check.verdict), check.sentence) for check in found.checks]
    return card(
        el("h3", f"Before an analysis of {found.accession}"),
        source_line(found.source, synthetic=found.synthetic),
        facts((("Design", el("code", found.design) if found.design else ""), ("Platform", found.platform))),
        table("Checks", ("Check", "Verdict", "What was found"), rows),
    )


def precheck_text(found: Precheck) -> str:
    lines = [
        wrap(f"Before an analysis of {found.accession} on {found.platform}: {found.design or 'no design'}"),
        source_text(found.source, synthetic=found.synthetic),
        *(wrap(f"{VERDICTS[check.verdict]:7} {check.name}: {check.sentence}") for check in found.checks),
    ]
    return "\n".join(lines)
