"""CpRec: storing a recommender small."""
