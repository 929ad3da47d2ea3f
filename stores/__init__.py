"""Where bulk lives: ports with one file per backend.

Owns: how usage and files are stored and read back in sets. Does not own: what they mean (`billing`), when they are
written (`services`), transactions (doors). Nothing else reads usage tables or blobs.
"""
