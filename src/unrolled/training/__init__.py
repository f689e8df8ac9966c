"""Training: the loop, its settings, and the run folder it leaves.

Nothing is imported here: the command line reads `unrolled.training.settings` for its help, without torch.
"""
