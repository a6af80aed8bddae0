"""Numbers in a picture: rows of digits, read as strings.

reader    read_number: the numbers of a page, with a box and a confidence for each digit
lattice   the best way through the candidates of a row, and how probable it is
segments  a small model that tells a whole digit among the candidates from others
pieces    where a row's digits may begin and end, and the candidates between
cuts      ways through a component that cross little ink
rows      where digits stand side by side, each row brought to one height
"""
