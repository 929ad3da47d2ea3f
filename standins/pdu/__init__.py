"""A rack PDU that answers real SNMP v2c over UDP: `python -m standins.pdu --config pdus.json`.

Owns: the registers of APC rPDU2 units that rise with a daily load, their exchange, reset and reboot at planned
instants, and the SNMP protocol as such a unit speaks it. Every answer is a pure function of the configuration and
of the time, which is the machine's or that of a sandbox.
Does not own: polling, scales, what a step of a register means. Those are the agent's and the server's.
"""
