"""Events about doubtful readings. Their object is the anomaly, with the readings on both sides as evidence."""

from __future__ import annotations

from events.catalogue.entry import EventType

EVENTS = (
    EventType("meter.swapped", "anomaly", "The device at a point was exchanged; the stretch between is estimated."),
    EventType("meter.reset", "anomaly", "Somebody set a register back to zero."),
    EventType("meter.restarted", "anomaly", "A device restarted and lost its counter."),
    EventType("meter.negative_step", "anomaly", "A register fell without a known reason; the step is estimated."),
    EventType("meter.spike", "anomaly", "A register rose faster than its circuit allows; the step is estimated."),
    EventType(
        "meter.ambiguous", "anomaly", "A register may wrap more than once between two readings; it is estimated."
    ),
    EventType("meter.unit_suspect", "anomaly", "A register's value looks like another unit's; its readings are held."),
    EventType("meter.stuck", "anomaly", "A register stands still while power flows."),
    EventType("meter.readings_missing", "anomaly", "Readings were missing when a span was billed; it was estimated."),
    EventType("meter.reading_conflict", "anomaly", "Two values were sent for one instant; the first is kept."),
)
