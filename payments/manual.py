"""Money that a person records: a cheque, a bank transfer, cash."""

from __future__ import annotations

from collections.abc import Mapping

from core.errors import Invalid


class Manual:
    """Charges nothing, calls nobody. Its payments enter through the operator."""

    name = "manual"
    automatic = False

    def credentials_from(self, given: Mapping[str, object]) -> dict[str, str]:
        """None are needed, and none are taken."""
        if given:
            raise Invalid("credentials_unexpected", "A manual gateway account has no credentials.", "/credentials")
        return {}


PLUGIN = Manual()
