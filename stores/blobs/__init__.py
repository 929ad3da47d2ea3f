"""Files under the SHA-256 of their bytes: what is stored never changes, and storing it again stores nothing.

Owns: the port and its backends, one file each. Does not own: which files there are, or who may read them.
"""
