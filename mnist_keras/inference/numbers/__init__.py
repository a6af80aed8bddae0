"""Whole numbers in a picture: rows of digits, read as strings.

reader   read_number: the numbers of a page, with a box and a confidence for each digit
lattice  the best way through the candidates of a row
pieces   a row's ink in pieces of at most a digit each, and the candidates that they make up
rows     where digits stand side by side, each row brought to one height
"""
