"""The door for programs: HTTP and JSON over the services, and nothing else.

Owns: routes, request and response schemas, authentication of programs, idempotency, ETags, paging, rate limits,
problem+json, the OpenAPI description and its documentation page.
Does not own: rules (`services`, `billing`), tables (`models`), pages for people (`portal`).

How to write a route
====================

One file `api/<resource>.py` with one blueprint called `blp` (found by itself), one file `api/schemas/<resource>.py`.
A view shows its shape and makes one service call:

    from flask.views import MethodView

    from api.http import blueprint, context, page, refuses, require
    from api.schemas import page_of
    from api.schemas.invoices import Invoice, InvoiceQuery
    from services import invoicing

    blp = blueprint("invoices", "Invoices: what a payer owes, and why.")

    @blp.route("/v1/invoices")
    class Invoices(MethodView):
        @require("invoices:read")
        @blp.arguments(InvoiceQuery, location="query")
        @blp.response(200, page_of(Invoice))
        def get(self, query):
            \"\"\"List invoices, newest first.\"\"\"
            return page(query, lambda window: invoicing.list_invoices(context(), window, status=query.get("status")))

    @blp.route("/v1/invoices/<id(invoice):invoice_id>")
    class OneInvoice(MethodView):
        @require("invoices:read")
        @blp.response(200, Invoice)
        def get(self, invoice_id):                      # a UUID
            \"\"\"One invoice.\"\"\"
            return invoicing.get(context(), invoice_id)

    @blp.route("/v1/invoices/<id(invoice):invoice_id>/finalize")
    class Finalize(MethodView):
        @require("invoices:write")
        @refuses(409, illegal_transition="The invoice is not a draft.")
        @blp.response(200, Invoice)
        def post(self, invoice_id):
            \"\"\"Make a draft final: it can no longer change and may be paid.\"\"\"
            return invoicing.finalize(context(), invoice_id)

What comes by itself for every route
------------------------------------

* `require("scope", …)` (one of them suffices) authenticates before the body is read, answers 401/403,
  and documents both; with `of_provider=True` it keeps out credentials of an account.
  `public("why")` marks a route without credentials. A route with neither stops the app from starting.
* `context()` opens the request's one transaction and gives the services' `Context`. It is committed after the view
  returned 2xx or 3xx and rolled back otherwise: never commit, never open another one.
* Whatever raises `core.errors.Refused` becomes problem+json with its status, code and JSON pointers. Document a
  route's own refusals with `refuses(status, code="when")`; the general ones (400, 401, 403, 404 for ids in the path,
  406/413/415/422 for bodies, 412, 429, 500) are added to the description for you. Anything else raised is a 500
  without a trace: use `core.errors`, and return values, not responses (bytes: `http.binary(...)`).
* `Idempotency-Key` on every POST, `ETag`/`If-None-Match` on every GET of one thing, `If-Match` on every change below
  such a GET, `X-Request-Id`, rate limits, body size, content type: nothing to write. A schema's `fields.ShownOnce` is
  left out of a replayed answer.
* Path ids: `<id(kind):name>` with a kind of `core.ids.PREFIXES`; the view gets a UUID, a malformed id is 404.

Schemas
-------

Derive from `api.schemas.Schema` (unknown members are refused, `member_unknown`); take **all** fields from
`api.schemas.fields` (codes and documentation are built in) and validators (`Length`, `Range`, `OneOf`) from there too:

    from api.schemas import ExternalIdQuery, Resource, Schema, fields

    class InvoiceQuery(ExternalIdQuery):                # limit, cursor, external_id (ListQuery: without the last)
        status = fields.Enum(["draft", "open", "paid"])
        account = fields.Reference("account")

    class Invoice(Resource):                            # brings external_id, metadata, created_at
        id = fields.TypeID("invoice", required=True)    # UUID <-> inv_…
        account = fields.TypeID("account", attribute="account_id")
        total_amount = fields.MinorAmount()
        currency = fields.Currency()
        quantity = fields.DecimalString(minimum=0)      # Decimal <-> "12.5"; a number: decimal_string_expected
        span = fields.Span()                            # core.period.Period <-> {"start": …, "end": …}
        due_at = fields.Instant()                       # aware datetime <-> RFC 3339 with Z
        issued_on = fields.Date()

Also there: `String`, `Text`, `Code`, `Integer`, `Boolean`, `Enum`, `Email`, `Url`, `Country`, `TimeZone`, `List`,
`Nested`, `Dict`, `Raw`, `ShownOnce`, `Flag` (a boolean in a query). `Reference("account")` takes an id or an external
id and loads as `str`: resolve it with `services.lookups`. Class names become component names, so say `InvoiceNew` for
what a POST takes, `InvoicePatch` for a PATCH, `Invoice` for the answer. An answer's member that may be null says
`allow_none=True`. Give each POST an example: `@blp.arguments(InvoiceNew, example={...})`. `fields.Metadata` is
called `meta` inside (as the column is), on the way in and on the way out.

Lists
-----

The service takes a `services.paging.Window` and returns a `Slice`; `paging.newest_first(ctx, statement, Model.id,
window)` does it for UUIDv7 ids, `paging.in_order(ctx, statement, (Model.sequence, Model.id), window)` for other keys.
Cursors are signed and belong to the route and its filters; a tampered one is 422 `cursor_invalid`.

Bulk routes
-----------

`@takes_bytes({"application/json": {"schema": SchemaClassOrDict, "example": …}, …})` describes a body that no schema
loads; `raw_body()` gives its bytes, ungzipped and bounded, for msgspec, and refuses other content types (415).

Routes of the public
--------------------

Where the caller has no credential (`public("why")`: gateways' webhooks, enrolment), `context()` does not know the
provider: find it by `runtime.unit.dispatch()` and call `context_for(provider_id, actor="gateway:stripe")`.

Checks: `busbar openapi` rewrites `openapi/openapi.json`; `tests/api` compares it and runs schemathesis over it.
"""
