"""CherryPy's own tutorial on sessions, which it keeps in memory, on a port of our choice."""

import os

import cherrypy
from cherrypy.tutorial.tut07_sessions import HitCounter

cherrypy.config.update({
    "server.socket_host": "127.0.0.1",
    "server.socket_port": int(os.environ["PORT"]),
    "engine.autoreload.on": False,
})
cherrypy.quickstart(HitCounter())
