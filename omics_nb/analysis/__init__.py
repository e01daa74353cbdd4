"""Statistics, design and quality: values in, values out, no I/O.

Whole steps on a study: ``de.differential_expression``, ``quality.quality``, ``design.propose_contrasts``.

What they are made of works on plain arrays, features × samples: ``scale`` (raw, log2, counts), ``design``
(formula → matrix, contrast), ``groups`` (what to compare), ``limma`` (fits, moderated t, F, treat),
``variance`` (priors), ``weights`` (samples, vooma), ``correlated`` (blocks), ``counts`` (filter, TMM, voom),
``normalise``, ``values``.
"""
