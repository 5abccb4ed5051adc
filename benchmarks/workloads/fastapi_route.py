"""FastAPI answers one plain route."""

from fastapi_app import app
from handing import measure_asgi

measure_asgi(app, "/hello/world")
