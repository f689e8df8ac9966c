"""Data that is drawn, not read: sequences whose solution is known."""
