"""What a trained model is asked for: samples and scores."""

from unrolled.generation.sampling import filtered_probabilities, sample
from unrolled.generation.score import Score, score

__all__ = ["Score", "filtered_probabilities", "sample", "score"]
