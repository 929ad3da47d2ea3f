"""Tax ids: their form and check digits, as far as their country's are known."""

from __future__ import annotations

from types import ModuleType

from stdnum.ch import vat as switzerland
from stdnum.eu import vat as union
from stdnum.exceptions import ValidationError
from stdnum.gb import vat as britain

from core.errors import Invalid

_LENGTH = range(2, 31)


def check_tax_id(value: str | None) -> str | None:
    """A tax id without spaces. Numbers of the European Union (Greece's begin with EL, Northern Ireland's with XI), of
    Britain and of Switzerland must have their country's form and check digits; of others the characters are looked at.

    Raises:
        Invalid: `tax_id_malformed`.
    """
    if value is None:
        return None
    compact = "".join(value.split()).upper()
    if len(compact) not in _LENGTH or not compact.isascii() or not any(c.isdigit() for c in compact):
        raise _malformed()
    known = _module(compact)
    if known is None:
        if not all(c.isalnum() or c in "-./" for c in compact):
            raise _malformed()
        return compact
    try:
        number = str(known.validate(compact))
    except ValidationError:
        raise _malformed() from None
    if known is britain:
        return f"GB{number}"
    # Greece writes EL where its country code is GR, and so do its registers.
    return f"EL{number[2:]}" if number.startswith("GR") else number


def _module(compact: str) -> ModuleType | None:
    if compact[:2].lower() in {*union.MEMBER_STATES, "el"}:
        return union
    if compact.startswith("GB"):
        return britain
    return switzerland if compact.startswith("CHE") else None


def _malformed() -> Invalid:
    detail = "This is no tax id of the country that it names: its form or its check digits are wrong."
    return Invalid("tax_id_malformed", detail, "/tax_id")
