# Counts made by a negative binomial, and what DESeq2 1.38 says of them. Run in this folder: Rscript make_reference.R
# Needs Debian's r-bioc-deseq2. Each file has counts (s1 …), results, and the largest Cook's distance that can flag a
# gene, one row a gene.
suppressPackageStartupMessages(library(DESeq2))

simulated <- function(design, seed, n = 150, sparse = FALSE, rising = FALSE) {
  set.seed(seed)
  m <- nrow(design)
  base <- exp(rnorm(n, if (sparse) 1 else 4.5, 1.5))
  effects <- matrix(rnorm(n * (ncol(design) - 1)) * (runif(n * (ncol(design) - 1)) < 0.3), n)
  mu <- t(t(base * exp(effects %*% t(design[, -1, drop = FALSE]))) * exp(rnorm(m, 0, 0.3)))
  dispersion <- (if (rising) 0.01 + base / 2000 else 0.05 + 2 / base) * exp(rnorm(n, 0, 0.5))
  k <- matrix(rnbinom(n * m, mu = mu, size = 1 / dispersion), n)
  mode(k) <- "integer"
  dimnames(k) <- list(paste0("g", 1:n), paste0("s", 1:m))
  k
}
write_result <- function(name, sheet, formula, seed, edit = identity, contrast = NULL, type = "ratio", ...) {
  k <- edit(simulated(model.matrix(formula, sheet), seed, ...))
  rownames(sheet) <- colnames(k)
  dds <- DESeq(DESeqDataSetFromMatrix(k, sheet, formula), quiet = TRUE, sfType = type)
  r <- if (is.null(contrast)) results(dds) else results(dds, contrast = contrast)
  r <- cbind(as.data.frame(r), maxCooks = as.numeric(mcols(dds)$maxCooks))
  r[] <- lapply(r, function(x) formatC(x, digits = 10, format = "g", width = 1))
  file <- gzfile(paste0(name, ".csv.gz"), "w")
  write.csv(cbind(k, r), file, quote = FALSE)
  close(file)
}
groups <- function(a, b) factor(rep(c("A", "B"), c(a, b)))
# A count far from its group, a gene whose only counts are outliers, a gene without counts, one with a group of zeros,
# and a gene with an outlier that others exceed.
odd <- function(k) {
  m <- ncol(k)
  k[5, 2] <- 20000L
  k[6, ] <- 0L; k[6, 1] <- 900L
  k[7, ] <- 0L
  k[8, ] <- c(rep(0L, m %/% 2), rep(c(12L, 25L), length.out = m - m %/% 2))
  h <- m %/% 2
  k[9, ] <- as.integer(c(rep(5:7, length.out = h - 1), 500, 5000 + 50 * seq_len(m - h)))
  k
}
write_result("three", data.frame(group = groups(3, 3)), ~group, 1, odd)
write_result("six", data.frame(group = groups(6, 6)), ~group, 2, odd)
write_result("twelve", data.frame(group = groups(12, 12)), ~group, 3, odd)
write_result("unequal", data.frame(group = groups(9, 4)), ~group, 4, odd)
write_result("paired", data.frame(pair = factor(rep(1:5, 2)), group = groups(5, 5)), ~pair + group, 5)
write_result("covariate", data.frame(age = rep(c(-1.4, -0.1, 0.7, -0.7, 1.6, 0.2), 2), group = groups(6, 6)), ~age + group, 6)
write_result("levels", data.frame(group = factor(rep(c("A", "B", "C"), each = 4))), ~group, 7,
             function(k) { k <- odd(k); k[20:22, 5:12] <- 0L; k[20:22, 1:4] <- k[20:22, 1:4] + 3L; k },
             contrast = c("group", "C", "B"))
write_result("interaction", data.frame(sex = factor(rep(c("f", "m"), 8)), group = groups(8, 8)), ~sex * group, 8)
write_result("zeros", data.frame(group = groups(4, 4)), ~group, 9, type = "poscounts", sparse = TRUE,
             function(k) { for (i in seq_len(nrow(k))) k[i, i %% 8 + 1] <- 0L; k })
write_result("rising", data.frame(group = groups(4, 4)), ~group, 10, rising = TRUE)
