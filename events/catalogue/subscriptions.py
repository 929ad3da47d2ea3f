"""Events about subscriptions."""

from __future__ import annotations

from events.catalogue.entry import EventType

EVENTS = (
    EventType("subscription.created", "subscription", "A subscription was ordered."),
    EventType(
        "subscription.activated", "subscription", "A subscription's service began, or its trial became a contract."
    ),
    EventType("subscription.trial_started", "subscription", "A subscription began with a trial."),
    EventType("subscription.trial_ending", "subscription", "A trial is about to end."),
    EventType("subscription.term_ending", "subscription", "The last day of notice of a fixed term is coming."),
    EventType("subscription.term_ended", "subscription", "A fixed term is over; the contract goes on without one."),
    EventType("subscription.renewed", "subscription", "A fixed term began anew."),
    EventType("subscription.expired", "subscription", "A fixed term is over, and the contract with it."),
    EventType("subscription.paused", "subscription", "A subscription was paused: nothing is billed."),
    EventType("subscription.unpaused", "subscription", "A pause has ended: it is billed again."),
    EventType("subscription.changed", "subscription", "A subscription's quantities or terms were changed."),
    EventType("subscription.updated", "subscription", "A subscription's notes were changed: not its terms."),
    EventType("subscription.change_scheduled", "subscription", "A change was put down for later."),
    EventType("subscription.change_withdrawn", "subscription", "A change that was put down for later was withdrawn."),
    EventType("subscription.change_failed", "subscription", "A change that was put down could not be made any more."),
    EventType("subscription.charge_added", "subscription", "A charge that is due once was put on a subscription."),
    EventType("subscription.charge_withdrawn", "subscription", "A charge that is due once was taken off again."),
    EventType("subscription.coupon_added", "subscription", "A coupon was redeemed for a subscription."),
    EventType("subscription.coupon_withdrawn", "subscription", "A coupon was taken off a subscription."),
    EventType("subscription.suspended", "subscription", "A subscription's service is off."),
    EventType("subscription.resumed", "subscription", "A subscription's service is on again."),
    EventType("subscription.cancelled", "subscription", "A subscription ended."),
    EventType("subscription.provision_requested", "subscription", "The integrator is asked to turn a new service on."),
    EventType("subscription.suspend_requested", "subscription", "The integrator is asked to turn a service off."),
    EventType("subscription.resume_requested", "subscription", "The integrator is asked to turn a service on again."),
    EventType("subscription.change_requested", "subscription", "The integrator is asked to change a service."),
    EventType("subscription.deprovision_requested", "subscription", "The integrator is asked to end a service."),
    EventType("subscription.provisioned", "subscription", "The integrator has turned the service on."),
    EventType("subscription.change_provisioned", "subscription", "The integrator has changed the service."),
    EventType("subscription.deprovisioned", "subscription", "The integrator has ended the service."),
    EventType("subscription.provisioning_failed", "subscription", "The integrator could not do what it was asked."),
)
