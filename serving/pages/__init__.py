"""The reviewer's pages: server-rendered HTML over the store, behind the same keys as the API.

    app = create_app(opening, pages=routes())

Pages read stored scores alone; only a what-if asks the live model, through `POST /v1/predict`.
"""

from serving.pages.routes import routes

__all__ = ["routes"]
