"""One self-contained HTML page: what it is made of, and how that is shown."""
