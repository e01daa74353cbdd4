"""False discoveries and power on simulated studies, by us and by R's own packages on the same numbers.

``python -m tests.benchmarks.bench_power 200`` for more than the 20 of ``make bench``. A study has 1,000 genes in
five against five samples; one in ten changes. Printed are the mean share of false ones among what is found at a rate of
5 %, and the share of the genes that change by more than twofold that is found.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.analysis.test_simulated import (
    METHODS,
    N_GENES,
    N_PER_GROUP,
    Found,
    array_values,
    count_values,
    judged,
)

N_STUDIES = 20
R_SCRIPT = """
suppressPackageStartupMessages({library(limma); library(edgeR); library(DESeq2)})
n <- %(genes)d; m <- %(samples)d; d <- cbind(1, rep(1:0, each = m / 2)); f <- factor(d[, 2])
read <- function(kind, i) matrix(readBin(paste0(kind, i, ".bin"), "double", n * m), n, m)
p <- list(
  limma = function(i) eBayes(lmFit(read("array", i), d))$p.value[, 2],
  voom = function(i) eBayes(lmFit(voom(calcNormFactors(DGEList(read("counts", i))), d), d))$p.value[, 2],
  edger = function(i) {
    y <- estimateDisp(calcNormFactors(DGEList(read("counts", i))), d); glmQLFTest(glmQLFit(y, d))$table$PValue
  },
  deseq2 = function(i) {
    k <- read("counts", i); mode(k) <- "integer"; dimnames(k) <- list(1:n, 1:m)
    s <- DESeqDataSetFromMatrix(k, data.frame(f, row.names = 1:m), ~f)
    results(suppressMessages(DESeq(s, quiet = TRUE)))$pvalue
  })
for (name in names(p)) for (i in seq_len(%(studies)d) - 1) writeBin(as.double(p[[name]](i)), paste0(name, i, ".out"))
"""


def main(n_studies: int = N_STUDIES) -> None:
    print(f"{n_studies} studies of {N_GENES:,} genes, {N_PER_GROUP} against {N_PER_GROUP}")
    ours = {name: [p(seed) for seed in range(n_studies)] for name, p in METHODS.items()}
    theirs = by_r(n_studies)
    print(f"{'':8}{'false: ours':>12}{'R':>8}{'power: ours':>14}{'R':>8}{'genes called by one only':>28}")
    for name, found in ours.items():
        line = f"{name:8}{_mean(found, 'false'):12.2%}"
        if not theirs:
            print(f"{line}{'':8}{_mean(found, 'power'):14.2%}")
            continue
        apart = sum(_apart(one, other) for one, other in zip(found, theirs[name], strict=True))
        print(
            f"{line}{_mean(theirs[name], 'false'):8.2%}{_mean(found, 'power'):14.2%}{_mean(theirs[name], 'power'):8.2%}"
            f"{apart:28,}"
        )


def _mean(p_values: list[np.ndarray], what: str) -> float:
    found: list[Found] = [judged(p) for p in p_values]
    return float(np.mean([getattr(one, what) for one in found]))


def _apart(one: np.ndarray, other: np.ndarray) -> int:
    """Genes that one of two lists of P-values calls at 5 % and the other does not."""
    from omics_nb.analysis.limma import benjamini_hochberg

    with np.errstate(invalid="ignore"):
        called = [benjamini_hochberg(p) <= 0.05 for p in (one, other)]
    return int((called[0] != called[1]).sum())


def by_r(n_studies: int) -> dict[str, list[np.ndarray]]:
    """Method → the P-values of each study by R; empty where Rscript or a package is missing."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        return {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed in range(n_studies):
            array_values(seed).T.tofile(folder / f"array{seed}.bin")
            count_values(seed).T.tofile(folder / f"counts{seed}.bin")
        sizes = {"genes": N_GENES, "samples": 2 * N_PER_GROUP, "studies": n_studies}
        (folder / "power.R").write_text(R_SCRIPT % sizes)
        done = subprocess.run([rscript, "power.R"], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print(f"R could not run: {done.stderr.strip().splitlines()[-1:]}")
            return {}
        return {name: [np.fromfile(folder / f"{name}{i}.out") for i in range(n_studies)] for name in METHODS}


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
