"""SkipRec: serve it fast."""
