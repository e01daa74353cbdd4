"""A loopback NCBI: E-utilities, GEO's file tree and its web pages, with NCBI's headers, limits and faults.

``python -m tests.ncbi --root FOLDER`` starts it by hand and prints the settings that point omics-nb at it.
"""
