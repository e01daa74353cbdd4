"""Tests of omics_nb; a package so that `python -m tests.ncbi` can be started from the project's root."""
