"""The engine: pure functions from values to values.

Owns: pricing, metering, spans and proration, proposals, bill dates, totals and tax, ledger postings, dunning decisions,
the tables of states.
Does not own: storing or loading, HTTP, clocks, configuration. It imports `core` and nothing else of the house; the
current time is always an argument.
"""
