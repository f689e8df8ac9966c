"""Training: the loop, its settings, and the run folder it leaves."""
