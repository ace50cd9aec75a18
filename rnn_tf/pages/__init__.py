"""The HTML pages of runs, comparisons and predictions: what is in them."""
