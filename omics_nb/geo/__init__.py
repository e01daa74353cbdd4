"""GEO: its file tree, its formats, and the study that a record's files add up to."""
