"""Contrasts as forms, tables and addresses write them: three texts, or a list of such."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import DesignError
from ..records import Contrast


def read_contrasts(contrast: Sequence[str] | Sequence[Sequence[str]]) -> tuple[Contrast, ...]:
    """One contrast, or several that are tested together. DesignError for what is not three texts each."""
    # A text, and a mapping by its keys, would be gone through as a list.
    alone = isinstance(contrast, (str, Mapping)) or any(isinstance(part, str) for part in contrast)
    each = [contrast] if alone else list(contrast)
    for one in each or [contrast]:
        three = isinstance(one, Sequence) and not isinstance(one, str) and len(one) == 3
        if not three or not all(isinstance(part, str) and part.strip() for part in one):
            raise DesignError(
                f"a contrast is three texts, [factor, tested, reference], not {one!r}; in a table: a; b; c"
            )
    return tuple(Contrast(*map(str, one)) for one in each)
