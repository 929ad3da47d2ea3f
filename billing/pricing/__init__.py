"""Pricing models, one file each: how a quantity becomes an amount.

Owns: for each model its members, its arithmetic, its examples. A file here with a `PLUGIN` is a model at once: in the
catalogue, in the API description, and in the tests, which run its examples.
Does not own: rounding (`core.money`), parts of a span (`billing.proration`), what the models share (`billing.price`,
`billing.tiers`). The models do not import each other.
"""
