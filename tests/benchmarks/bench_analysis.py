"""Differential expression against R's limma and DESeq2, in one run on the same numbers.

Prints seconds (the best of several), the ratio to R, and the largest relative difference of the P-values; of DESeq2
also the largest memory of the process. Without Rscript and its packages only our own seconds are shown.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from omics_nb.analysis import counts as rnaseq
from omics_nb.analysis import deseq2, edger
from omics_nb.analysis.limma import Fit, e_bayes, lm_fit
from omics_nb.analysis.normalise import quantile_normalise
from omics_nb.analysis.weights import array_weights, voom_with_quality_weights, vooma

N_GENES, N_SAMPLES = 54_675, 40
N_COUNT_GENES, N_COUNT_SAMPLES = 17_328, 24
N_DESEQ_GENES = 30_000

R_SCRIPT = """
suppressPackageStartupMessages({library(limma); library(edgeR)})
read <- function(name, rows, cols) matrix(readBin(name, "double", rows * cols), rows, cols)
y <- read("array.bin", %(genes)d, %(samples)d); gaps <- read("gaps.bin", %(genes)d, %(samples)d)
counts <- read("counts.bin", %(count_genes)d, %(count_samples)d)
d <- cbind(1, rep(0:1, each = %(samples)d / 2)); dc <- cbind(1, rep(0:1, each = %(count_samples)d / 2))
db <- cbind(dc[, 1], sapply(1:5, function(i) rep(0:5, %(count_samples)d / 6) == i), dc[, 2])
p <- function(fit, ...) eBayes(fit, ...)$p.value[, 2]
voomed <- function(f) { g <- DGEList(counts); g <- calcNormFactors(g); f(g) }
cases <- list(
  "lmFit + eBayes" = function() p(lmFit(y, d)),
  "trend" = function() p(lmFit(y, d), trend = TRUE),
  "robust" = function() p(lmFit(y, d), robust = TRUE),
  "5 %% missing values" = function() p(lmFit(gaps, d)),
  "quantile normalisation" = function() p(lmFit(normalizeBetweenArrays(y, method = "quantile"), d)),
  "array weights" = function() p(lmFit(y, d, weights = arrayWeights(y, d))),
  "vooma" = function() p(lmFit(vooma(y, d), d)),
  "TMM + voom" = function() voomed(function(g) p(lmFit(voom(g, dc), dc))),
  "voom with quality weights" = function() voomed(function(g) p(lmFit(voomWithQualityWeights(g, dc), dc))),
  "edgeR quasi-likelihood" = function() voomed(function(g) glmQLFTest(glmQLFit(estimateDisp(g, dc), dc))$table$PValue),
  "edgeR, six batches" = function() voomed(function(g) glmQLFTest(glmQLFit(estimateDisp(g, db), db))$table$PValue))
for (name in names(cases)) {
  best <- Inf
  for (i in 1:%(repeats)d) { s <- system.time(r <- cases[[name]]())[["elapsed"]]; best <- min(best, s) }
  writeBin(as.double(r), paste0(match(name, names(cases)), ".out")); cat(best, "\\n")
}
"""


DESEQ_SCRIPT = """
suppressPackageStartupMessages(library(DESeq2))
k <- matrix(readBin("counts.bin", "double", %(genes)d * %(samples)d), %(genes)d); mode(k) <- "integer"
colnames(k) <- paste0("s", seq_len(%(samples)d)); rownames(k) <- paste0("g", seq_len(%(genes)d))
sheet <- data.frame(group = factor(rep(c("A", "B"), each = %(samples)d / 2)), row.names = colnames(k))
s <- system.time(r <- results(suppressMessages(DESeq(DESeqDataSetFromMatrix(k, sheet, ~group), quiet = TRUE))))
writeBin(as.double(r$pvalue), "p.out")
peak <- grep("VmHWM", readLines("/proc/self/status"), value = TRUE)
cat(s[["elapsed"]], as.numeric(gsub("[^0-9]", "", peak)) / 1024, "\n")
"""


def made(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An array matrix, the same with 5 % missing, and counts."""
    rng = np.random.default_rng(seed)
    sd = np.sqrt(0.05 * 4 / rng.chisquare(4, (N_GENES, 1)))
    y = rng.normal(8, 2, (N_GENES, 1)) + sd * rng.normal(size=(N_GENES, N_SAMPLES))
    y[: N_GENES // 20, N_SAMPLES // 2 :] += 1
    gaps = y.copy()
    gaps[rng.random(y.shape) < 0.05] = np.nan
    mean = np.exp(rng.normal(5, 1.5, (N_COUNT_GENES, 1))) * np.ones((1, N_COUNT_SAMPLES)) + 2
    mean[: N_COUNT_GENES // 20, N_COUNT_SAMPLES // 2 :] *= 2
    return y, gaps, rng.negative_binomial(8, 8 / (8 + mean)).astype(np.float64)


def cases(y: np.ndarray, gaps: np.ndarray, counts: np.ndarray) -> dict[str, Callable[[], np.ndarray]]:
    design = np.column_stack([np.ones(N_SAMPLES), np.repeat([0, 1], N_SAMPLES // 2)])
    count_design = np.column_stack([np.ones(N_COUNT_SAMPLES), np.repeat([0, 1], N_COUNT_SAMPLES // 2)])

    def p(fit: Fit, *, trend: bool = False, robust: bool = False) -> np.ndarray:
        return e_bayes(fit, trend=trend, robust=robust).p_value[:, 1]

    def sizes() -> np.ndarray:
        return np.asarray(counts.sum(axis=0) * rnaseq.tmm_factors(counts))

    batches = [np.tile(np.arange(6), N_COUNT_SAMPLES // 6) == i for i in range(1, 6)]
    batch_design = np.column_stack([count_design[:, 0], *batches, count_design[:, 1]])

    def quasi(design: np.ndarray) -> np.ndarray:
        fitted = edger.ql_fit(counts, design, sizes())
        return edger.ql_test(fitted, np.eye(design.shape[1])[-1])["PValue"].to_numpy()

    def quality_weighted() -> np.ndarray:
        voomed, _ = voom_with_quality_weights(counts, count_design, library_sizes=sizes())
        return p(rnaseq.voom_fit(voomed, count_design))

    return {
        "lmFit + eBayes": lambda: p(lm_fit(y, design)),
        "trend": lambda: p(lm_fit(y, design), trend=True),
        "robust": lambda: p(lm_fit(y, design), robust=True),
        "5 % missing values": lambda: p(lm_fit(gaps, design)),
        "quantile normalisation": lambda: p(lm_fit(quantile_normalise(y), design)),
        "array weights": lambda: p(lm_fit(y, design, weights=array_weights(y, design))),
        "vooma": lambda: p(lm_fit(y, design, weights=vooma(y, design))),
        "TMM + voom": lambda: p(
            rnaseq.voom_fit(rnaseq.voom(counts, count_design, library_sizes=sizes()), count_design)
        ),
        "voom with quality weights": quality_weighted,
        "edgeR quasi-likelihood": lambda: quasi(count_design),
        "edgeR, six batches": lambda: quasi(batch_design),
    }


def made_counts(seed: int = 1) -> np.ndarray:
    """Counts for DESeq2: dispersions that fall with the mean and scatter, libraries of different size."""
    rng = np.random.default_rng(seed)
    mean = np.exp(rng.normal(4, 2, (N_DESEQ_GENES, 1))) * np.exp(rng.normal(0, 0.3, N_COUNT_SAMPLES))
    mean[: N_DESEQ_GENES // 20, N_COUNT_SAMPLES // 2 :] *= 2
    alpha = (0.05 + 2 / mean.mean(axis=1, keepdims=True)) * np.exp(rng.normal(0, 0.5, (N_DESEQ_GENES, 1)))
    return rng.negative_binomial(1 / alpha, 1 / (1 + alpha * mean)).astype(np.float64)


def wald(counts: np.ndarray) -> np.ndarray:
    design = np.column_stack([np.ones(N_COUNT_SAMPLES), np.repeat([0, 1], N_COUNT_SAMPLES // 2)])
    fitted = deseq2.fit(counts, design, deseq2.size_factors(counts))
    return deseq2.wald_test(fitted, [0, 1]).table["pvalue"].to_numpy()


def compare_deseq2(repeats: int) -> None:
    """DESeq() and results() by turns, each in a process of its own, so that load falls on both."""
    counts = made_counts()
    ours, theirs, p = [], [], np.empty(0)
    rscript = shutil.which("Rscript")
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "counts.npy", counts)
        counts.T.tofile(Path(folder) / "counts.bin")
        script = DESEQ_SCRIPT % {"genes": N_DESEQ_GENES, "samples": N_COUNT_SAMPLES}
        (Path(folder) / "deseq2.R").write_text(script)
        alone = [sys.executable, "-m", "tests.benchmarks.bench_analysis", f"{folder}/counts.npy"]
        for _ in range(repeats):
            ours.append(_two_numbers(alone, None))
            if rscript:
                theirs.append(_two_numbers([rscript, "deseq2.R"], folder))
        if rscript:
            p = np.fromfile(Path(folder) / "p.out")
    seconds, peak = min(s for s, _ in ours), max(m for _, m in ours)
    print(f"DESeq2's Wald test, {N_DESEQ_GENES:,} × {N_COUNT_SAMPLES}: ours {seconds:.2f} s, {peak:,.0f} MiB")
    if rscript:
        r_seconds, r_peak = min(s for s, _ in theirs), max(m for _, m in theirs)
        result = wald(counts)
        with np.errstate(invalid="ignore"):  # P of 0 in both
            differs = float(np.nanmax(np.abs(result / p - 1)))
        same = bool((np.isnan(result) == np.isnan(p)).all())
        print(
            f"  DESeq2 in R {r_seconds:.2f} s, {r_peak:,.0f} MiB: ratio {r_seconds / seconds:.1f}; P differs by "
            f"{differs:.1e}, missing ones {'the same' if same else 'NOT the same'}"
        )


def _two_numbers(command: list[str], folder: str | None) -> tuple[float, float]:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    seconds, mebibytes = map(float, done.stdout.split())
    return seconds, mebibytes


def wald_alone(path: str) -> None:
    """Seconds and the largest memory of this process, in MiB."""
    counts = np.load(path)
    start = time.perf_counter()
    wald(counts)
    seconds = time.perf_counter() - start
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def by_r(arrays: dict[str, np.ndarray], n_cases: int, repeats: int) -> list[tuple[float, np.ndarray]] | None:
    """Seconds and P-values of each case by R; None where R or limma is not installed."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        return None
    sizes = {
        "genes": N_GENES, "samples": N_SAMPLES, "count_genes": N_COUNT_GENES, "count_samples": N_COUNT_SAMPLES,
        "repeats": repeats,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for name, values in arrays.items():
            values.T.tofile(Path(folder) / f"{name}.bin")
        (Path(folder) / "bench.R").write_text(R_SCRIPT % sizes)
        done = subprocess.run([rscript, "bench.R"], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print(f"R could not run: {done.stderr.strip().splitlines()[-1:]}")
            return None
        seconds = [float(line) for line in done.stdout.split()]
        return [(seconds[i], np.fromfile(Path(folder) / f"{i + 1}.out")) for i in range(n_cases)]


def main(repeats: int = 3) -> None:
    y, gaps, counts = made()
    ours = cases(y, gaps, counts)
    theirs = by_r({"array": y, "gaps": gaps, "counts": counts}, len(ours), repeats)
    print(
        f"arrays {N_GENES:,} × {N_SAMPLES}, counts {N_COUNT_GENES:,} × {N_COUNT_SAMPLES}; best of {repeats}"
    )
    print(f"{'':28}{'ours s':>9}{'limma s':>9}{'ratio':>8}{'P differs by':>14}")
    for i, (name, run) in enumerate(ours.items()):
        best, result = float("inf"), np.empty(0)
        for _ in range(repeats):
            start = time.perf_counter()
            result = run()
            best = min(best, time.perf_counter() - start)
        if theirs is None:
            print(f"{name:28}{best:9.3f}")
            continue
        seconds, p = theirs[i]
        difference = float(np.nanmax(np.abs(result / p - 1)))
        print(f"{name:28}{best:9.3f}{seconds:9.3f}{seconds / best:8.1f}{difference:14.1e}")
    compare_deseq2(repeats)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        wald_alone(sys.argv[1])
    else:
        main()
