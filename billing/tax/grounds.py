"""Why no tax is charged: the VATEX code, and the sentence that the law asks for, in the languages of documents.

Source: Directive 2006/112/EC, article 226 (11) and (11a), and the code list "VAT exemption reason" of EN 16931.
"""

from __future__ import annotations

from decimal import Decimal

from billing.tax.decision import DEFAULT_NAME, Tax, TaxRate

AE, IC, G, O = "VATEX-EU-AE", "VATEX-EU-IC", "VATEX-EU-G", "VATEX-EU-O"  # noqa: E741 (the codes' own letters)
NOT_REGISTERED, SMALL, CERTIFICATE = "not_registered", "small_business", "certificate"
_NOTES = {
    AE: {
        "en": "Reverse charge: the recipient is liable for the tax (Article 196 of Directive 2006/112/EC).",
        "de": "Steuerschuldnerschaft des Leistungsempfängers (Artikel 196 der Richtlinie 2006/112/EG).",
        "nl": "Btw verlegd (artikel 196 van Richtlijn 2006/112/EG).",
    },
    IC: {
        "en": "Intra-Community supply, exempt (Article 138 of Directive 2006/112/EC).",
        "de": "Steuerfreie innergemeinschaftliche Lieferung (Artikel 138 der Richtlinie 2006/112/EG).",
        "nl": "Intracommunautaire levering, vrijgesteld (artikel 138 van Richtlijn 2006/112/EG).",
    },
    G: {
        "en": "Export, exempt (Article 146 of Directive 2006/112/EC).",
        "de": "Steuerfreie Ausfuhrlieferung (Artikel 146 der Richtlinie 2006/112/EG).",
        "nl": "Uitvoer, vrijgesteld (artikel 146 van Richtlijn 2006/112/EG).",
    },
    O: {
        "en": "Not subject to VAT: supplied outside the European Union (Articles 44 and 59 of Directive 2006/112/EC).",
        "de": "Nicht steuerbar: Leistungsort außerhalb der Europäischen Union (Artikel 44 und 59 der Richtlinie"
        " 2006/112/EG).",
        "nl": "Niet onderworpen aan btw: plaats van dienst buiten de Europese Unie (artikelen 44 en 59 van Richtlijn"
        " 2006/112/EG).",
    },
    NOT_REGISTERED: {
        "en": "No tax is charged: the seller is not registered for it where this is supplied.",
        "de": "Ohne Steuerausweis: der Verkäufer ist am Leistungsort nicht steuerlich registriert.",
        "nl": "Zonder belasting: de verkoper is op de plaats van levering niet geregistreerd.",
    },
    SMALL: {
        "en": "No VAT is charged: exemption for small enterprises (Article 284 of Directive 2006/112/EC).",
        "de": "Keine Umsatzsteuer: Steuerbefreiung für Kleinunternehmer (Artikel 284 der Richtlinie 2006/112/EG).",
        "nl": "Geen btw: vrijstelling voor kleine ondernemingen (artikel 284 van Richtlijn 2006/112/EG).",
    },
    CERTIFICATE: {
        "en": "Exempt by certificate {number}.",
        "de": "Steuerbefreit durch Bescheinigung {number}.",
        "nl": "Vrijgesteld op grond van verklaring {number}.",
    },
}
LANGUAGES = tuple(_NOTES[AE])
ZERO = Decimal(0)


def note(ground: str, language: str) -> str:
    """The sentence of a ground in the language of a BCP 47 tag, in English where it is in no other."""
    words = _NOTES[ground]
    return words.get(language.partition("-")[0].lower(), words["en"])


def untaxed(category: str, ground: str, language: str, name: str = DEFAULT_NAME) -> Tax:
    """A decision that no tax is charged, with its ground."""
    reason = ground if ground in (AE, IC, G, O) else ""
    return Tax((TaxRate(category, ZERO, name=name, reason=reason, note=note(ground, language)),))
