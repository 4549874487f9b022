"""The HTTP API: an ASGI application over the store, the live model and the policy.

    app = create_app(lambda: open_context(store, models, policy, facts, secret=secret), pages=routes())

`create_app` does nothing until the application starts; everything it needs is opened then, and closed at the end.
"""

from serving.api.app import create_app
from serving.api.context import Context, Facts, open_context
from serving.api.limits import Limits
from serving.api.models import ModelHolder

__all__ = ["Context", "Facts", "Limits", "ModelHolder", "create_app", "open_context"]
