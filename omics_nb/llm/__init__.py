"""Language models, optional: they may propose names, rewrites and summaries, and nothing of theirs is taken unchecked.

What identifiers, fields and accessions there are, the vocabulary and the retrieved records say; what a model says
beyond them is dropped and told. Without a model, or where it fails, the deterministic result stands.
"""

from __future__ import annotations

from .cell import in_cell as in_cell
from .propose import propose as propose
from .protocol import LLM as LLM
from .protocol import Budget as Budget
from .protocol import Purse as Purse
from .protocol import Usage as Usage
from .protocol import open_llm as open_llm
from .protocol import spending as spending
from .write import write_summary as write_summary
