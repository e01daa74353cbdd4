"""Figures: values that are drawn as pictures for reports and, in notebooks, as plots to point at and zoom into.

::

    omics.figures.volcano(result)                      # also: ma, p_histogram
    omics.figures.heat_map(study, result, annotate="batch")
    omics.figures.pca(study, color_by="agent")         # also: density, box, correlation
    omics.figures.gene(study, "DUSP6", "agent")
    omics.figures.volcano(result).save("volcano.svg")  # or .png, or .csv for its data

``print(figure)`` says in words what a figure shows, ``figure.table`` in rows.
"""

from __future__ import annotations

from .card import figure_body as figure_body
from .card import figure_words as figure_words
from .figure import Figure as Figure
from .forest import forest as forest
from .result import heat_map as heat_map
from .result import ma as ma
from .result import p_histogram as p_histogram
from .result import volcano as volcano
from .samples import box as box
from .samples import correlation as correlation
from .samples import density as density
from .samples import gene as gene
from .samples import pca as pca
