"""Results written down: tables, statistics, pictures."""
