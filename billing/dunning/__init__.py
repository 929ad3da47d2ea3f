"""What happens when an invoice is not paid: a policy of steps by days after due, and what is to be done now.

Owns: the policy's shape and default, and the decision. Does not own: doing it. A decision is a value; services carry it
out and write down which steps were taken, so deciding twice takes no step twice.
"""
