"""Flask answers one plain route."""

from flask_app import app
from handing import measure_wsgi

measure_wsgi(app, "/hello/world")
