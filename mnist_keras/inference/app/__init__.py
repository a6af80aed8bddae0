"""The app in the browser: a page to draw on, and what a model reads there.

server   serve_app: serves the page to this computer or, on request, to a network
page     what is on the page, and what calls what
reader   reads what is on a sheet with any of the models
answers  the answers in HTML

The sheet to draw on, and the looks of the page, are in static.
"""
