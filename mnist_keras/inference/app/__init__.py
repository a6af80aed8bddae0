"""The app in the browser: a page to draw on, and what a model reads there.

server   serve_app: the page for this computer, or for a network if it is asked to
page     what is on the page, and what calls what
reader   reads what is on a sheet by any of the models
answers  the answers in HTML

The sheet to draw on, and the looks of the page, are in static.
"""
