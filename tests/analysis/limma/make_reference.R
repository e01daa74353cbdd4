# What limma 3.54 says of made values in designs of many kinds. Run in this folder: Rscript make_reference.R
# Needs Debian's r-bioc-limma, r-bioc-edger, r-cran-statmod. arrays.csv.gz: 300 features × 16 samples with missing values
# in some; counts.csv.gz: 300 genes × 12. Results have one row a feature, 15 digits.
suppressPackageStartupMessages({library(limma); library(edgeR)})
write_all <- function(x, name) {
  x[] <- lapply(x, function(v) formatC(v, digits = 15, format = "g", width = 1))
  file <- gzfile(paste0(name, ".csv.gz"), "w"); write.csv(x, file, quote = FALSE); close(file)
}
table_of <- function(fit, coef, ...) topTable(fit, coef = coef, number = Inf, sort.by = "none", ...)
treated <- function(fit, ...) topTreat(treat(fit, ...), coef = 1, number = Inf, sort.by = "none")

set.seed(1)
n <- 300; m <- 16
sex <- factor(rep(c("f", "m"), 8)); dose <- factor(rep(c("none", "low", "high"), c(6, 5, 5)), c("none", "low", "high"))
patient <- factor(rep(1:8, 2)); drug <- factor(rep(c("no", "yes"), each = 8)); age <- round(runif(m, 20, 70))
y <- rnorm(n, 8, 2) + sqrt(0.1 * 4 / rchisq(n, 4)) * matrix(rnorm(n * m), n) + 0.4 * rnorm(n) * matrix(rnorm(8), n, 8, byrow = TRUE)[, patient]
y[1:40, drug == "yes"] <- y[1:40, drug == "yes"] + 1; y[41:60, sex == "m" & drug == "yes"] <- y[41:60, sex == "m" & drug == "yes"] + 1.5
y <- round(y, 4); dimnames(y) <- list(paste0("F", 1:n), paste0("s", 1:m))
gaps <- y; gaps[cbind(sample(200:n, 150, TRUE), sample(m, 150, TRUE))] <- NA; gaps[300, drug == "yes"] <- NA
write_all(as.data.frame(gaps), "arrays")
y <- gaps
age_of <- paste(age, collapse = " "); writeLines(age_of, "ages.txt")
full <- y[1:199, ]

d <- model.matrix(~ 0 + dose); c2 <- makeContrasts(doselow - dosenone, dosehigh - dosenone, levels = d)
f <- contrasts.fit(lmFit(full, d), c2); e <- eBayes(f)
write_all(topTable(e, number = Inf, sort.by = "none")[, c("AveExpr", "F", "P.Value", "adj.P.Val")], "levels_f")
write_all(table_of(e, 2, confint = TRUE), "levels_high")
write_all(treated(contrasts.fit(lmFit(full, d), c2[, 2, drop = FALSE]), lfc = 0.3), "levels_treat")
write_all(treated(contrasts.fit(lmFit(full, d), c2[, 2, drop = FALSE]), lfc = 0.3, trend = TRUE, robust = TRUE), "levels_treat_robust")
d <- model.matrix(~ sex * drug); f <- eBayes(lmFit(y, d))
write_all(table_of(f, 4), "interaction")
write_all(table_of(eBayes(contrasts.fit(lmFit(y, d), c(0, 0, 1, 1))), 1), "within_m")
d <- model.matrix(~ patient + drug); write_all(table_of(eBayes(lmFit(y, d), trend = TRUE), 9), "paired_trend")
d <- model.matrix(~ age + drug); write_all(table_of(eBayes(lmFit(y, d), robust = TRUE), 3), "covariate_robust")
d <- model.matrix(~ drug); k <- duplicateCorrelation(y, d, block = patient)$consensus.correlation
write_all(table_of(eBayes(lmFit(y, d, block = patient, correlation = k)), 2), "block")
writeLines(format(k, digits = 15), "block_correlation.txt")
w <- arrayWeights(full, d); write_all(table_of(eBayes(lmFit(full, d, weights = w)), 2), "weighted")
w <- arrayWeights(y, d); write_all(table_of(eBayes(lmFit(y, d, weights = w)), 2), "weighted_gaps")

base <- exp(rnorm(n, 5, 1.2)); m <- 12; group <- factor(rep(c("A", "B"), each = 6)); litter <- factor(rep(1:6, 2))
mu <- base * matrix(exp(rnorm(m, 0, 0.3)), n, m, byrow = TRUE); mu[1:40, 7:12] <- 2.5 * mu[1:40, 7:12]
counts <- matrix(rnbinom(n * m, mu = mu * exp(0.5 * matrix(rnorm(n * 6), n)[, litter]), size = 12), n)
counts[, 12] <- rnbinom(n, mu = mu[, 12], size = 1.5); dimnames(counts) <- list(paste0("F", 1:n), paste0("s", 1:m))
write_all(as.data.frame(counts), "counts")
d <- model.matrix(~ group); g <- DGEList(counts); g <- calcNormFactors(g[filterByExpr(g, d), , keep.lib.sizes = FALSE])
write_all(table_of(eBayes(lmFit(voom(g, d), d)), 2), "voom")
write_all(table_of(eBayes(lmFit(voomWithQualityWeights(g, d), d)), 2), "voom_quality")
write_all(table_of(eBayes(lmFit(cpm(g, log = TRUE, prior.count = 3), d), trend = TRUE), 2), "limma_trend")
v <- voom(g, d); k <- duplicateCorrelation(v, d, block = litter)$consensus.correlation
v <- voom(g, d, block = litter, correlation = k); k2 <- duplicateCorrelation(v, d, block = litter)$consensus.correlation
write_all(table_of(eBayes(lmFit(v, d, block = litter, correlation = k2)), 2), "voom_block")
writeLines(format(c(k, k2), digits = 15), "voom_block_correlation.txt")
v <- voomWithQualityWeights(g, d); k <- duplicateCorrelation(v, d, block = litter)$consensus.correlation
v <- voomWithQualityWeights(g, d, block = litter, correlation = k); k2 <- duplicateCorrelation(v, d, block = litter)$consensus.correlation
write_all(table_of(eBayes(lmFit(v, d, block = litter, correlation = k2)), 2), "voom_quality_block")
d <- model.matrix(~ drug); w <- asMatrixWeights(arrayWeights(full, d), dim(full))
k <- duplicateCorrelation(full, d, block = patient, weights = w)$consensus.correlation
write_all(table_of(eBayes(lmFit(full, d, weights = w, block = patient, correlation = k)), 2), "weighted_block")
