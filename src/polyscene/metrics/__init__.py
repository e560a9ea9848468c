"""Metrics as pure functions on arrays; a value that is not defined is NaN, never a guess.

ranking      relevant targets near the top of each list
probability  predicted probabilities and scores against what happened
isotonic     scores as probabilities, by what happened
catalogue    what lists do beyond accuracy: coverage, exposure, novelty, diversity, serendipity
compare      how sure a mean over users is, and whether two differ
clustered    how sure a ratio of sums over users is, or the AUC of everybody's examples
"""
