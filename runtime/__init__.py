"""What every door shares: settings, the database engine, the one transaction helper, migrations, logging.

Owns: the environment, the machine's clock, commits. Does not own: HTTP, the queue, use cases.
"""
