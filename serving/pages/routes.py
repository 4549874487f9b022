"""All pages, in the order in which a reviewer meets them."""

from collections.abc import Sequence

from starlette.routing import BaseRoute, Route

from serving.pages import account, assets, export, forms, login, model, portfolio, records, retention
from serving.pages.door import open_page, page


def routes() -> Sequence[BaseRoute]:
    """The routes for `create_app(..., pages=routes())`."""
    return [
        open_page("/login", login.show),
        open_page("/login", login.enter, "POST"),
        page("/logout", login.leave, method="POST"),
        page("/", portfolio.show),
        page("/accounts.csv", export.export),
        page("/accounts/{account_id:path}", account.show),
        page("/decisions", forms.decide, permission="decide", method="POST"),
        page("/facts", forms.tell, permission="decide", method="POST"),
        page("/plays", forms.play, permission="decide", method="POST"),
        page("/postmortems", forms.find_cause, permission="decide", method="POST"),
        page("/retention", retention.show),
        page("/retention/{chapter}", retention.show),
        page("/retention/{chapter}/{block}.csv", retention.export),
        page("/records", records.show_all),
        page("/records/{record_id}", records.show),
        page("/records/{record_id}/markdown", records.download),
        page("/records/{record_id}/reviews", records.review, permission="decide", method="POST"),
        page("/model", model.show),
        Route("/assets/{name}", assets.serve, name="GET /assets/{name}"),
    ]
