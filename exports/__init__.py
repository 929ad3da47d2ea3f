"""Formats of what leaves the house as a document: one module or package each.

Owns: the values a document is made of (`document.py`) and the writers that turn them into files.
Does not own: tables, which documents exist, where files are kept (`stores/blobs`), amounts (`billing`): a writer
formats what it is given and computes nothing that is owed. It is tested without a database.
"""
