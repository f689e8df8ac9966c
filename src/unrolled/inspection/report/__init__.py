"""The report: what inspection finds, as one file of HTML that opens without a network."""
