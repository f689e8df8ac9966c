"""Models with the fit, predict and score of scikit-learn, which they do without."""
