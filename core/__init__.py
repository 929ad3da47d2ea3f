"""Values that everybody may use: money, quantities, periods, ids, errors, the plugin registry.

Owns: exact arithmetic and the few operations that round; the shapes of ids and of refusals.
Does not own: pricing, tables, HTTP, clocks, configuration. It imports no framework, no database, no network.
"""
