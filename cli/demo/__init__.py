"""`make demo`: one walk through the house, from a PDU's register to a paid invoice, told while it runs.

Owns: the story, its programs (server, worker, agent, PDUs) and the checks of its claims.
Does not own: anything the story shows. It works over HTTP and SNMP like any integrator.
"""

from __future__ import annotations

import argparse


def run(args: argparse.Namespace) -> int:
    """`busbar demo`: 0 when every claim of the story held."""
    from cli.demo.whole import tell_it

    return tell_it(args)
