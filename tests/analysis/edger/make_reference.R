# Counts made by a negative binomial, and what edgeR 3.40's quasi-likelihood test says of them. Run in this folder:
# Rscript make_reference.R. Needs Debian's r-bioc-edger. Each file has counts (s1 …) and results, one row a gene.
suppressPackageStartupMessages(library(edgeR))

simulated <- function(design, seed, genes = 200, level = 4.5) {
  set.seed(seed)
  m <- nrow(design)
  base <- exp(rnorm(genes, level, 1.5))
  effects <- matrix(rnorm(genes * (ncol(design) - 1)) * (runif(genes * (ncol(design) - 1)) < 0.3), genes)
  mu <- t(t(base * exp(effects %*% t(design[, -1, drop = FALSE]))) * exp(rnorm(m, 0, 0.3)))
  k <- matrix(rnbinom(genes * m, mu = mu, size = 1 / ((0.05 + 2 / base) * exp(rnorm(genes, 0, 0.5)))), genes)
  dimnames(k) <- list(paste0("g", 1:genes), paste0("s", 1:m))
  k
}
write_result <- function(name, design, seed, tested = ncol(design), contrast = NULL, robust = FALSE, edit = identity, ...) {
  k <- edit(simulated(design, seed, ...))
  y <- estimateDisp(calcNormFactors(DGEList(k)), design)
  fit <- glmQLFit(y, design, robust = robust)
  r <- if (is.null(contrast)) glmQLFTest(fit, coef = tested)$table else glmQLFTest(fit, contrast = contrast)$table
  r[] <- lapply(r, function(x) formatC(x, digits = 12, format = "g", width = 1))
  file <- gzfile(paste0(name, ".csv.gz"), "w")
  write.csv(cbind(k, r), file, quote = FALSE)
  close(file)
}
groups <- function(a, b) factor(rep(c("A", "B"), c(a, b)))
# A count far from its group, a gene whose only counts are one outlier, and genes with a group of zeros.
odd <- function(k) {
  m <- ncol(k)
  k[5, 2] <- 20000
  k[6, ] <- 0; k[6, 1] <- 900
  k[7, ] <- 0; k[7, m] <- 3
  k[8, ] <- c(rep(0, m %/% 2), rep(c(12, 25), length.out = m - m %/% 2))
  k[9, ] <- c(rep(c(40, 55), length.out = m %/% 2), rep(0, m - m %/% 2))
  k
}
three <- factor(rep(c("A", "B", "C"), each = 4))
write_result("three", model.matrix(~groups(3, 3)), 1, edit = odd)
write_result("unequal", model.matrix(~groups(9, 4)), 2, edit = odd, robust = TRUE)
write_result("sparse", model.matrix(~groups(4, 4)), 3, level = 1)
write_result("poisson", model.matrix(~groups(4, 4)), 9, edit = function(k) { k[] <- rpois(length(k), 20); k })
write_result("few", model.matrix(~groups(4, 4)), 4, genes = 40)
write_result("paired", model.matrix(~factor(rep(1:5, 2)) + groups(5, 5)), 5, edit = odd)
write_result("covariate", model.matrix(~rep(c(-1.4, -0.1, 0.7, -0.7, 1.6, 0.2), 2) + groups(6, 6)), 6, robust = TRUE)
write_result("levels", model.matrix(~three), 7, tested = 2:3, edit = odd)
write_result("contrast", model.matrix(~three), 7, contrast = c(0, -1, 1), edit = odd)
write_result("interaction", model.matrix(~factor(rep(c("f", "m"), 8)) * groups(8, 8)), 8, edit = odd)
