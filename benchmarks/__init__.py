"""The benchmarks: what runs, how fast, on which processor, and at what cost in accuracy.

``python -m benchmarks.all`` runs the rows, ``make bench`` calls it. In this order, each knows only those
before: ``machine`` (what it runs on), ``harness`` (how it is timed), ``table`` (what a line of the table
says), the rows (a module each), ``all``. ``notebooks`` measures what the notebooks of the book cost."""
