"""Differential expression against R's limma, edgeR and DESeq2 and against PyDESeq2, in one run on the same numbers.

``python -m tests.benchmarks.bench_analysis``, or with ``limma`` or ``deseq2`` one half of it. Prints seconds (the
best of several, by turns), the ratio to R, the largest relative difference of the P-values and the largest
memory of the processes. Without Rscript and its packages, or without pydeseq2, only the others are shown.
"""

from __future__ import annotations

import importlib.util
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd

from omics_nb.analysis import counts as rnaseq
from omics_nb.analysis import deseq2, edger
from omics_nb.analysis.least_squares import Fit, lm_fit
from omics_nb.analysis.limma import e_bayes
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
asked <- file("stdin", "r")
while (length(i <- readLines(asked, 1)) > 0) {
  s <- system.time(r <- cases[[as.integer(i)]]())[["elapsed"]]
  writeBin(as.double(r), paste0(i, ".out"))
  peak <- grep("VmHWM", readLines("/proc/self/status"), value = TRUE)
  cat(s, as.numeric(gsub("[^0-9]", "", peak)) / 1024, "\\n")
  flush(stdout())
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
        voomed = voom_with_quality_weights(counts, count_design, library_sizes=sizes())
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


def wald_by_pydeseq2(counts: np.ndarray) -> np.ndarray:
    from pydeseq2.dds import DeseqDataSet
    from pydeseq2.ds import DeseqStats

    names = [f"s{j}" for j in range(N_COUNT_SAMPLES)]
    sheet = pd.DataFrame({"group": np.repeat(["A", "B"], N_COUNT_SAMPLES // 2)}, index=names)
    frame = pd.DataFrame(counts.T.astype(int), index=names, columns=[f"g{i}" for i in range(len(counts))])
    found = DeseqDataSet(counts=frame, metadata=sheet, design="~group", quiet=True)
    found.deseq2()
    test = DeseqStats(found, contrast=["group", "B", "A"], quiet=True)
    test.run_wald_test()
    return np.asarray(test.p_values)


def compare_deseq2(repeats: int) -> None:
    """The whole test by turns, each in a process of its own, so that load falls on all."""
    counts = made_counts()
    rscript = shutil.which("Rscript")
    has_peer = importlib.util.find_spec("pydeseq2") is not None
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "counts.npy", counts)
        counts.T.tofile(Path(folder) / "counts.bin")
        script = DESEQ_SCRIPT % {"genes": N_DESEQ_GENES, "samples": N_COUNT_SAMPLES}
        (Path(folder) / "deseq2.R").write_text(script)
        alone = [sys.executable, "-m", "tests.benchmarks.bench_analysis", f"{folder}/counts.npy"]
        runs = {"ours": _measured([*alone, "ours"], None, repeats)}
        if rscript:
            runs["DESeq2 in R"] = _measured([rscript, "deseq2.R"], folder, repeats)
        if has_peer:
            runs["PyDESeq2"] = _measured([*alone, "peer"], None, 1)
        found = {"DESeq2 in R": f"{folder}/p.out", "PyDESeq2": f"{folder}/counts.npy.peer"}
        p = {name: np.fromfile(path) for name, path in found.items() if name in runs}
    _say_wald(wald(counts), runs, p)


def _say_wald(result: np.ndarray, runs: dict[str, tuple[float, float]], p: dict[str, np.ndarray]) -> None:
    seconds, peak = runs["ours"]
    print(f"DESeq2's Wald test, {N_DESEQ_GENES:,} × {N_COUNT_SAMPLES}: ours {seconds:.2f} s, {peak:,.0f} MiB")
    for name, theirs in p.items():
        with np.errstate(invalid="ignore"):  # P of 0 in both
            differs = np.abs(result / theirs - 1)
        n_missing = int((np.isnan(result) != np.isnan(theirs)).sum())
        print(
            f"  {name} {runs[name][0]:.2f} s, {runs[name][1]:,.0f} MiB: ratio {runs[name][0] / seconds:.1f}; P differs "
            f"by {np.nanmax(differs):.1e}, beyond 1e-4 on {int((differs > 1e-4).sum()):,}, missing in one of both: "
            f"{n_missing:,}"
        )


def _measured(command: list[str], folder: str | None, repeats: int) -> tuple[float, float]:
    """The fewest seconds and the most MiB of a program that prints both."""
    printed = [
        subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.split()[-2:]
        for _ in range(repeats)
    ]
    return min(float(seconds) for seconds, _ in printed), max(float(mebibytes) for _, mebibytes in printed)


def wald_alone(path: str, whose: str) -> None:
    """Seconds and the largest memory of this process, in MiB; the P-values of the peer into a file."""
    counts = np.load(path)
    start = time.perf_counter()
    p = wald(counts) if whose == "ours" else wald_by_pydeseq2(counts)
    seconds = time.perf_counter() - start
    p.tofile(f"{path}.{whose}")
    print(seconds, peak_mib())


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class R:
    """R with the same arrays, which does one case when it is told its number; as a context it ends with it."""

    def __init__(self, rscript: str, arrays: dict[str, np.ndarray]) -> None:
        sizes = {
            "genes": N_GENES, "samples": N_SAMPLES, "count_genes": N_COUNT_GENES, "count_samples": N_COUNT_SAMPLES,
        }  # fmt: skip
        self.folder = tempfile.TemporaryDirectory()
        here = Path(self.folder.name)
        for name, values in arrays.items():
            values.T.tofile(here / f"{name}.bin")
        (here / "bench.R").write_text(R_SCRIPT % sizes)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([rscript, "bench.R"], cwd=here, **pipes)
        self.peak_mib = 0.0

    def __enter__(self) -> R:
        return self

    def __exit__(self, *error: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
        self.folder.cleanup()

    def run(self, case: int) -> tuple[float, np.ndarray]:
        """Seconds and P-values."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{case + 1}\n")
        self.process.stdin.flush()
        seconds, self.peak_mib = map(float, self.process.stdout.readline().split())
        return seconds, np.fromfile(Path(self.folder.name) / f"{case + 1}.out")


def compare_with_limma(repeats: int) -> None:
    """Ours and R's by turns, so that load falls on both."""
    y, gaps, counts = made()
    rscript = shutil.which("Rscript")
    print(
        f"arrays {N_GENES:,} × {N_SAMPLES}, counts {N_COUNT_GENES:,} × {N_COUNT_SAMPLES}; best of {repeats}"
    )
    print(f"{'':28}{'ours s':>9}{'R s':>9}{'ratio':>8}{'P differs by':>14}")
    with ExitStack() as stack:
        r = stack.enter_context(R(rscript, {"array": y, "gaps": gaps, "counts": counts})) if rscript else None
        for i, (name, run) in enumerate(cases(y, gaps, counts).items()):
            print(_turns(name, run, i, r, repeats), flush=True)
        beside = f", R {r.peak_mib:,.0f} MiB" if r else ""
        print(f"largest memory of all of these: ours {peak_mib():,.0f} MiB{beside}")


def _turns(name: str, run: Callable[[], np.ndarray], case: int, r: R | None, repeats: int) -> str:
    ours, theirs = [], []
    result, p = run(), np.empty(0)
    for _ in range(repeats):
        start = time.perf_counter()
        result = run()
        ours.append(time.perf_counter() - start)
        if r is not None:
            seconds, p = r.run(case)
            theirs.append(seconds)
    line = f"{name:28}{min(ours):9.3f}"
    if r is None:
        return line
    difference = float(np.nanmax(np.abs(result / p - 1)))
    return f"{line}{min(theirs):9.3f}{min(theirs) / min(ours):8.1f}{difference:14.1e}"


def main(*parts: str, repeats: int = 3) -> None:
    if not parts or "limma" in parts:
        compare_with_limma(repeats)
    if not parts or "deseq2" in parts:
        compare_deseq2(repeats)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        wald_alone(sys.argv[1], sys.argv[2])
    else:
        main(*sys.argv[1:])
