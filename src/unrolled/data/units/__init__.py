"""What a text is made of: one kind of symbol a file."""
