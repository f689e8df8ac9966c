"""What a trained model is asked for: samples and scores."""
