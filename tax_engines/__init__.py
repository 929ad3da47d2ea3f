"""Tax engines: one file each behind one port. They say what supplies are taxed with.

Owns: how each engine decides, or is asked and how its answers are read (`port.Engine`).
Does not own: the facts it decides from, the arithmetic of documents (`billing.tax`), what is stored of its answers, the
connection that a question travels on. Values in, values out: no tables, no business clock.
"""
