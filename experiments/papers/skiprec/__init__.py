"""SkipRec: running only the blocks that a user needs."""
