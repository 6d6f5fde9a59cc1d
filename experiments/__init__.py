"""Command-line entry points; each has a `--help` that teaches."""
