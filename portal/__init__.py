"""The door for people: a customer's own pages, rendered here, in plain HTML that works without much script.

Owns: pages, forms, cookies, the Content-Security-Policy, how figures read. Does not own: rules, amounts, who may sign
in (`services`), what a document looks like (`exports`). It is a WSGI application of its own, mounted at `/portal`;
every address below it begins with the provider, so that one browser may be signed in at two.
"""

from portal.app import create

__all__ = ["create"]
