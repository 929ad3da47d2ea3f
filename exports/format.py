"""What an export format of an invoice is: a name, a media type and one pure function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from exports.document import InvoiceDocument


@dataclass(frozen=True)
class InvoiceFormat:
    """A way to write an invoice as a file.

    Args:
        name: how it is asked for (`"pdf"`).
        media_type: of the file.
        suffix: of the file's name, without the dot.
        version: of the template; stored with the invoice, so that a frozen document tells what drew it.
        render: the file of a document. The same document always gives the same bytes.
    """

    name: str
    media_type: str
    suffix: str
    version: str
    render: Callable[[InvoiceDocument], bytes]
