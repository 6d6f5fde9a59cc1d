"""SkipRec: serving a recommender fast."""
