"""How a store's tables came to be, one module a step; `serving.store.migrate` applies those that are missing."""
