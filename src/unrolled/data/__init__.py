"""Readers of data, one a file, and what turns it into batches."""
