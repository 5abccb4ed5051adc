"""Import Flask, answer one request, end: what a cold start costs."""

from flask_app import app
from handing import wsgi

wsgi(app, "/hello/world")()
