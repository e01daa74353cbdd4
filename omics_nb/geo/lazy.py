"""Tables that are made when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


class Tables(Mapping[str, "pd.DataFrame"]):
    """Frames by name, each made when it is first asked for and the same object from then on.

    Annotation is millions of texts, which take longer to make than all else in a study. Pickled, it is a dict of
    frames; ``model_fields`` and ``model_validate`` are how a run keeps it.
    """

    model_fields = ("frames",)

    def __init__(self, makers: Mapping[str, Callable[[], pd.DataFrame]]) -> None:
        self._makers = makers
        self._made: dict[str, pd.DataFrame] = {}

    @classmethod
    def of(cls, frames: Mapping[str, pd.DataFrame]) -> Tables:
        """Frames that are there already."""
        return cls({name: partial(frames.__getitem__, name) for name in frames})

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._made:
            # In one step, so that threads that ask at once get the same frame.
            self._made.setdefault(name, self._makers[name]())
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._makers

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def __repr__(self) -> str:
        return f"Tables({', '.join(self)})"

    def __reduce__(self) -> tuple[type[dict[str, pd.DataFrame]], tuple[dict[str, pd.DataFrame]]]:
        return dict, (self.frames,)

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """All of them."""
        return dict(self)

    @classmethod
    def model_validate(cls, fields: Mapping[str, Mapping[str, pd.DataFrame]]) -> Tables:
        return cls.of(fields["frames"])
