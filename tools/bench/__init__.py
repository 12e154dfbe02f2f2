"""``make bench``: what p2c costs and how fast it is, beside a plain loop and beside the ceiling."""
