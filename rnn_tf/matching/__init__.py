"""Networks compared where they are equally good."""
