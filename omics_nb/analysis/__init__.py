"""Statistics, design, quality and figures: values in, values out, no I/O.

Whole steps on a study: ``de.differential_expression``, ``quality.quality``, ``design.propose_contrasts``, and
the figures of ``plots`` (volcano, ma, p_histogram, pca, density, correlation, heat_map, gene).

What they are made of works on plain arrays, features × samples: ``scale`` (raw, log2, counts), ``design``
(formula → matrix, contrast), ``groups`` (what to compare), ``limma`` (fits, moderated t, F, treat),
``variance`` (priors), ``weights`` (samples, vooma), ``correlated`` (blocks), ``counts`` (filter, TMM, voom),
``normalise``, ``values``.
"""
