"""Architectures, one a file, and the folders they are kept in."""
